"""The library loaded and unloaded by a program that is not linked to it."""

import os
import subprocess
import sys
import unittest

PROGRAM = """
import _ctypes, ctypes, sys, threading

MESSAGES, NONCE = 1000, slice(3, 19)
seen = set()


def encrypt(library):
    library.kc_key_encrypt.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_char_p,
                                       ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p]
    key, token = ctypes.c_void_p(), ctypes.create_string_buffer(80)
    assert library.kc_key_import(bytes(32), ctypes.c_size_t(32), ctypes.byref(key), None) == 0
    for _ in range(MESSAGES):
        assert library.kc_key_encrypt(key, b"sk", 2, None, token, 80, None, None) == 0
        seen.add(token.raw[NONCE])
    assert library.kc_free(key) == 0


def mapped():
    with open("/proc/self/maps") as maps:
        return "libkeycask" in maps.read()


ended, stopped = threading.Event(), threading.Event()


def outlive(library):
    encrypt(library)
    stopped.set()
    ended.wait()


for _ in range(3):
    library = ctypes.CDLL(sys.argv[1])
    thread = threading.Thread(target=outlive, args=[library])
    thread.start()
    stopped.wait()
    encrypt(library)
    _ctypes.dlclose(library._handle)
    assert mapped(), "unloaded, with a thread that has state in it"
    ended.set()
    thread.join()
    ended.clear(), stopped.clear()
assert len(seen) == 6 * MESSAGES, f"{6 * MESSAGES - len(seen)} nonces came again"
"""


class TheLibraryLoadedAgain(unittest.TestCase):
    def test_stays_after_dlclose_and_repeats_no_nonce(self):
        subprocess.run([sys.executable, "-c", PROGRAM, os.environ["KEYCASK_LIBRARY"]], check=True)


if __name__ == "__main__":
    unittest.main()
