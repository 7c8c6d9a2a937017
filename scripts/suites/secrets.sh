#!/usr/bin/env bash
# Where secrets lie in memory, what depends on them, and what happens where there is no memory.

source "$(dirname "$0")/../lib.sh"
need gcc gdb libc6-dev libsqlite3-dev python3 valgrind
build_library
work=$ROOT/target/secrets
mkdir -p "$work"
compile "$work/core_file" tests/secrets/core_file.c
compile "$work/constant_time" tests/secrets/constant_time.c
compile "$work/allocations" tests/secrets/allocations.c tests/c/check.c -Itests/c -lsqlite3
figures "a core file holds no key" python3 tests/secrets/core_file.py "$work/core_file"
figures "constant time" python3 tests/secrets/constant_time.py "$work/constant_time"
tally "$work/allocations"
totals
