import gc
import os
import pathlib
import sys

import pytest

import keycask

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests/interop"))

MASTER_KEY = bytes(range(32))
for name in list(os.environ):
    if name.startswith("API_KEY_MASTER_KEY"):
        del os.environ[name]


@pytest.fixture(autouse=True)
def no_handle_is_left():
    gc.collect()
    before = keycask.handle_count()
    yield
    gc.collect()
    assert keycask.handle_count() == before


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "keys.db")


@pytest.fixture
def store(path):
    with keycask.open(path, master_key=MASTER_KEY) as store:
        yield store
