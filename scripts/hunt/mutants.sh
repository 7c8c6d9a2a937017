#!/usr/bin/env bash
# The core with a defect in each place where cargo-mutants can put one: how many the tests in Rust notice. Those that they do not
# are in tests/hunt/survivors.txt, with the reason. It takes an hour.

source "$(dirname "$0")/../lib.sh"
MUTANTS=27.1.0
need gcc libc6-dev
tools=$ROOT/target/tools
[ -x "$tools/bin/cargo-mutants" ] || cargo install --quiet --locked --root "$tools" --target-dir "$tools/build" "cargo-mutants@$MUTANTS"
export PATH=$tools/bin:$PATH CARGO_PROFILE_DEV_DEBUG=none
unset CARGO_TARGET_DIR # each mutant has its own
CORE=(token.rs cipher.rs nonce.rs data_key.rs lookup_hash.rs master_key.rs 'master_key/*' store.rs)
work=$ROOT/target/mutants
mkdir -p "$work"
rm -rf "$work"/mutants.out* "$work/log"
count() { wc -l <"$work/mutants.out/$1.txt"; }
# tested TEST…: by these tests, what earlier ones have not noticed. How Debug prints is no promise but that no secret is in it.
tested() {
    cargo mutants --iterate --jobs 2 --timeout 100 --output "$work" --no-times "${CORE[@]/#/--file=src/}" \
        --exclude-re 'impl (fmt::)?Debug' -- "$@" >>"$work/log" 2>&1 || true
    noticed=$((noticed + $(count caught) + $(count timeout)))
}
noticed=0
tested --lib --test vectors --test store
tested --lib --test operations --test errors # slow ones
missed=$(count missed)
say "$((noticed + missed)) mutants that compile, $noticed noticed"
nine_of_ten() { [ "$noticed" -gt 0 ] && [ $((10 * noticed)) -ge $((9 * (noticed + missed))) ]; }
check "nine of ten are noticed" nine_of_ten
all_explained() { diff <(sed 's/ *#.*//; /^$/d' tests/hunt/survivors.txt | sort) <(sed -E "s/:[0-9]+:[0-9]+:/:/" "$work/mutants.out/missed.txt" | sort); }
check "those that are not are explained" all_explained
totals
