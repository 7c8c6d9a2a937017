#!/usr/bin/env bash
# The binary interface: what programs that are linked already have taken from the library stays as it is, and the library is
# built as one should be. docs/abi.md says what is promised.

source "$(dirname "$0")/../lib.sh"
need gcc libc6-dev binutils doxygen
build_library
library=$LIBRARY/libkeycask.so
work=$ROOT/target/abi
mkdir -p "$work"

check "the lists in abi/ are the header's" scripts/abi.py
exports() { readelf --dyn-syms -W "$library" | awk '$5 == "GLOBAL" && $7 != "UND" { print $8 }' | sort; }
check "the library exports what abi/symbols.txt lists, and nothing else" diff abi/symbols.txt <(exports)

dynamic() { readelf -dW "$library" | grep -qE "$1"; }
check "the SONAME is libkeycask.so.1" dynamic 'soname: \[libkeycask\.so\.1\]'
check "the library stays loaded after dlclose" dynamic 'FLAGS_1.*NODELETE'
check "every symbol is bound when it is loaded" dynamic 'FLAGS_1.*NOW'
segment() { readelf -lW "$library" | grep -qE "$1"; }
check "what relocation has written is read-only then" segment '^ *GNU_RELRO '
check "the stack is not executable" segment '^ *GNU_STACK.* RW +0'
check "no relocation changes the code" eval '! dynamic TEXTREL'
needed() { readelf -dW "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort; }
check "it needs the C library and the compiler's alone" diff <(needed) \
    <(printf '%s\n' ld-linux-x86-64.so.2 libc.so.6 libgcc_s.so.1)
newest_glibc() { readelf -VW "$library" | grep -oE 'GLIBC_[0-9.]+' | sort -uV | tail -1; }
check "it works with glibc 2.34" diff <(newest_glibc) <(echo GLIBC_2.34)
small() {
    strip -o "$work/stripped.so" "$library" && stat -c '%s bytes' "$work/stripped.so" &&
        [ "$(stat -c %s "$work/stripped.so")" -le 2500000 ]
}
check "stripped it takes 2.5 MB at most" small
check "its SQLite has no more than a key store uses" trimmed_sqlite "$library"

# Built again in another folder, by somebody with another home.
elsewhere() {
    local home=$work/somebody sources="$work/some other folder" crates=${CARGO_HOME:-$HOME/.cargo}
    rm -rf "$home" "$sources"
    mkdir -p "$home" "$sources" && ln -s "$crates/registry" "$home/registry" &&
        cp -r .cargo Cargo.toml Cargo.lock build.rs src include benches scripts README.md "$sources" &&
        env CARGO_HOME="$home" "$sources/scripts/build.sh" "$sources/target" --quiet --offline
}
check "it is built in another folder, without a network" elsewhere
for file in libkeycask.so libkeycask.a; do
    check "and $file is the same, bit for bit" cmp "$LIBRARY/$file" "$work/some other folder/target/release/$file"
    nowhere() { ! grep -aqE "$ROOT|$HOME/|${CARGO_HOME:-$HOME/.cargo}" "$LIBRARY/$file"; }
    check "$file names no folder of this machine" nowhere
done

check "every comment in the header says what a caller has to know" scripts/comments.py
check "the reference is made without a warning" doxygen docs/Doxyfile
totals
