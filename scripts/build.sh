#!/usr/bin/env bash
# Builds the shared and the static library as they are handed out: the same bytes whoever builds them, in whatever folder.
#
#   scripts/build.sh TARGET_DIR [CARGO_OPTION…]     both, in TARGET_DIR/release

set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
cargo=${CARGO:-cargo}
# Sources are named in messages of panics: as crates and their files, not as places on this machine. A registry's folder has
# to be there to be known.
offline=()
[[ " $* " != *" --offline "* ]] || offline=(--offline)
"$cargo" fetch --locked --quiet "${offline[@]}"
remap=("$root=.")
for registry in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*; do
    remap+=("$registry=crates")
done
separator=$'\x1f'
flags=${CARGO_ENCODED_RUSTFLAGS:-${RUSTFLAGS:+${RUSTFLAGS// /$separator}}}
# Functions begin at multiples of 32 bytes: else the time of a call depends on the size of what lies in front of it, by some 4 %.
flags+=${flags:+$separator}-Cllvm-args=-align-all-functions=5
for pair in "${remap[@]}"; do
    flags+=${flags:+$separator}--remap-path-prefix$separator$pair
done
# In a command of their own: where an rlib is made in the same step, cargo leaves link-time optimisation out.
CARGO_ENCODED_RUSTFLAGS=$flags \
    exec "$cargo" rustc --release --lib --crate-type cdylib --crate-type staticlib --locked --target-dir "$1" "${@:2}"
