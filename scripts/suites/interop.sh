#!/usr/bin/env bash
# keycask and an independent Python implementation of the format, on the same stores.

source "$(dirname "$0")/../lib.sh"
build_library
python_environment
export KEYCASK_LIBRARY=$LIBRARY/libkeycask.so
check "failures.json is what make_failures.py makes" "$PYTHON" tests/vectors/make_failures.py --check
tally "$PYTHON" -m unittest discover -s tests/interop -b
totals
