#!/usr/bin/env bash
# The main job, seen by a person: a C program keeps its users' API keys, and Python opens the same store.
#
#   scripts/demo.sh [--no-install]

source "$(dirname "$0")/lib.sh"
[ "${1:-}" != --no-install ] || INSTALL=no

mkdir -p target
need gcc libc6-dev
say "building the library (a minute or two the first time)"
build_library
python_environment

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
store=$folder/keys.db
compile "$folder/tour" examples/tour.c
compile "$folder/keep" examples/keep.c

heading() { printf '\n  %s%s%s\n' "$BOLD" "$1" "$PLAIN"; }
line() { printf '    %-17s %s\n' "$1" "$2"; }
python() { "$PYTHON" tests/interop/demo.py "$@"; }

API_KEY_MASTER_KEY=$("$folder/keep" master-key)
export API_KEY_MASTER_KEY

"$folder/tour" "$store"

heading "The key store"
line 'its file' "$(stat -c 'a file of %s bytes, mode %a' "$store")"

heading "The same store from Python, with the cryptography package and sqlite3 alone"
token=$(printf %s sk-from-c | "$folder/keep" encrypt "$store" alice)
line 'token from C' "$token"
line 'read in Python' "$(python read "$store" alice "$token")"
token=$(python write "$store" carol sk-from-python)
line 'token from Python' "$token"
line 'read in C' "$("$folder/keep" decrypt "$store" carol "$token")"

heading "The same token from other languages, through keycask"
# read_in LANGUAGE PEER…: what a peer of tests/interop/peers.py opens it to.
read_in() {
    line "read in $1" "$(printf 'decrypt\tcarol\t%s\n' "$token" | "${@:2}" "$store" | python3 -c 'print(bytes.fromhex(input()).decode())')"
}
if command -v go >/dev/null; then
    (cd tests/consumer/go && go build -tags keycask_dev -o "$folder/go" .)
    read_in Go "$folder/go"
else
    line Go 'is not on this machine'
fi
if need_dotnet; then
    native=target/csharp/native/runtimes/linux-x64/native
    mkdir -p "$native" "$folder/csharp"
    cp "$LIBRARY/libkeycask.so" "$native"
    build_csharp bindings/csharp/Keycask pack -o "$folder/feed" -p:KeycaskNative="$ROOT/target/csharp/native" >/dev/null
    cp tests/consumer/csharp/* "$folder/csharp"
    printf '<configuration><packageSources><clear/><add key="local" value="../feed"/></packageSources></configuration>\n' >"$folder/csharp/nuget.config"
    NUGET_PACKAGES=$folder/packages build_csharp "$folder/csharp" build >/dev/null
    read_in 'C#' "${DOTNET_RUN[@]}" "$folder/csharp/bin/Release/netcoreapp3.1/consumer.dll"
else
    line 'C#' 'is not on this machine, and none could be fetched'
fi
if command -v ruby >/dev/null; then
    need make ruby-dev
    ruby_module "$folder/ruby"
    read_in Ruby env LD_LIBRARY_PATH="$LIBRARY" ruby -I "$folder/ruby" -I bindings/ruby/lib tests/consumer/ruby/main.rb
else
    line Ruby 'is not on this machine (apt-get install ruby ruby-dev)'
fi
python_module "$folder/python"
read_in Python env PYTHONPATH="$folder/python" python3 tests/consumer/python/main.py
say ''
