"""A token through the Python binding, and the same token by Python's `cryptography`; besides what the Python module does for each
call: open the store, load the key, encrypt. The line protocol is that of benches/bench.h.

    python.py keycask STORE | own STORE
"""

import base64
import contextlib
import os
import sqlite3
import sys
import time

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MASTER_KEY = bytes([1]) + bytes(31)
USER = "user-0@example.com"


def encrypt(cipher, text):
    nonce = os.urandom(12)
    return "v2:" + base64.urlsafe_b64encode(nonce + cipher.encrypt(nonce, text.encode(), None)).decode()


def decrypt(cipher, token):
    sealed = base64.urlsafe_b64decode(token[3:])
    return cipher.decrypt(sealed[:12], sealed[12:], None).decode()


def load(path, user):
    """The module's path: a connection a call, the table made where it is missing, the key unwrapped."""
    with contextlib.closing(sqlite3.connect(path, timeout=30)) as connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS encryption_keys (user_id TEXT PRIMARY KEY, encrypted_key BLOB NOT NULL, created_at TEXT NOT NULL)"
        )
        row = connection.execute("SELECT encrypted_key FROM encryption_keys WHERE user_id = ?", (user,)).fetchone()
        if row:
            return AESGCM(AESGCM(MASTER_KEY).decrypt(row[0][:12], row[0][12:], None))
        key, nonce = os.urandom(32), os.urandom(12)
        connection.execute(
            "INSERT INTO encryption_keys VALUES (?, ?, '2026-01-01T00:00:00.000000+00:00')",
            (user, nonce + AESGCM(MASTER_KEY).encrypt(nonce, key, None)),
        )
        connection.commit()
        return AESGCM(key)


def own(path):
    cipher = AESGCM(bytes(32))
    return {
        "encrypt": (lambda text: text, lambda text: encrypt(cipher, text)),
        "decrypt": (lambda text: encrypt(cipher, text), lambda token: decrypt(cipher, token)),
        "uncached": (lambda text: encrypt(load(path, USER), text), lambda token: decrypt(load(path, USER), token)),
        "first-use": (lambda text: text, lambda text: encrypt(load(path, f"module-{time.perf_counter_ns()}"), text)),
    }


def keycask(path):
    import keycask

    store = keycask.open(path, master_key=MASTER_KEY)
    return {
        "encrypt": (lambda text: text, lambda text: store.encrypt(USER, text)),
        "decrypt": (lambda text: store.encrypt(USER, text), lambda token: store.decrypt(USER, token)),
    }


def main():
    works = {"own": own, "keycask": keycask}[sys.argv[1]](sys.argv[2])
    for line in sys.stdin:
        name, size, threads, count = line.split()
        if name not in works:
            print("-", flush=True)
            continue
        prepare, work = works[name]
        given, rounds = prepare("k" * int(size)), range(int(count))
        began = time.perf_counter_ns()
        for _ in rounds:
            work(given)
        print(time.perf_counter_ns() - began, flush=True)


main()
