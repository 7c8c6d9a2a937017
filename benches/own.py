"""The same token by Python's `cryptography`, and what the Python module does for each call: open the store, load the key,
encrypt. The line protocol is that of benches/bench.h.

    own.py STORE
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


def encrypt(cipher, plaintext):
    nonce = os.urandom(12)
    return "v2:" + base64.urlsafe_b64encode(nonce + cipher.encrypt(nonce, plaintext, None)).decode()


def decrypt(cipher, token):
    sealed = base64.urlsafe_b64decode(token[3:])
    return cipher.decrypt(sealed[:12], sealed[12:], None)


def load(path, user, create=False):
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


def main():
    path = sys.argv[1]
    cipher = AESGCM(bytes(32))
    made = 0
    for line in sys.stdin:
        work, size, threads, count = line.split()
        plaintext, count = b"k" * int(size), int(count)
        token = encrypt(load(path, USER) if work == "uncached" else cipher, plaintext)
        rounds = range(count)
        began = time.perf_counter_ns()
        if work == "encrypt":
            for _ in rounds:
                encrypt(cipher, plaintext)
        elif work == "decrypt":
            for _ in rounds:
                decrypt(cipher, token)
        elif work == "uncached":
            for _ in rounds:
                decrypt(load(path, USER), token)
        elif work == "first-use":
            for at in rounds:
                encrypt(load(path, f"module-{began}-{at}"), plaintext)
        else:
            print("-", flush=True)
            continue
        print(time.perf_counter_ns() - began, flush=True)


main()
