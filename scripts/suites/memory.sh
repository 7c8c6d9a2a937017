#!/usr/bin/env bash
# Where secrets lie in memory, and what happens where there is none.

source "$(dirname "$0")/../lib.sh"
need gcc gdb libc6-dev libsqlite3-dev python3
build_library
work=$ROOT/target/memory
mkdir -p "$work"
compile "$work/core_file" tests/memory/core_file.c
compile "$work/allocations" tests/memory/allocations.c tests/c/check.c -Itests/c -lsqlite3
figures "a core file holds no key" python3 tests/memory/core_file.py "$work/core_file"
tally "$work/allocations"
totals
