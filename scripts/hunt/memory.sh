#!/usr/bin/env bash
# MemorySanitizer, over the standard library too. The tests in C use libraries that it would have to be told of; those in Rust make
# the same calls.

source "$(dirname "$0")/../sanitized.sh"
with_std
export CFLAGS="-fsanitize=memory"
export RUSTFLAGS="-Zsanitizer=memory -Zexternal-clangrt -Clinker=clang-22 -Clink-arg=-fsanitize=memory"
export MSAN_OPTIONS=allocator_may_return_null=1
begin memory
rust_tests
totals
