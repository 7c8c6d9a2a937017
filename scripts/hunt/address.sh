#!/usr/bin/env bash
# AddressSanitizer and LeakSanitizer.

source "$(dirname "$0")/../sanitized.sh"
export RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address CFLAGS="-fsanitize=address -fno-omit-frame-pointer"
# More memory than there is, is a test.
export ASAN_OPTIONS=allocator_may_return_null=1
begin address
rust_tests
c_tests
totals
