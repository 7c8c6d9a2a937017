#!/usr/bin/env bash
# What the library is made of: licences, sources and bans by cargo-deny, a bill of materials by cargo-cyclonedx.
#
#   scripts/supply.sh           installs both into target/tools where they are missing, which takes some minutes
#
# The bill is written to target/keycask.cdx.json. The last line is `N passed, N failed`.

source "$(dirname "$0")/lib.sh"
DENY=0.20.2
CYCLONEDX=0.5.9
tools=$ROOT/target/tools
# tool CRATE VERSION
tool() { [ -x "$tools/bin/$1" ] || cargo install --quiet --locked --root "$tools" --target-dir "$tools/build" "$1@$2"; }
tool cargo-deny "$DENY"
tool cargo-cyclonedx "$CYCLONEDX"
export PATH=$tools/bin:$PATH

check "licences, bans and sources are what deny.toml allows" cargo deny --locked check bans licenses sources
check "and those of the Python wheel too" cargo deny --locked --manifest-path bindings/python/Cargo.toml --config deny.toml check bans licenses sources
bill() {
    cargo cyclonedx --format json --override-filename keycask.cdx && mv keycask.cdx.json target/keycask.cdx.json &&
        python3 -c 'import json; print(len(json.load(open("target/keycask.cdx.json"))["components"]), "components")'
}
check "a bill of materials is made" bill
totals
