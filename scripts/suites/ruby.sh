#!/usr/bin/env bash
# The Ruby binding: its tests under ruby -w, and its gem, built and installed.

source "$(dirname "$0")/../lib.sh"
need gcc libc6-dev cmake make pkg-config binutils ruby ruby-dev ruby-minitest ruby-activerecord ruby-sqlite3 puma
build_library
python_environment
work=$ROOT/target/ruby
binding=bindings/ruby
ruby_module "$work/lib"
export LD_LIBRARY_PATH=$LIBRARY
in_ruby() { ruby -w -I "$work/lib" -I "$binding/lib" "$@"; }

# quietly COMMAND…: it works, and Ruby warns of nothing in what is ours.
quietly() {
    local output status=0
    output=$("$@" 2>&1) || status=$?
    say "$output"
    [ "$status" -eq 0 ] && ! grep -E "$binding/.*warning:" <<<"$output"
}
# tested NAME: minitest's count is added to ours.
tested() {
    local output status=0 runs failures errors
    output=$(quietly in_ruby "$binding/test/$1_test.rb") || status=$?
    read -r runs failures errors < <(sed -nE 's/^([0-9]+) runs, [0-9]+ assertions, ([0-9]+) failures, ([0-9]+) errors, 0 skips$/\1 \2 \3/p' <<<"$output"; echo 0 0 1)
    PASSED=$((PASSED + runs - failures - errors)) FAILED=$((FAILED + failures + errors))
    if [ "$status" -ne 0 ]; then
        [ $((failures + errors)) -gt 0 ] || FAILED=$((FAILED + 1))
        say "$output" | sed 's/^/          /'
    fi
    say "  $1: $runs tests"
}
for each in "$binding"/test/*_test.rb; do
    tested "$(basename "$each" _test.rb)"
done

# A library of another interface: every name, and nothing behind it.
other_interface() {
    local output
    mkdir -p "$work/other"
    {
        grep -vxE 'kc_(abi_)?version' abi/symbols.txt | sed 's/.*/void &(void) {}/'
        say 'unsigned kc_abi_version(void) { return 2; } const char *kc_version(void) { return "2.0.0"; }'
    } | gcc -shared -fPIC -Wl,-soname,libkeycask.so.1 -o "$work/other/libkeycask.so.1" -x c -
    ! output=$(LD_LIBRARY_PATH=$work/other in_ruby -e 'require "keycask"' 2>&1) &&
        grep -q "needs a libkeycask of interface 1, and $work/other/libkeycask.so.1, version 2.0.0, has interface 2" <<<"$output"
}
check "another interface is refused, and it is said what was found where" other_interface

# shellcheck disable=SC2016 # Ruby's own variables.
rbs() { ruby -rrbs -rrbs/cli -e 'RBS::CLI.new(stdout: $stdout, stderr: $stderr).run(ARGV)' -- -r pathname -I "$binding/sig" "$@"; }
check "the types are valid" rbs validate --silent
# Wrong types, which one test gives on purpose, are met by the check before they are met by the gem.
typed() {
    RBS_TEST_TARGET='Keycask::*' RBS_TEST_OPT="-r pathname -I $binding/sig" RBS_TEST_LOGLEVEL=error \
        ruby -I "$work/lib" -I "$binding/lib" -r rbs/test/setup "$binding/test/store_test.rb" --exclude /types/
}
check "and what the methods take and give is of them" typed

rm -rf "$work/gem" "${work:?}/home"
check "the gem is built" ruby "$binding/build_gem.rb" "$work/gem"
installed() {
    env -u LD_LIBRARY_PATH CARGO_TARGET_DIR= PKG_CONFIG_PATH=/nowhere GEM_HOME="$work/home" GEM_PATH="$work/home" \
        gem install --local --no-document --quiet "$work"/gem/keycask-*.gem
}
check "and installed into an empty GEM_HOME, the library built with it" installed
# outside HOME: a program that is not in the project uses the gem that is installed there.
outside() {
    local folder
    folder=$(mktemp -d)
    cp tests/consumer/ruby/main.rb "$folder" && cd "$folder" &&
        env -u LD_LIBRARY_PATH GEM_HOME="$1" GEM_PATH="$1" ruby -w main.rb && cd / && rm -rf "$folder"
}
check "a program outside the project uses it" outside "$work/home"
check "its SQLite has no more than a key store uses" trimmed_sqlite "$work"/home/gems/keycask-*/lib/keycask/keycask.so
alone() { [ "$(readelf --dyn-syms -W "$work"/home/gems/keycask-*/lib/keycask/keycask.so | awk '$5 == "GLOBAL" && $7 != "UND" { print $8 }')" = Init_keycask ]; }
rm -rf "${work:?}/beside" "$work/prefix"
on_an_installed_one() {
    cmake -S . -B "$work/build" -DKEYCASK_CARGO_TARGET_DIR="$CARGO_TARGET_DIR" -DCMAKE_INSTALL_LIBDIR=lib -DKEYCASK_TESTS=OFF &&
        cmake --build "$work/build" && cmake --install "$work/build" --prefix "$work/prefix" &&
        env -u LD_LIBRARY_PATH PKG_CONFIG_PATH="$work/prefix/lib/pkgconfig" GEM_HOME="$work/beside" GEM_PATH="$work/beside" \
            gem install --local --no-document --quiet "$work"/gem/keycask-*.gem &&
        readelf -d "$work"/beside/gems/keycask-*/lib/keycask/keycask.so | grep -q 'NEEDED.*libkeycask.so.1' && outside "$work/beside"
}
check "where pkg-config finds a library, the gem takes that" on_an_installed_one
check "its extension shows no other extension what is in it" alone

example() {
    local folder=$work/example
    rm -rf "$folder" && mkdir -p "$folder"
    awk '/^```ruby$/ { on = 1; next } /^```$/ && on { exit } on' "$binding/README.md" >"$folder/example.rb"
    (cd "$folder" && API_KEY_MASTER_KEY=$(ruby -I "$work/lib" -I "$ROOT/$binding/lib" -r keycask -e 'print Keycask.generate_master_key') \
        ruby -w -I "$work/lib" -I "$ROOT/$binding/lib" example.rb)
}
check "its README begins with a program that runs" example

at_one_store
in_ruby "$binding/bench.rb"
totals
