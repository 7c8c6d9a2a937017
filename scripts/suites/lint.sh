#!/usr/bin/env bash
# Formatting, lints, documentation: no warning anywhere.

source "$(dirname "$0")/../lib.sh"
need gcc libc6-dev shellcheck

check "the code is formatted" cargo fmt --check
check "clippy has no complaint" cargo clippy --quiet --all-targets -- -D warnings
check "clippy has no complaint without the C ABI" cargo clippy --quiet --no-default-features --lib -- -D warnings
RUSTDOCFLAGS="-D warnings" check "the Rust documentation builds without a warning" cargo doc --quiet --no-deps
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml)
one_version() {
    grep -qx "version = \"$version\"" bindings/python/pyproject.toml && grep -qx "version = \"$version\"" bindings/python/Cargo.toml &&
        grep -qx "  gem.version = \"$version\"" bindings/ruby/keycask.gemspec && grep -q "keycask-$version.gem" bindings/ruby/build_gem.rb &&
        grep -qF "<Version>$version</Version>" bindings/csharp/Keycask/Keycask.csproj &&
        grep -qF "Include=\"Keycask\" Version=\"$version\"" tests/consumer/csharp/consumer.csproj
}
check "the bindings' packages have the library's version" one_version
check "the shell scripts have no complaint from shellcheck" shellcheck -x -P SCRIPTDIR scripts/*.sh scripts/suites/*.sh scripts/hunt/*.sh .ci/run
totals
