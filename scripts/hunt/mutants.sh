#!/usr/bin/env bash
# The core with a defect in each place where cargo-mutants can put one: how many the tests in Rust notice. docs/mutants.md has
# those that they do not.

source "$(dirname "$0")/../lib.sh"
MUTANTS=27.1.0
need gcc libc6-dev
tools=$ROOT/target/tools
[ -x "$tools/bin/cargo-mutants" ] || cargo install --quiet --locked --root "$tools" --target-dir "$tools/build" "cargo-mutants@$MUTANTS"
export PATH=$tools/bin:$PATH CARGO_PROFILE_DEV_OPT_LEVEL=1 CARGO_PROFILE_DEV_DEBUG=none
unset CARGO_TARGET_DIR # each mutant has its own
CORE=(token cipher nonce data_key lookup_hash master_key 'master_key/*' store)
found=$ROOT/target/mutants
rm -rf "$found"
mkdir -p "$found"
cargo mutants --jobs 2 --timeout 100 --output "$found" --no-times "${CORE[@]/#/--file=src/}" --exclude-re 'impl (fmt::)?Debug' -- \
    --lib --test vectors --test store || true
