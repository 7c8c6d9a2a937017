#!/usr/bin/env bash
# The C interface: the header under every standard, and the C tests, with sanitizers, under valgrind and as C++.

source "$(dirname "$0")/../lib.sh"
need gcc g++ clang-22 libc6-dev binutils valgrind libjansson-dev libsqlite3-dev
build_library
work=$ROOT/target/c-tests
mkdir -p "$work"

header_alone() { # header_alone COMPILER STANDARD LANGUAGE FLAG…
    printf '#include <keycask.h>\n' | "$1" -x "$3" -std="$2" -Wall -Wextra -Wpedantic -Wconversion "${@:4}" -Werror \
        -Iinclude -fsyntax-only -
}
for standard in c99 c11 c17; do
    check "the header compiles alone as ${standard^} by gcc" header_alone gcc $standard c -Wstrict-prototypes
    check "the header compiles alone as ${standard^} by clang" header_alone clang-22 $standard c -Wstrict-prototypes
done
for standard in c++11 c++17 c++20; do
    check "the header compiles alone as ${standard^} by g++" header_alone g++ $standard c++
    check "the header compiles alone as ${standard^} by clang++" header_alone clang++-22 $standard c++
done

warns_when_dropped() { # warns_when_dropped CALL: the compiler's words on a call whose status nobody looks at
    printf '#include <keycask.h>\nvoid f(void); void f(void) { %s; }\n' "$1" |
        gcc -x c -std=c99 -Iinclude -S -o - - 2>&1 | grep unused-result
}
quiet_when_dropped() { warns_when_dropped "$1; kc_pool_key(0, 0, 0)" && [ "$(warns_when_dropped "$1; kc_pool_key(0, 0, 0)" | wc -l)" -eq 1 ]; }
check "a dropped status is a warning" warns_when_dropped 'kc_pool_key(0, 0, 0)'
check "kc_free's status may be dropped" quiet_when_dropped 'kc_free(0)'

compile_cpp() { # compile_cpp COMPILER OUTPUT SOURCE…
    "$1" -x c++ -std=c++17 -Wall -Wextra -Wpedantic -Wconversion -Werror -D_DEFAULT_SOURCE -Iinclude -Itests/c -o "$2" "${@:3}" \
        -L"$LIBRARY" -lkeycask -Wl,-rpath,"$LIBRARY" -lsqlite3 -ljansson -lpthread
}

# Every test program, built by itself: with sanitizers, for valgrind, and as C++.
harness=()
[ ! -f tests/c/check.c ] || harness=(tests/c/check.c)
for source in tests/c/*.c; do
    name=$(basename "$source" .c)
    [ "$name" != check ] || continue
    libraries=(-Itests/c -lsqlite3 -ljansson -lpthread)
    check "$name.c compiles with sanitizers" compile "$work/$name.sanitized" "$source" "${harness[@]}" "${libraries[@]}" \
        -fsanitize=address,undefined -fno-sanitize-recover=all
    check "$name.c compiles" compile "$work/$name" "$source" "${harness[@]}" "${libraries[@]}"
    for compiler in g++ clang++-22; do
        check "$name.c compiles as C++ by $compiler" compile_cpp "$compiler" "$work/$name.$compiler" "$source" "${harness[@]}"
    done
    tally "$work/$name.sanitized" tests/vectors
    tally "$work/$name.clang++-22" tests/vectors
    check "$name under valgrind: no error, no leak" \
        valgrind -q --error-exitcode=9 --leak-check=full --show-leak-kinds=definite,possible \
        "$work/$name" tests/vectors
done

# A panic forced in every exported function, in a library of its own that can be told to.
build_panicking_library() {
    cargo rustc --lib --crate-type cdylib --quiet -- --cfg keycask_force_panic &&
        mkdir -p "$work/panicking" && cp "$CARGO_TARGET_DIR/debug/libkeycask.so" "$work/panicking/libkeycask.so.1"
}
check "a library in which panics can be forced is built" build_panicking_library
nothing_of_it() { ! grep -q KEYCASK_PANIC "$LIBRARY/libkeycask.so"; }
check "the library itself has nothing of that" nothing_of_it
check "panics.c compiles" compile "$work/panics" tests/panics/panics.c tests/c/check.c -Itests/c -lsqlite3
check "panics.c knows every function of the header" diff <("$work/panics" --functions) abi/symbols.txt
panics() { LD_LIBRARY_PATH=$work/panicking "$work/panics" 2>"$work/panics.stderr"; }
tally panics
totals
