#!/usr/bin/env bash
# What takes too long for scripts/test.sh: published vectors, on the processor's own instructions and without them.
#
#   scripts/hunt.sh           some 5 minutes the first time
#
# The last line is `N passed, N failed`. What it printed is recorded in docs/reliability.md.

source "$(dirname "$0")/lib.sh"
need gcc libc6-dev binutils
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
totals
