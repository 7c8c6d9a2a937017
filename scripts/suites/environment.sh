#!/usr/bin/env bash
# What the library needs of its environment: the system calls that docs/environment.md lists, all of them and no other.

source "$(dirname "$0")/../lib.sh"
need gcc libc6-dev libseccomp-dev libsqlite3-dev strace
build_library
work=$ROOT/target/environment
rm -rf "$work"
mkdir -p "$work"
compile "$work/sandbox" tests/environment/sandbox.c -pthread -lseccomp -lsqlite3

# The calls in the first column of the tables of "System calls".
mapfile -t listed < <(sed -n '/^## System calls/,/^A cached call/p' docs/environment.md | grep '^| `' | cut -d'|' -f2 |
    grep -oE '[a-z_0-9]+' | sort -u)

# sandboxed NAME OPTION…: one run with the listed calls.
sandboxed() { "$work/sandbox" "${@:2}" "$work/$1/in new folders/keys.db" "${listed[@]}"; }
check "a store with a rollback journal takes the listed calls alone" sandboxed rollback work
check "a store in WAL mode takes the listed calls alone" sandboxed wal work-wal
check "without the vDSO's getrandom too" sandboxed batches work-without-vdso

every_listed_call_is_made() {
    local trace made mode
    trace=$work/trace
    for mode in work work-wal work-without-vdso; do
        strace -f -qq -o "$trace.$mode" "$work/sandbox" $mode "$work/traced $mode/in new folders/keys.db"
    done
    made=$(cat "$trace".* | grep -oE '^[0-9]+ +(<\.\.\. )?[a-z_0-9]+' | awk '{ print $NF }' | sort -u)
    diff <(printf '%s\n' "${listed[@]}") <(comm -12 <(printf '%s\n' "${listed[@]}") <(printf '%s\n' "$made"))
}
check "every listed call is made" every_listed_call_is_made
check "a file system without open-file-description locks is told by kc_open" "$work/sandbox" no-locks "$work/without.db"
totals
