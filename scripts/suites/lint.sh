#!/usr/bin/env bash
# Formatting, lints, documentation: no warning anywhere.

source "$(dirname "$0")/../lib.sh"
need gcc libc6-dev shellcheck

check "the code is formatted" cargo fmt --check
check "clippy has no complaint" cargo clippy --quiet --all-targets -- -D warnings
check "clippy has no complaint without the C ABI" cargo clippy --quiet --no-default-features --lib -- -D warnings
RUSTDOCFLAGS="-D warnings" check "the Rust documentation builds without a warning" cargo doc --quiet --no-deps
check "the shell scripts have no complaint from shellcheck" shellcheck -x -P SCRIPTDIR scripts/*.sh scripts/suites/*.sh .ci/run
totals
