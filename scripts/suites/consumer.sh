#!/usr/bin/env bash
# keycask as a C or C++ program takes it: installed, moved, found and linked in every way, beside other libraries.

source "$(dirname "$0")/../lib.sh"
need gcc g++ libc6-dev binutils cmake pkg-config libsqlite3-dev make
build_library
work=$ROOT/target/consumer
prefix="$work/a moved prefix"
rm -rf "$work"
mkdir -p "$work"
export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
CXX_STRICT=(-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror)

# The cargo of all builds is one, so that it compiles once. Options behind -- are CMake's.
configured() { cmake -S "$1" -B "$2" -DKEYCASK_CARGO_TARGET_DIR="$CARGO_TARGET_DIR" -DCMAKE_BUILD_TYPE=Release "${@:3}"; }

installs() {
    configured . "$work/build" -DCMAKE_INSTALL_LIBDIR=lib -DKEYCASK_TESTS=OFF &&
        cmake --build "$work/build" && cmake --install "$work/build" --prefix "$work/a first prefix" &&
        mv "$work/a first prefix" "$prefix"
}
check "CMake builds and installs, and the prefix is moved" installs

# --- headers ---
for standard in 17 20 23; do
    cpp() {
        g++ -std=c++"$standard" "${CXX_STRICT[@]}" -I"$prefix/include" -Itests/c -o "$work/cpp$standard" tests/cpp/keycask.cpp \
            tests/cpp/second.cpp -x c++ tests/c/check.c -x none "$prefix/lib/libkeycask.so" -lsqlite3 -pthread \
            -Wl,-rpath,"$prefix/lib"
    }
    check "keycask.hpp compiles as C++$standard in two units" cpp
    tally "$work/cpp$standard"
done

# --- linking ---
# runs LINKED PROGRAM: it works, and takes the shared library so many times.
runs() { "$2" && [ "$(ldd "$2" | grep -c libkeycask)" -eq "$1" ]; }
by_compiler_line() {
    gcc -I"$prefix/include" tests/consumer/main.c -o "$work/line" -L"$prefix/lib" -lkeycask -Wl,-rpath,"$prefix/lib" &&
        runs 1 "$work/line"
}
check "a compiler line" by_compiler_line
by_pkg_config() { # by_pkg_config NAME LINKED OPTION…
    local flags
    flags=$(pkg-config "${@:3}" --cflags --libs keycask) &&
        eval "gcc tests/consumer/main.c -o '$work/$1' $flags -Wl,-rpath,'$prefix/lib'" && runs "$2" "$work/$1"
}
check "pkg-config, shared" by_pkg_config pc-shared 1
# Without the shared library in the prefix, -lkeycask is the static one.
statically() {
    mkdir -p "$work/static only/lib/pkgconfig" && cp -r "$prefix/include" "$work/static only/" &&
        cp "$prefix/lib/libkeycask.a" "$work/static only/lib/" &&
        cp "$prefix/lib/pkgconfig/keycask.pc" "$work/static only/lib/pkgconfig/" &&
        PKG_CONFIG_PATH="$work/static only/lib/pkgconfig" by_pkg_config pc-static 0 --static
}
check "pkg-config, static" statically

by_cmake() { # by_cmake WAY OPTION…
    local build=$work/cmake-$1${2:+-static} program
    configured tests/consumer/cmake "$build" -DWAY="$1" -DKEYCASK="$ROOT" -DCMAKE_PREFIX_PATH="$prefix" "${@:2}" &&
        cmake --build "$build" || return 1
    for program in c_keycask cpp_keycask c_shared cpp_shared c_static cpp_static; do
        "$build/$program" || return 1
    done
    runs 0 "$build/c_static" && runs 1 "$build/c_shared" && runs "$([ $# -eq 1 ] && echo 1 || echo 0)" "$build/c_keycask"
}
check "find_package" by_cmake package
check "find_package, with BUILD_SHARED_LIBS off" by_cmake package -DBUILD_SHARED_LIBS=OFF
check "add_subdirectory" by_cmake subdirectory
check "FetchContent" by_cmake fetch

# --- the static library's insides ---
system_libraries() { sed 's/^/-l/' abi/system-libraries.txt | paste -sd' '; }
as_rustc_prints() {
    cargo rustc --release --lib --crate-type staticlib --target-dir "$CARGO_TARGET_DIR" -- --print native-static-libs 2>&1 |
        sed -n 's/^note: native-static-libs: //p'
}
check "the list of system libraries is rustc's" diff <(system_libraries) <(as_rustc_prints)
only_kc() {
    diff <(readelf -sW "$prefix/lib/libkeycask.a" | awk '($5 == "GLOBAL" || $5 == "WEAK") && $7 != "UND" { print $8 }' | sort) \
        <(grep -oE '\bkc_[a-z_]+\(' include/keycask.h | tr -d '(' | sort -u)
}
check "the static library's only global names are the header's" only_kc
beside() { # beside NAME FLAG… : a program with the system's SQLite
    # shellcheck disable=SC2046 # a word each
    gcc -Wall -Wextra -Werror -I"$prefix/include" -o "$work/$1" tests/consumer/beside.c "${@:2}" -lsqlite3 \
        $(system_libraries) && "$work/$1" "$work/$1.db"
}
check "static beside the system's SQLite" beside beside-static "$prefix/lib/libkeycask.a"
check "shared beside the system's SQLite" beside beside-shared "$prefix/lib/libkeycask.so" -Wl,-rpath,"$prefix/lib"
check "another Rust library is built" rustc --edition 2024 -O --crate-type staticlib -o "$work/libsecond.a" tests/consumer/second.rs
check "static beside another Rust library" beside beside-rust -DSECOND "$prefix/lib/libkeycask.a" "$work/libsecond.a"

panicking_archive() {
    cargo rustc --lib --crate-type staticlib --quiet -- --cfg keycask_force_panic &&
        scripts/static-library.sh include/keycask.h "$CARGO_TARGET_DIR/debug/libkeycask.a" "$work/libpanicking.a" &&
        eval "gcc -std=c99 -D_DEFAULT_SOURCE -Iinclude -Itests/c -o '$work/panics' tests/panics/panics.c tests/c/check.c \
            '$work/libpanicking.a' -lsqlite3 $(system_libraries)"
}
check "an archive in which panics can be forced is built" panicking_archive
panics() { "$work/panics" 2>"$work/panics.stderr"; }
tally panics
totals
