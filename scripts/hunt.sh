#!/usr/bin/env bash
# What takes too long for scripts/test.sh: published vectors, on the processor's own instructions and without them; fuzzing.
#
#   scripts/hunt.sh [SECONDS]     so long for each fuzzing target, 60 by default; some 10 minutes before that the first time
#
# The last line is `N passed, N failed`. What it printed is recorded in docs/reliability.md.

source "$(dirname "$0")/lib.sh"
seconds=${1:-60}
FUZZ=0.13.2
need gcc libc6-dev binutils clang-22 libclang-rt-22-dev
build_library
python_packages "$ROOT/target/hunt/python" tests/hunt/requirements.txt
python=$ROOT/target/hunt/python/bin/python

say "${BOLD}published vectors${PLAIN}"
soft='--cfg aes_backend="soft" --cfg polyval_backend="soft"'
RUSTFLAGS=$soft scripts/build.sh "$ROOT/target/soft" --quiet
instructions() { objdump -d --no-show-raw-insn "$1" | grep -cE '\s(v?aes(enc|dec)|v?pclmul)' || true; }
check "the library takes AES from the processor" test "$(instructions "$LIBRARY/libkeycask.so")" -gt 0
check "another build of it does not" test "$(instructions "$ROOT/target/soft/release/libkeycask.so")" -eq 0
figures "NIST's CAVP" env KEYCASK_LIBRARY="$LIBRARY/libkeycask.so" "$python" tests/hunt/cavp.py
figures "NIST's CAVP, in software" env KEYCASK_LIBRARY="$ROOT/target/soft/release/libkeycask.so" "$python" tests/hunt/cavp.py
tally env RUSTFLAGS="$soft" cargo test --quiet --target-dir "$ROOT/target/soft" --test public_vectors --test vectors

say "${BOLD}fuzzing, with AddressSanitizer over keycask and SQLite${PLAIN}"
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
    if ! fuzz run "$1" "$found" "fuzz/corpora/$1" -- -max_total_time="$seconds" -timeout=20 -print_final_stats=1 >"$log" 2>&1; then
        tail -n 30 "$log"
        return 1
    fi
    sed -nE 's/^stat::number_of_executed_units: +//p' "$log" | tail -1 | tr '\n' ' '
    grep -oE 'cov: [0-9]+ ft: [0-9]+' "$log" | tail -1 | sed -E 's/cov: ([0-9]+) ft: ([0-9]+)/runs, \1 branches reached, \2 features; nothing found/'
}
for target in token master_key calls store; do
    figures "$target, $seconds seconds" fuzzed "$target"
done
totals
