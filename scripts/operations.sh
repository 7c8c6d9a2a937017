#!/usr/bin/env bash
# That operations end, lose nothing and spare nothing: every program of tests/operations, and the figures that it shows.
#
#   scripts/operations.sh [--short]
#
# The whole takes some five minutes, with --short one and a half. The last line is `N passed, N failed`.

source "$(dirname "$0")/lib.sh"

form=long
case ${1:-} in
    --short) form=short ;;
    '') ;;
    *)
        say "usage: scripts/operations.sh [--short]"
        exit 2
        ;;
esac

need mount
build_library
python_environment
export KEYCASK_LIBRARY=$LIBRARY/libkeycask.so

python() { "$PYTHON" "tests/operations/$1.py" "${@:2}"; }

if [ $form = short ]; then
    kills=(--kills 30) races=(--users 300) fleet=(--seconds 0.5)
    million=(--users 50000 --rounds 1) versions=(--versions 1000)
else
    kills=(--kills 300) races=(--users 1000) fleet=(--seconds 3) million=() versions=()
fi

for mode in '' --wal; do
    called=${mode:+, WAL}
    figures "SIGKILL in operations$called" python kills "${kills[@]}" $mode
    figures "the cache filled while erasing$called" python erasure_races "${races[@]}" $mode
    figures "a fleet rotates$called" python fleet "${fleet[@]}" $mode
    figures "operations on a full disk$called" python full_disk $mode
done
figures "the same, the store locked" python erasure_races --users 25 --locked
figures "a user with many earlier keys" python versions "${versions[@]}"
figures "rewrapping many users" python million "${million[@]}"
totals
