#!/usr/bin/env bash
# The Rust tests: units, behaviour, vectors, documentation examples.

source "$(dirname "$0")/../lib.sh"
need gcc libc6-dev
tally cargo test --quiet --no-fail-fast
totals
