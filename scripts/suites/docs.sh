#!/usr/bin/env bash
# The documents: their examples and commands work, their links lead somewhere.

source "$(dirname "$0")/../lib.sh"
need gcc g++ libc6-dev cmake make pkg-config luajit
build_library
python_environment
tally "$PYTHON" scripts/examples.py

links_lead_somewhere() {
    local document target dangling=0
    for document in *.md docs/*.md tests/*/README.md bindings/*/README.md; do
        while read -r target; do
            if [ ! -e "$(dirname "$document")/$target" ]; then
                say "$document links to $target, which is not there"
                dangling=1
            fi
        done < <(grep -oE '\]\([^)#]+' "$document" | cut -c3- | grep -v '://')
    done
    return "$dangling"
}
check "every link between documents leads somewhere" links_lead_somewhere
every_crate_is_told() {
    local crate lacking=0
    for crate in $(for manifest in Cargo.toml bindings/python/Cargo.toml; do
        cargo tree --manifest-path "$manifest" --locked -e normal --prefix none -f '{p}'
    done | awk '$1 !~ /^keycask/ { print $1 }' | sort -u); do
        grep -qE "(^| )$crate(,| |$)" <(sed 's/|/ /g' docs/dependencies.md) || { say "docs/dependencies.md lacks $crate"; lacking=1; }
    done
    return "$lacking"
}
check "docs/dependencies.md names every crate that is linked in" every_crate_is_told
totals
