#!/usr/bin/env bash
# ThreadSanitizer, over the standard library too.

source "$(dirname "$0")/../sanitized.sh"
with_std
export CFLAGS=-fsanitize=thread
export RUSTFLAGS="-Zsanitizer=thread -Zexternal-clangrt -Clinker=clang-22 -Clink-arg=-fsanitize=thread"
# Forks of processes with threads are tests too, and more memory than there is.
export TSAN_OPTIONS="die_after_fork=0 allocator_may_return_null=1"
begin thread
rust_tests
c_tests
totals
