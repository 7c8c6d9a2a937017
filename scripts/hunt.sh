#!/usr/bin/env bash
# What takes too long for scripts/test.sh: published vectors, fuzzing, the sanitizers, threads in chosen orders, mutants.
#
#   scripts/hunt.sh [part…]
#
# Parts are the files of scripts/hunt; without names all of them run, in the order below, which takes some two hours the first
# time. FUZZ_SECONDS is how long each target is fuzzed (60). The last line is `N passed, N failed`. What they printed is
# recorded in docs/reliability.md.

source "$(dirname "$0")/lib.sh"

PARTS=(vectors fuzz address undefined thread memory valgrind schedules mutants)

[ $# -gt 0 ] || set -- "${PARTS[@]}"
run_suites scripts/hunt "$@"
totals
