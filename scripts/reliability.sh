#!/usr/bin/env bash
# That a key store loses nothing: every program of tests/reliability, and the figures that it shows.
#
#   scripts/reliability.sh [--short]
#
# The whole takes about an hour, with --short some three minutes. Each line is one program's: what came of it, and its
# figures. The last line is `N passed, N failed`, and `, N skipped` where this machine lacks what a program needs.

source "$(dirname "$0")/lib.sh"

form=long
case ${1:-} in
    --short) form=short ;;
    '') ;;
    *)
        say "usage: scripts/reliability.sh [--short]"
        exit 2
        ;;
esac

need strace e2fsprogs mount
build_library
python_environment
export KEYCASK_LIBRARY=$LIBRARY/libkeycask.so
programs=$ROOT/target/reliability
mkdir -p "$programs"
for program in fork handles soak; do
    compile "$programs/$program" "tests/reliability/$program.c" -pthread
done

# figures WHAT COMMAND…: one line of the table.
figures() {
    local what=$1 output status=0
    shift
    output=$("$@" 2>&1) || status=$?
    case $status in
        0) PASSED=$((PASSED + 1)) word=ok colour=$GREEN ;;
        77) SKIPPED=$((SKIPPED + 1)) word=skipped colour='' ;;
        *) FAILED=$((FAILED + 1)) word=FAILED colour=$RED ;;
    esac
    printf '  %s%-7s%s  %-34s  %s\n' "$colour" "$word" "$PLAIN" "$what" "${output%%$'\n'*}"
    if [ "$status" -ne 0 ] && [ "$output" != "${output%%$'\n'*}" ]; then
        sed 1d <<<"$output" | sed 's/^/      /'
    fi
}

# python PROGRAM OPTION…; c PROGRAM OPTION…
python() { "$PYTHON" "tests/reliability/$1.py" "${@:2}"; }
c() { "$programs/$1" "${@:2}"; }

if [ $form = short ]; then
    kill=(--kills 200 --users 500)
    power=(--rounds 10) faults=(--short) first=(--rounds 25) beside=(--seconds 5)
    fork=(--forks 200 --nonces 1000000) handles=(--tickets 1000000) soak=(--seconds 15) calls=(--users 20)
else
    kill=(--kills 2000 --users 10000)
    power=(--rounds 100) faults=() first=(--rounds 500) beside=(--seconds 600)
    fork=(--forks 2000 --orphans 50 --nonces 10000000 --fork-ms 200) handles=(--seconds 60 --tickets 10000000) soak=(--seconds 600)
    calls=(--users 500)
fi

for mode in '' --wal; do
    called=${mode:+, WAL}
    figures "SIGKILL at random moments$called" python kill "${kill[@]}" $mode
    figures "the kernel asked in order$called" python system_calls "${calls[@]}" $mode
    figures "power cut$called" python power_cut "${power[@]}" $mode
    figures "write faults and full disk$called" python write_faults "${faults[@]}" $mode
    figures "beside another SQLite$called" python beside_sqlite "${beside[@]}" $mode
    figures "fork with busy threads$called" c fork "${fork[@]}" $mode
done
figures "the first key of a user" python first_key "${first[@]}"
figures "the host's own lock" python host_lock
figures "handles under fire" c handles "${handles[@]}"
figures "the file replaced, moved, locked …" python replaced
figures "soak" c soak "${soak[@]}"
totals
