#!/usr/bin/env bash
# Every test of the project.
#
#   scripts/test.sh [--no-install] [suite…]
#
# Suites are the files of scripts/suites; without names, all of them run, in the order below. Missing Debian packages are
# installed; with --no-install they are only named. The last line is `N passed, N failed`, and `, N skipped` where
# something was skipped.

source "$(dirname "$0")/lib.sh"

SUITES=(lint rust c interop docs)

if [ "${1:-}" = --no-install ]; then
    INSTALL=no
    shift
fi
[ $# -gt 0 ] || set -- "${SUITES[@]}"
for suite; do
    if [ ! -f "scripts/suites/$suite.sh" ]; then
        say "no suite '$suite'; there are: ${SUITES[*]}"
        exit 2
    fi
done

mkdir -p target
started=$SECONDS
for suite; do
    say "${BOLD}$suite${PLAIN}"
    from=$SECONDS
    tally "scripts/suites/$suite.sh"
    say "($suite took $((SECONDS - from)) s)"
    say ''
done
say "(all took $((SECONDS - started)) s)"
totals
