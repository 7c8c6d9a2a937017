#!/usr/bin/env bash
# That a key store loses nothing: every program of tests/reliability, and the figures that it shows.
#
#   scripts/reliability.sh [--short]
#
# The whole takes some 45 minutes, with --short two. Each line is one program's: what came of it, and its
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

need strace e2fsprogs mount libsqlite3-dev
build_library
python_environment
export KEYCASK_LIBRARY=$LIBRARY/libkeycask.so
programs=$ROOT/target/reliability
mkdir -p "$programs"
for program in fork handles soak snapshot one_read; do
    compile "$programs/$program" "tests/reliability/$program.c" -pthread -lsqlite3
done
for preloaded in without_vdso slow_syncs posix_locks; do
    gcc "${CFLAGS_STRICT[@]}" -shared -fPIC -o "$programs/$preloaded.so" "tests/reliability/$preloaded.c"
done

# python PROGRAM OPTION…; c PROGRAM OPTION…; with PRELOADED COMMAND…
python() { "$PYTHON" "tests/reliability/$1.py" "${@:2}"; }
c() { "$programs/$1" "${@:2}"; }
with() { LD_PRELOAD=$programs/$1.so "${@:2}"; }

if [ $form = short ]; then
    kill=(--kills 200 --users 500)
    power=(--rounds 10) faults=(--short) first=(--rounds 25) beside=(--seconds 5)
    fork=(--forks 200 --nonces 1000000) handles=(--tickets 1000000) soak=(--seconds 15) calls=(--users 20)
    recorded=(--users 20) slow=(--forks 16) control=(--seconds 3)
else
    kill=(--kills 2000 --users 10000)
    power=(--rounds 100) faults=() first=(--rounds 500) beside=(--seconds 600)
    fork=(--forks 2000 --orphans 50 --nonces 10000000 --fork-ms 200) handles=(--seconds 60 --tickets 10000000) soak=(--seconds 600)
    calls=(--users 500) recorded=(--users 100) slow=(--forks 200 --fork-ms 100) control=(--seconds 30)
fi

for mode in '' --wal; do
    called=${mode:+, WAL}
    figures "SIGKILL at random moments$called" python kill "${kill[@]}" $mode
    figures "the kernel asked in order$called" python system_calls "${calls[@]}" $mode
    figures "power cut, recorded$called" python recorded_power_cut "${recorded[@]}" $mode
    figures "power cut, for real$called" python power_cut "${power[@]}" $mode
    figures "write faults and full disk$called" python write_faults "${faults[@]}" $mode
    figures "beside another SQLite$called" python beside_sqlite "${beside[@]}" $mode
    figures "the same with POSIX locks$called" with posix_locks python beside_sqlite --control "${control[@]}" $mode
    figures "fork with busy threads$called" c fork "${fork[@]}" $mode
    figures "fork while syncs take 400 ms$called" with slow_syncs c fork --orphans 0 --pause 200 "${slow[@]}" $mode
done
figures "fork, nonces in batches" with without_vdso c fork "${fork[@]}"
figures "the kernel asked, nonces in batches" with without_vdso python system_calls "${calls[@]}"
figures "a process resumed twice" c snapshot
figures "the same, nonces in batches" with without_vdso c snapshot
figures "an uncached user asked for at once" c one_read
figures "the first key of a user" python first_key "${first[@]}"
figures "the host's own lock" python host_lock
figures "handles under fire" c handles "${handles[@]}"
figures "the file replaced, moved, locked …" python replaced
figures "soak" c soak "${soak[@]}"
totals
