#!/usr/bin/env bash
# Every test of the project.
#
#   scripts/test.sh [--no-install] [suite…]
#
# Suites are the files of scripts/suites; without names, all of them run, in the order below. Missing Debian packages are
# installed; with --no-install they are only named. The last line is `N passed, N failed`, and `, N skipped` where
# something was skipped.

source "$(dirname "$0")/lib.sh"

SUITES=(lint rust fuzz c secrets abi consumer interop go csharp ruby python docs environment reliability operations speed)

if [ "${1:-}" = --no-install ]; then
    INSTALL=no
    shift
fi
[ $# -gt 0 ] || set -- "${SUITES[@]}"
run_suites scripts/suites "$@"
totals
