#!/usr/bin/env bash
# The corpora of the fuzzing targets, replayed. scripts/hunt.sh makes them grow.

source "$(dirname "$0")/../lib.sh"
need gcc libc6-dev
check "the fuzzing targets are formatted" cargo fmt --manifest-path fuzz/Cargo.toml --check
tally cargo test --quiet --locked --manifest-path fuzz/Cargo.toml --target-dir "$ROOT/target/fuzz" --test corpora -- --nocapture
totals
