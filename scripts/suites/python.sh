#!/usr/bin/env bash
# The Python binding: its wheel, made from its sdist and installed, and its tests, which use that alone.

source "$(dirname "$0")/../lib.sh"
need gcc libc6-dev
build_library
python_environment
work=$ROOT/target/python-binding
binding=bindings/python
mkdir -p "$work"

python_packages "$work/tools" "$binding/tests/requirements.txt"
check "the Rust code is formatted" cargo fmt --manifest-path "$binding/Cargo.toml" --check
linted() { CARGO_TARGET_DIR=$ROOT/target/python-module cargo clippy --quiet --release --locked --manifest-path "$binding/Cargo.toml" -- -D warnings; }
check "clippy has no complaint" linted
typed() { (cd "$binding" && "$work/tools/bin/mypy" --cache-dir "$work/mypy" keycask); }
check "mypy --strict has no complaint" typed

rm -rf "$work"/{sdist,wheel,empty}
packed() { env PATH="$work/tools/bin:$PATH" maturin sdist --manifest-path "$binding/Cargo.toml" --out "$work/sdist"; }
check "the sdist is packed" packed
built() {
    env PATH="$work/tools/bin:$PATH" CARGO_TARGET_DIR="$ROOT/target/python-module" \
        pip wheel --quiet --no-deps --no-build-isolation --wheel-dir "$work/wheel" "$work"/sdist/keycask-*.tar.gz
}
check "the wheel is built from it" built
for_every_python() { ls "$work"/wheel/keycask-*-cp39-abi3-*.whl; }
check "for every Python from 3.9 on" for_every_python
installed() { python3 -m venv "$work/empty" && "$work/empty/bin/pip" install --quiet --no-index --no-deps "$work"/wheel/keycask-*.whl; }
check "the wheel is installed into an empty environment" installed
used() {
    local outside
    outside=$(mktemp -d)
    cp tests/consumer/python/main.py "$outside" && cd "$outside" && "$work/empty/bin/python" -W error main.py && cd / && rm -rf "$outside"
}
check "and used by a program outside the project" used
check "its SQLite has no more than a key store uses" trimmed_sqlite "$work"/empty/lib/python3*/site-packages/keycask/_keycask.abi3.so
# Every other Python of this machine, those that pyenv keeps too.
each_python() {
    local python home tried=0
    for python in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.*/bin/python3 /usr/bin/python3.[0-9]*[0-9]; do
        "$python" -c 'import sys, venv; sys.exit(sys.version_info < (3, 9))' 2>/dev/null || continue
        home=$(mktemp -d)
        "$python" -m venv --without-pip "$home" && cp -r "$work"/empty/lib/python3*/site-packages/keycask "$home"/lib/python3*/site-packages || return
        "$home/bin/python" -W error tests/consumer/python/main.py && "$home/bin/python" -W error -c 'import keycask.aio, keycask.compat' || return
        rm -rf "$home"
        tried=$((tried + 1))
    done
    say "$tried"
    [ "$tried" -gt 0 ]
}
check "and every Python of this machine from 3.9 on uses it" each_python
bare() { cd "$work" && "$work/empty/bin/python" -W error -c 'import keycask.aio, keycask.compat'; }
check "all of it but SQLAlchemy's part needs no other package" bare

"$work/tools/bin/pip" install --quiet --no-index --no-deps --force-reinstall "$work"/wheel/keycask-*.whl
tally "$work/tools/bin/pytest" -q -p no:cacheprovider "$binding/tests"
# Beside what is installed, so that the module itself is found.
checked() {
    [ -d "$work/pyright/node_modules" ] || npm install --silent --no-fund --no-audit --prefix "$work/pyright" pyright@1.1.400 || return
    (cd "$work" && node pyright/node_modules/pyright/index.js --warnings --pythonpath "$work/tools/bin/python" "$work"/tools/lib/python3*/site-packages/keycask)
}
if command -v npm >/dev/null; then
    check "pyright has no complaint" checked
else
    skip pyright "there is no npm"
fi
same_versions() {
    python3 - <<'PYTHON'
import re
locked = [set(re.findall(r'name = "([^"]+)"\nversion = "([^"]+)"', open(path).read())) for path in ("Cargo.lock", "bindings/python/Cargo.lock")]
names = {name for name, _ in locked[0]}
other = {each for each in locked[1] - locked[0] if each[0] in names}
assert not other, f"cargo update these in bindings/python: {other}"
PYTHON
}
check "it is locked to the versions that the library is locked to" same_versions
check "the examples of its README run" "$work/tools/bin/python" "$binding/tests/examples.py"

at_one_store
"$work/tools/bin/python" "$binding/tests/bench.py"
totals
