#!/usr/bin/env bash
# The static library as it is handed out: of all that is in it, SQLite and Rust's own library too, only kc_* is global, so that
# it can be linked beside another SQLite and another Rust library.
#
#   scripts/static-library.sh SYMBOLS INPUT OUTPUT     libkeycask.a as cargo makes it, to the one that is installed

set -euo pipefail
symbols=$1 input=$2 output=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mapfile -t functions <"$symbols"
# Section groups are resolved here: two Rust libraries have groups of the same names, of which a linker keeps one.
ld -r --force-group-allocation --gc-sections "${functions[@]/#/--undefined=}" -o "$work/all.o" --whole-archive "$input"
# Without the compiler's own intermediate code, which linkers with a plugin of another release stumble over.
objcopy --wildcard --keep-global-symbol='kc_*' --remove-section=.llvmbc --remove-section=.llvmcmd --strip-debug \
    "$work/all.o" "$work/keycask.o"
ar rcsD "$work/libkeycask.a" "$work/keycask.o"
cmp -s "$work/libkeycask.a" "$output" || cp "$work/libkeycask.a" "$output"
