#!/usr/bin/env bash
# What takes too long for every run of the tests: packages made, looked at and installed, a build from vendored crates, one by
# cargo-c, and the interface's types beside the ones that were released.
#
#   scripts/packages.sh [--write-baseline]      with it, abi/keycask.abi is written anew and nothing else done
#
# It takes some five minutes, and ten more when cargo-c has to be built. The last line is `N passed, N failed`.

source "$(dirname "$0")/lib.sh"
need gcc g++ libc6-dev binutils cmake make pkg-config abigail-tools dpkg-dev lintian fakeroot file mmdebstrap util-linux
build_library
work=$ROOT/target/packages
rm -rf "$work"
mkdir -p "$work"

# --- types ---
# The compiler's description of them is in a build of its own.
with_types() {
    CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_DEBUG=full \
        scripts/build.sh "$ROOT/target/types" --quiet &&
        abidw --suppressions abi/keycask.abignore --no-corpus-path --no-comp-dir-path --no-show-locs --drop-undefined-syms \
            "$ROOT/target/types/release/libkeycask.so" >"$work/keycask.abi"
}
if [ "${1:-}" = --write-baseline ]; then
    with_types
    cp "$work/keycask.abi" abi/keycask.abi
    exit
fi
check "the interface's types are described" with_types
check "they are those of the baseline, abi/keycask.abi" abidiff abi/keycask.abi "$work/keycask.abi"

# --- packages for Debian ---
configured() { cmake -S . -B "$1" -DKEYCASK_CARGO_TARGET_DIR="$CARGO_TARGET_DIR" -DKEYCASK_TESTS=OFF "${@:2}" && cmake --build "$1"; }
debian() { configured "$work/deb" -DCMAKE_INSTALL_PREFIX=/usr && (cd "$work/deb" && cpack -G DEB && ls ./*.deb); }
check "packages for Debian are made" debian
# Not heeded: that the first entry of a changelog closes a bug, which is for uploads to Debian itself.
check "lintian finds nothing in them" lintian --allow-root --fail-on error,warning \
    --suppress-tags initial-upload-closes-no-bugs "$work"/deb/*.deb
depends() { dpkg-deb -f "$work"/deb/libkeycask1_*.deb Depends; }
found_depends() {
    mkdir -p "$work/shlibdeps/debian" && touch "$work/shlibdeps/debian/control" && cd "$work/shlibdeps" &&
        dpkg-shlibdeps -O "$work/deb/lib/"libkeycask.so.*.*.* 2>/dev/null | sed 's/^shlibs:Depends=//'
}
check "libkeycask1 depends on what dpkg-shlibdeps finds" diff <(depends) <(found_depends)
every_crate_is_named() {
    local crate
    cargo tree --locked -e normal --prefix none --format '{p}' | awk '$1 != "keycask" && $1 != "rustversion" { print $1 }' |
        sort -u | while read -r crate; do
        grep -qE "[ ,:]${crate}[,;.]" <(tr '\n' ' ' <packaging/copyright) || { say "packaging/copyright lacks $crate" && return 1; }
    done
}
check "packaging/copyright names every crate that is linked in" every_crate_is_named

cat >"$work/fresh.sh" <<'FRESH'
set -e
cd /srv/keycask
apt-get install -y -q ./*.deb
cc main.c $(pkg-config --cflags --libs keycask) -o c && ./c
c++ -std=c++17 main.cpp $(pkg-config --cflags --libs keycask) -o cpp && ./cpp
cc main.c $(pkg-config --cflags --libs keycask-static) -o static && ./static
mv main.c main.cpp .. && mkdir -p ../cmake && cp CMakeLists.txt ../cmake
cmake -S ../cmake -B build -DWAY=package && cmake --build build
for program in c_keycask cpp_keycask c_shared cpp_shared c_static cpp_static; do build/$program; done
apt-get purge -y -q libkeycask1 && ! ldconfig -p | grep keycask
FRESH
in_a_fresh_root() {
    mkdir -p "$work/keycask" &&
        cp "$work"/deb/*.deb "$work/fresh.sh" tests/consumer/main.c tests/consumer/main.cpp tests/consumer/cmake/CMakeLists.txt "$work/keycask" &&
        mmdebstrap --variant=apt --format=null --include=gcc,g++,libc6-dev,pkg-config,cmake,make \
            --customize-hook="copy-in '$work/keycask' /srv" --customize-hook="chroot \"\$1\" sh /srv/keycask/fresh.sh" \
            "$(. /etc/os-release && echo "$VERSION_CODENAME")"
}
check "a fresh Debian installs them, builds and runs programs in C and C++, and removes them" in_a_fresh_root

# --- a tarball ---
tarball() {
    configured "$work/tgz" && (cd "$work/tgz" && cpack -G TGZ) && mkdir -p "$work/some place" &&
        tar -xzf "$work"/tgz/keycask-*.tar.gz -C "$work/some place" --strip-components=1 &&
        eval "cc tests/consumer/main.c -o '$work/from-tarball' \
            $(PKG_CONFIG_PATH="$work/some place/lib/pkgconfig" pkg-config --cflags --libs keycask) -Wl,-rpath,'$work/some place/lib'" &&
        "$work/from-tarball"
}
check "a tarball is unpacked anywhere, and used" tarball

# --- without a network ---
vendored() {
    local sources=$work/vendored
    git ls-files -z | xargs -0 cp --parents -t "$(mkdir -p "$sources" && echo "$sources")" && cd "$sources" &&
        cargo vendor --locked vendor >>.cargo/config.toml &&
        unshare --net env CARGO_HOME="$work/no-home" cmake -S . -B build -DKEYCASK_OFFLINE=ON -DKEYCASK_TESTS=OFF &&
        unshare --net env CARGO_HOME="$work/no-home" cmake --build build && [ -f build/lib/libkeycask.a ]
}
check "vendored crates build without a network" vendored

# --- cargo-c ---
CARGO_C=0.10.24+cargo-0.98.0 # of those that Rust 1.95 builds
cargo_c() {
    local tools=$ROOT/target/tools
    "$tools/bin/cargo-cinstall" --version 2>/dev/null | grep -qF "${CARGO_C%+*}" ||
        cargo install --locked --quiet "cargo-c@$CARGO_C" --root "$tools" --target-dir "$ROOT/target/cargo-c"
    PATH=$tools/bin:$PATH cargo cinstall --release --locked --target-dir "$ROOT/target/cinstall" --destdir "$work/cinstall" \
        --prefix /usr --libdir lib &&
        readelf -d "$work/cinstall/usr/lib/libkeycask.so.1" | grep -q 'soname: \[libkeycask.so.1\]' &&
        cmp include/keycask.h "$work/cinstall/usr/include/keycask.h" &&
        cmp include/keycask.hpp "$work/cinstall/usr/include/keycask.hpp" &&
        eval "cc tests/consumer/main.c -o '$work/by-cargo-c' \
            $(PKG_CONFIG_SYSROOT_DIR="$work/cinstall" PKG_CONFIG_PATH="$work/cinstall/usr/lib/pkgconfig" pkg-config --cflags --libs keycask) \
            -L'$work/cinstall/usr/lib' -I'$work/cinstall/usr/include' -Wl,-rpath,'$work/cinstall/usr/lib'" &&
        "$work/by-cargo-c"
}
check "cargo-c installs it, and a program uses that" cargo_c
totals
