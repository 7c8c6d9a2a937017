#!/usr/bin/env bash
# keycask and an independent Python implementation of the format, on the same stores.

source "$(dirname "$0")/../lib.sh"
build_library
python_environment
export KEYCASK_LIBRARY=$LIBRARY/libkeycask.so
tally "$PYTHON" -m unittest discover -s tests/interop -b
totals
