# shellcheck shell=bash
# What the sanitizers share: keycask, its SQLite and its tests in Rust and in C, built with one and run. What RUSTFLAGS and CFLAGS
# say is taken for all of it. To be sourced.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
TARGET=x86_64-unknown-linux-gnu
STD=()
need gcc libc6-dev clang-22 libclang-rt-22-dev libjansson-dev libsqlite3-dev

# with_std: by Debian's second Rust, which has its standard library's source, so that it is instrumented too.
with_std() {
    need rustc-web cargo-web rust-web-src
    STD=(-Zbuild-std)
    RUSTC=$(command -pv rustc) CARGO=$(command -pv cargo)
    export RUSTC CARGO RUSTC_BOOTSTRAP=1
}

fails() { ! "$@"; }

# begin SANITIZER: as clang's -fsanitize names it.
begin() {
    sanitizer=$1
    work=$ROOT/target/$1
    export CC=clang-22 CARGO_TARGET_DIR=$work
    mkdir -p "$work/c"
    check "a planted defect compiles" clang-22 "-fsanitize=$1" -fno-sanitize-recover=all -g -pthread -o "$work/c/planted" \
        tests/hunt/planted.c
    check "it is reported" fails "$work/c/planted" "$1"
}

rust_tests() { tally "${CARGO:-cargo}" test --quiet --locked --tests --no-fail-fast --target $TARGET "${STD[@]}"; }

c_tests() {
    local source name
    check "the library is built" "${CARGO:-cargo}" rustc --quiet --locked --lib --crate-type cdylib --target $TARGET "${STD[@]}"
    LIBRARY=$work/$TARGET/debug
    ln -sf libkeycask.so "$LIBRARY/libkeycask.so.1"
    for source in tests/c/*.c; do
        name=$(basename "$source" .c)
        [ "$name" != check ] || continue
        # Built as the library is, so that both have one runtime.
        check "$name.c compiles" clang-22 "-fsanitize=$sanitizer" -fno-sanitize-recover=all -g -Iinclude -Itests/c -o "$work/c/$name" \
            "$source" tests/c/check.c -L"$LIBRARY" -lkeycask -Wl,-rpath,"$LIBRARY" -lsqlite3 -ljansson -lpthread
        tally "$work/c/$name" tests/vectors
    done
}
