#!/usr/bin/env bash
# What a call costs, in instructions and allocations, which do not jitter: within benches/budgets.txt, and no allocation.

source "$(dirname "$0")/../lib.sh"
need gcc libc6-dev valgrind
build_library
work=$ROOT/target/speed
rm -rf "$work"
mkdir -p "$work"
gcc -std=gnu99 -O2 -Iinclude -o "$work/keycask" benches/keycask.c -L"$LIBRARY" -lkeycask -Wl,-rpath,"$LIBRARY" -pthread

# run WORK COUNT TOOL…: what valgrind says of a run of so many works.
run() { printf '%s 51 1 %s\n' "$1" "$2" | valgrind "${@:3}" "$work/keycask" "$work/store.db" 2>&1; }
collected() { run "$1" "$2" --tool=callgrind --callgrind-out-file=/dev/null | awk '/Collected/ { print $4 }'; }
allocations() { run "$1" "$2" --tool=memcheck | awk '/total heap usage/ { gsub(",", ""); print $5 }'; }
# instructions WORK: of one call.
instructions() { echo $((($(collected "$1" 3000) - $(collected "$1" 1000)) / 2000)); }

echo 'encrypt 51 1 1' | "$work/keycask" "$work/store.db" >/dev/null # makes the store
while read -r name budget; do
    taken=$(instructions "$name")
    within() {
        if [ "$taken" -le 0 ] || [ "$taken" -gt "$budget" ]; then
            say "where that is meant, raise the budget and say of what it is made"
            return 1
        fi
    }
    check "$name takes $taken instructions, of $budget" within
done < <(grep -v '^#' benches/budgets.txt)
for name in encrypt decrypt key-encrypt key-decrypt; do
    # A look at the store, once a second, makes a few.
    nothing() { [ $(($(allocations "$name" 520) - $(allocations "$name" 20))) -lt 50 ]; }
    check "$name allocates nothing" nothing
done
totals
