#!/usr/bin/env bash
# keycask beside what its users would pick instead; docs/performance.md says what is measured.
#
#   scripts/bench.sh            some 15 minutes; writes docs/performance.md and its pictures
#   scripts/bench.sh --quick    under 3 minutes once built; prints alone
#
# It ends with 1 where a target is missed by more than its noise.

source "$(dirname "$0")/lib.sh"
need gcc libc6-dev libssl-dev libsodium-dev openssl pkg-config cmake make ruby ruby-dev
need_go
build_library
programs=$ROOT/target/bench
mkdir -p "$programs"

flags=(-std=gnu99 -O2 -Wall -Wextra -Wconversion -Wno-sign-conversion -Iinclude)
for program in keycask tails scale; do
    gcc "${flags[@]}" -o "$programs/$program" "benches/$program.c" -L"$LIBRARY" -lkeycask -Wl,-rpath,"$LIBRARY" -lm -pthread
done
gcc "${flags[@]}" -o "$programs/start" benches/start.c -ldl -pthread
gcc "${flags[@]}" -o "$programs/openssl" benches/openssl.c -lcrypto -pthread
gcc "${flags[@]}" -o "$programs/libsodium" benches/libsodium.c -lsodium -pthread
RUSTFLAGS="--cfg keycask_bench" cargo build --quiet --release --locked --manifest-path benches/peers/Cargo.toml --target-dir target/bench-peers
cp target/bench-peers/release/peers "$programs/peers"
(cd benches/go && go build -tags keycask_dev -o "$programs/go" .)

python=$programs/python/bin/python
if ! cmp -s benches/requirements.txt "$programs/python/pins"; then
    need python3 python3-venv
    rm -rf "$programs/python"
    python3 -m venv "$programs/python"
    "$python" -m pip install --quiet --disable-pip-version-check -r benches/requirements.txt
    cp benches/requirements.txt "$programs/python/pins"
fi

# The bindings.
python_module "$programs/modules"
ruby_module "$programs/ruby"
export PYTHONPATH=$programs/modules RUBYLIB=$programs/ruby:$ROOT/bindings/ruby/lib LD_LIBRARY_PATH=$LIBRARY KEYCASK_LIBRARY=$LIBRARY/libkeycask.so
if need_dotnet; then
    build_csharp bindings/csharp/tests build >"$programs/csharp.log" || { cat "$programs/csharp.log"; exit 1; }
    export BENCH_DOTNET="${DOTNET_RUN[*]} $ROOT/target/csharp/bin/tests/Release/netcoreapp3.1/tests.dll bench"
fi
"$python" benches/run.py "$@"
