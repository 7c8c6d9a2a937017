"""What these programs share."""

import importlib.util
import pathlib
import sys

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS / "interop"))

_spec = importlib.util.spec_from_file_location("reliability", TESTS / "reliability" / "common.py")
reliability = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(reliability)

capi, finish, integrity, mode, sql = (getattr(reliability, name) for name in (
    "capi", "finish", "integrity", "mode", "sql"))


def master_key(number):
    return bytes([number]) * 32
