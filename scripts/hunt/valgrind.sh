#!/usr/bin/env bash
# valgrind over the tests in Rust; those in C run under it in scripts/test.sh.

source "$(dirname "$0")/../lib.sh"
need gcc libc6-dev valgrind
export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="valgrind -q --error-exitcode=9 --leak-check=full --show-leak-kinds=definite,possible --errors-for-leak-kinds=definite"
for test in vectors store public_vectors; do
    tally cargo test --quiet --locked --release --test "$test" -- --test-threads=2
done
tally cargo test --quiet --locked --release --lib -- --test-threads=2
totals
