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
for suite; do
    if [ ! -f "scripts/suites/$suite.sh" ]; then
        say "no suite '$suite'; there are: ${SUITES[*]}"
        exit 2
    fi
done

# A suite's last line is its count; what its tools count before that is in it.
run_suite() {
    local log status=0 last
    log=$(mktemp)
    "scripts/suites/$1.sh" 2>&1 | tee "$log" || status=$?
    last=$(tail -n 1 "$log")
    rm -f "$log"
    if [[ $last =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed(,\ ([0-9]+)\ skipped)?$ ]]; then
        PASSED=$((PASSED + BASH_REMATCH[1]))
        FAILED=$((FAILED + BASH_REMATCH[2]))
        SKIPPED=$((SKIPPED + ${BASH_REMATCH[4]:-0}))
        [ "$status" -eq 0 ] || [ "${BASH_REMATCH[2]}" -gt 0 ] || FAILED=$((FAILED + 1))
    else
        say "  ${RED}FAILED${PLAIN}  the suite $1 ended with status $status before it had counted its tests"
        FAILED=$((FAILED + 1))
    fi
}

mkdir -p target
started=$SECONDS
for suite; do
    say "${BOLD}$suite${PLAIN}"
    from=$SECONDS
    run_suite "$suite"
    say "($suite took $((SECONDS - from)) s)"
    say ''
done
say "(all took $((SECONDS - started)) s)"
totals
