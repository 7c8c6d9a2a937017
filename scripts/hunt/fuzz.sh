#!/usr/bin/env bash
# Fuzzing, with AddressSanitizer over keycask and SQLite; what of the library each target's corpus reaches.

source "$(dirname "$0")/../lib.sh"
FUZZ=0.13.2
need gcc libc6-dev clang-22 libclang-rt-22-dev llvm-22
seconds=${FUZZ_SECONDS:-60}
tools=$ROOT/target/tools
[ -x "$tools/bin/cargo-fuzz" ] || cargo install --quiet --locked --root "$tools" --target-dir "$tools/build" "cargo-fuzz@$FUZZ"
# What a target is made of is compiled once, with the same compiler for all of them.
fuzz() {
    env PATH="$tools/bin:$PATH" RUSTC_BOOTSTRAP=1 CC=clang-22 CFLAGS=-fsanitize=address CARGO_TARGET_DIR="$ROOT/target/fuzz-asan" \
        cargo fuzz "$1" --fuzz-dir fuzz --features libfuzzer "${@:2}"
}
fuzzed() {
    local found=$ROOT/target/corpora/$1 log=$ROOT/target/fuzz-$1.log
    mkdir -p "$found"
    if ! fuzz run "$1" "$found" "fuzz/corpora/$1" -- -max_total_time="$seconds" -timeout=60 -print_final_stats=1 >"$log" 2>&1; then
        tail -n 30 "$log"
        return 1
    fi
    sed -nE 's/^stat::number_of_executed_units: +//p' "$log" | tail -1 | tr '\n' ' '
    grep -oE 'cov: [0-9]+ ft: [0-9]+' "$log" | tail -1 | sed -E 's/cov: ([0-9]+) ft: ([0-9]+)/runs, \1 branches reached, \2 features; nothing found/'
}
for target in token master_key calls store; do
    figures "$target, $seconds seconds" fuzzed "$target"
done

# Coverage, by the same corpora replayed in a build that counts lines.
counted=$ROOT/target/fuzz-coverage
mkdir -p "$counted"
counting=$(env RUSTFLAGS=-Cinstrument-coverage LLVM_PROFILE_FILE="$counted/build-%p.profraw" cargo test --quiet --locked --no-run --message-format=json \
    --manifest-path fuzz/Cargo.toml --target-dir "$counted" --test corpora |
    python3 -c 'import json, sys; print(next(m["executable"] for m in map(json.loads, sys.stdin) if m.get("executable")))')
# covered TARGET SOURCE…: the share of the lines of these files that its corpora reach.
covered() {
    local profile=$counted/$1 sources=("${@:2}")
    rm -f "$profile".*
    KEYCASK_CORPORA="$ROOT/target/corpora" LLVM_PROFILE_FILE="$profile.%p.profraw" "$counting" "$1" >/dev/null
    llvm-profdata-22 merge -sparse "$profile".*.profraw -o "$profile.profdata"
    llvm-cov-22 export --summary-only --instr-profile "$profile.profdata" "$counting" "${sources[@]/#/$ROOT/}" |
        python3 -c '
import json, os, sys
files = json.load(sys.stdin)["data"][0]["files"]
lines = [file["summary"]["lines"] for file in files]
total, reached = (sum(each[what] for each in lines) for what in ("count", "covered"))
print(f"{reached} of {total} lines ({100 * reached // total} %): " + ", ".join(
    "{} {:.0f} %".format(os.path.basename(file["filename"]), file["summary"]["lines"]["percent"]) for file in files))'
}
figures "token reaches" covered token src/token.rs src/cipher.rs
figures "master_key reaches" covered master_key src/master_key/text.rs
figures "calls reaches" covered calls src/ffi/*.rs
figures "store reaches" covered store src/keystore/sqlite/*.rs src/keystore/sqlite/vfs/*.rs src/registry.rs src/census.rs
totals
