#!/usr/bin/env bash
# UndefinedBehaviorSanitizer, over SQLite and the tests in C.

source "$(dirname "$0")/../sanitized.sh"
export CFLAGS="-fsanitize=undefined -fno-sanitize-recover=undefined"
export RUSTFLAGS="-Clinker=clang-22 -Clink-arg=-fsanitize=undefined"
begin undefined
rust_tests
c_tests
totals
