#!/usr/bin/env bash
# The Go binding: its tests under every check that Go has, and programs that link it in each way.

source "$(dirname "$0")/../lib.sh"
need gcc libc6-dev cmake make pkg-config
need_go
build_library
python_environment
work=$ROOT/target/go
rm -rf "$work"
mkdir -p "$work"
binding=bindings/go

in_go() { cd "$binding" && "$@"; }
formatted() { [ -z "$(gofmt -l "$binding" tests/consumer/go | tee /dev/stderr)" ]; }
check "the Go code is formatted" formatted
for module in . sqltest ../../tests/consumer/go; do
    vetted() { in_go cd "$module" && go vet -tags keycask_dev ./...; }
    check "go vet has no complaint about $module" vetted
done
tested() { in_go env "$@" go test -count=1 -tags keycask_dev ./...; }
check "its tests pass, vectors and examples too" tested
check "and with the race detector" tested GOFLAGS=-race
check "and with pointers checked, and the collector always at work" tested GODEBUG=cgocheck=1 GOGC=1
beside_sqlite() { in_go cd sqltest && go test -count=1 -tags keycask_dev ./...; }
check "a token column works, beside the SQLite of mattn/go-sqlite3" beside_sqlite
for target in FuzzDecrypt FuzzOpen; do
    fuzzed() { in_go go test -tags keycask_dev -run '^$' -fuzz "^${target}\$" -fuzztime 5s .; }
    check "$target finds nothing in five seconds" fuzzed
done

without_cgo() { ! output=$(in_go env CGO_ENABLED=0 go build . 2>&1) && grep -q "keycask needs cgo: set CGO_ENABLED=1" <<<"$output"; }
check "without cgo a compile error says what is needed" without_cgo

prefix="$work/an installed prefix"
installed() {
    cmake -S . -B "$work/build" -DKEYCASK_CARGO_TARGET_DIR="$CARGO_TARGET_DIR" -DCMAKE_INSTALL_LIBDIR=lib -DKEYCASK_TESTS=OFF &&
        cmake --build "$work/build" && cmake --install "$work/build" --prefix "$prefix"
}
check "the library is installed" installed
export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
# linked LINKED NAME FLAG…: a module of its own builds, runs, and takes the shared library so many times.
linked() {
    (cd tests/consumer/go && CGO_LDFLAGS_ALLOW='.*' go build -o "$work/$2" "${@:3}" .) && LD_LIBRARY_PATH=$prefix/lib "$work/$2" &&
        [ "$(LD_LIBRARY_PATH=$prefix/lib ldd "$work/$2" | grep -c libkeycask)" -eq "$1" ]
}
check "a module links the shared library through pkg-config" linked 1 shared
check "a module links the static library" linked 0 static -tags keycask_static
vendored() {
    cp -r tests/consumer/go "$work/vendored" && cd "$work/vendored" && go mod edit -replace "keycask.dev/go/keycask=$ROOT/$binding" &&
        go mod vendor && [ -f vendor/keycask.dev/go/keycask/calls.h ] &&
        go build -mod=vendor -tags keycask_static -o ../vendored-program . && ../vendored-program
}
check "a module links it vendored" vendored

check "a peer in C compiles" compile "$work/peer-c" tests/interop/peer.c
figures "C, Go and Python at one store" "$PYTHON" tests/interop/peers.py "C=$work/peer-c" "Go=$work/static"
totals
