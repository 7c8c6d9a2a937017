#!/usr/bin/env bash
# Handles, the cache, reads shared by many, threads' nonces and slots for keys, under threads in orders chosen at random:
# tests/schedules, by shuttle, in a copy of the tree that has it.

source "$(dirname "$0")/../lib.sh"
SHUTTLE=0.9.9
need gcc libc6-dev
tree=$ROOT/target/schedules/tree
rm -rf "$tree"
mkdir -p "$tree"
cp -r .cargo Cargo.toml Cargo.lock build.rs src include tests benches README.md "$tree"
cd "$tree" || exit
cargo add --quiet --dev "shuttle@=$SHUTTLE"
export RUSTFLAGS="--cfg keycask_schedules" KEYCASK_SCHEDULES=${KEYCASK_SCHEDULES:-100000} CARGO_TARGET_DIR=$ROOT/target/schedules
say "$KEYCASK_SCHEDULES orders for each test"
tally cargo test --quiet --release --config profile.release.lto=false --config profile.release.codegen-units=16 --lib schedules -- --test-threads=1
totals
