#!/usr/bin/env bash
# keycask as a C or C++ program takes it: installed, moved, found and linked in every way, beside other libraries.

source "$(dirname "$0")/../lib.sh"
need gcc g++ clang-22 libc6-dev binutils cmake pkg-config libsqlite3-dev libjansson-dev make
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
for compiler in g++ clang++-22; do
    for standard in 17 20 23; do
        cpp() {
            "$compiler" -std=c++"$standard" "${CXX_STRICT[@]}" -I"$prefix/include" -Itests/c -o "$work/cpp" tests/cpp/keycask.cpp \
                tests/cpp/second.cpp -x c++ tests/c/check.c -x none "$prefix/lib/libkeycask.so" -lsqlite3 -pthread \
                -Wl,-rpath,"$prefix/lib"
        }
        check "keycask.hpp compiles as C++$standard in two units by $compiler" cpp
        tally "$work/cpp"
    done
done

# --- linking ---
# runs LINKED PROGRAM: it works, and takes the shared library so many times.
runs() { "$2" && [ "$(ldd "$2" | grep -c libkeycask)" -eq "$1" ]; }
by_compiler_line() {
    gcc -I"$prefix/include" tests/consumer/main.c -o "$work/line" -L"$prefix/lib" -lkeycask -Wl,-rpath,"$prefix/lib" &&
        runs 1 "$work/line"
}
check "a compiler line" by_compiler_line
by_pkg_config() { # by_pkg_config NAME LINKED MODULE OPTION…
    local flags
    flags=$(pkg-config "${@:4}" --cflags --libs "$3") &&
        eval "gcc tests/consumer/main.c -o '$work/$1' $flags -Wl,-rpath,'$prefix/lib'" && runs "$2" "$work/$1"
}
check "pkg-config, shared" by_pkg_config pc-shared 1 keycask
check "pkg-config, static" by_pkg_config pc-static 0 keycask-static
# Without the shared library in the prefix, -lkeycask is the static one.
statically() {
    mkdir -p "$work/static only/lib/pkgconfig" && cp -r "$prefix/include" "$work/static only/" &&
        cp "$prefix/lib/libkeycask.a" "$work/static only/lib/" &&
        cp "$prefix/lib/pkgconfig/keycask.pc" "$work/static only/lib/pkgconfig/" &&
        PKG_CONFIG_PATH="$work/static only/lib/pkgconfig" by_pkg_config pc-static-only 0 keycask --static
}
check "pkg-config --static, where only the static library is" statically

# by_cmake NAME WAY KEYCASK OPTION…: where keycask::keycask takes the shared library KEYCASK times.
by_cmake() {
    local build=$work/cmake-$1 program
    configured tests/consumer/cmake "$build" -DWAY="$2" -DKEYCASK="$ROOT" -DCMAKE_PREFIX_PATH="$prefix" "${@:4}" &&
        cmake --build "$build" || return 1
    for program in c_keycask cpp_keycask c_shared cpp_shared c_static cpp_static; do
        "$build/$program" || return 1
    done
    runs 0 "$build/c_static" && runs 1 "$build/c_shared" && runs "$3" "$build/c_keycask"
}
check "find_package" by_cmake package package 1
check "find_package, with BUILD_SHARED_LIBS off" by_cmake package-static package 0 -DBUILD_SHARED_LIBS=OFF
check "add_subdirectory" by_cmake subdirectory subdirectory 1
check "FetchContent" by_cmake fetch fetch 1

# The first CMake releases that know package descriptions (.cps) are newer than Debian's.
NEWER_CMAKE=cmake==4.4.5
newer_cmake() {
    local home=$ROOT/target/cmake
    [ "$("$home/bin/pip" freeze 2>/dev/null)" = "$NEWER_CMAKE" ] ||
        { need python3-venv && python3 -m venv "$home" && "$home/bin/pip" install --quiet --disable-pip-version-check "$NEWER_CMAKE"; }
}
check "a newer CMake is there" newer_cmake
by_newer_cmake() { PATH=$ROOT/target/cmake/bin:$PATH by_cmake "$@"; }
check "find_package by it, with BUILD_SHARED_LIBS off" by_newer_cmake newer package 0 -DBUILD_SHARED_LIBS=OFF
# It knows no BUILD_SHARED_LIBS, by which it is told from the other files.
check "find_package of the package description" by_newer_cmake description package 1 -DBUILD_SHARED_LIBS=OFF \
    -Dkeycask_DIR="$prefix/lib/keycask/cps"

# --- the tests by CTest ---
by_ctest() {
    configured . "$work/ctest" -DKEYCASK_TESTS=ON && cmake --build "$work/ctest" --target keycask_build keycask_tests &&
        ctest --test-dir "$work/ctest" --output-on-failure
}
check "CTest runs the C and C++ tests" by_ctest

# --- the static library's insides ---
system_libraries() { sed 's/^/-l/' abi/system-libraries.txt | paste -sd' '; }
as_rustc_prints() {
    cargo rustc --lib --crate-type staticlib -- --print native-static-libs 2>&1 |
        sed -n 's/^note: native-static-libs: //p'
}
check "the list of system libraries is rustc's" diff <(system_libraries) <(as_rustc_prints)
only_kc() {
    diff abi/symbols.txt \
        <(readelf -sW "$prefix/lib/libkeycask.a" | awk '($5 == "GLOBAL" || $5 == "WEAK") && $7 != "UND" { print $8 }' | sort)
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
        scripts/static-library.sh abi/symbols.txt "$CARGO_TARGET_DIR/debug/libkeycask.a" "$work/libpanicking.a" &&
        eval "gcc -std=c99 -D_DEFAULT_SOURCE -Iinclude -Itests/c -o '$work/panics' tests/panics/panics.c tests/c/check.c \
            '$work/libpanicking.a' -lsqlite3 $(system_libraries)"
}
check "an archive in which panics can be forced is built" panicking_archive
panics() { "$work/panics" 2>"$work/panics.stderr"; }
tally panics
totals
