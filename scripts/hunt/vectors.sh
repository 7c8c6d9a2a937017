#!/usr/bin/env bash
# Published vectors, and the tests of constant time, on the processor's own instructions and without them.

source "$(dirname "$0")/../lib.sh"
need gcc libc6-dev binutils valgrind
build_library
python_packages "$ROOT/target/hunt/python" tests/hunt/requirements.txt
python=$ROOT/target/hunt/python/bin/python
soft='--cfg aes_backend="soft" --cfg polyval_backend="soft"'
RUSTFLAGS=$soft scripts/build.sh "$ROOT/target/soft" --quiet
in_software=$ROOT/target/soft/release
ln -sf libkeycask.so "$in_software/libkeycask.so.1"

instructions() { objdump -d --no-show-raw-insn "$1" | grep -cE '\s(v?aes(enc|dec)|v?pclmul)' || true; }
check "the library takes AES from the processor" test "$(instructions "$LIBRARY/libkeycask.so")" -gt 0
check "another build of it does not" test "$(instructions "$in_software/libkeycask.so")" -eq 0
figures "NIST's CAVP" env KEYCASK_LIBRARY="$LIBRARY/libkeycask.so" "$python" tests/hunt/cavp.py
figures "NIST's CAVP, in software" env KEYCASK_LIBRARY="$in_software/libkeycask.so" "$python" tests/hunt/cavp.py
tally env RUSTFLAGS="$soft" cargo test --quiet --target-dir "$ROOT/target/soft" --test public_vectors --test vectors
mkdir -p "$ROOT/target/secrets"
compile "$ROOT/target/secrets/constant_time" tests/secrets/constant_time.c
figures "constant time, in software" env LD_LIBRARY_PATH="$in_software" \
    python3 tests/secrets/constant_time.py "$ROOT/target/secrets/constant_time"
totals
