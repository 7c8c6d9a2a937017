"""keycask beside the cryptography package, and beside the Python module's whole path, for the same token.

    python bench.py        prints the time of each, and how many times faster keycask is: medians of rounds that take turns
"""

import base64
import datetime
import os
import sqlite3
import statistics
import tempfile
import time

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import keycask
from keycask import compat

SECRET = "sk-proj-0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"  # 51 bytes
MASTER_KEY = bytes(range(32))
ROUNDS, CALLS = 15, 4000


class Cryptography:
    """A token by the package cryptography, the key in hand."""

    def __init__(self, key):
        self.cipher = AESGCM(key)

    def encrypt(self, text):
        nonce = os.urandom(12)
        return "v2:" + base64.urlsafe_b64encode(nonce + self.cipher.encrypt(nonce, text.encode(), None)).decode()

    def decrypt(self, token):
        raw = base64.urlsafe_b64decode(token[3:])
        return self.cipher.decrypt(raw[:12], raw[12:], None).decode()


def whole_path(path, text):
    """What the module does for each call: open SQLite, find the user's key, unwrap it, encrypt."""
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE IF NOT EXISTS encryption_keys (user_id TEXT PRIMARY KEY, "
                       "encrypted_key BLOB NOT NULL, created_at TEXT NOT NULL)")
    connection.commit()
    row = connection.execute("SELECT encrypted_key FROM encryption_keys WHERE user_id = ?", ("alice",)).fetchone()
    connection.close()
    key = AESGCM(MASTER_KEY).decrypt(row[0][:12], row[0][12:], None)
    nonce = os.urandom(12)
    return "v2:" + base64.urlsafe_b64encode(nonce + AESGCM(key).encrypt(nonce, text.encode(), None)).decode()


def main():
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/keys.db"
        with keycask.open(path, master_key=MASTER_KEY) as store:
            token = store.encrypt("alice", SECRET)
            raw = store.key("alice").export()
            theirs, key = Cryptography(raw), store.key("alice")
            assert theirs.decrypt(token) == SECRET and store.decrypt("alice", whole_path(path, SECRET)) == SECRET
            contests = {
                "encrypt": (lambda: store.encrypt("alice", SECRET), lambda: theirs.encrypt(SECRET), CALLS),
                "decrypt": (lambda: store.decrypt("alice", token), lambda: theirs.decrypt(token), CALLS),
                "encrypt, a key in hand": (lambda: key.encrypt(SECRET), lambda: theirs.encrypt(SECRET), CALLS),
                "decrypt, a key in hand": (lambda: key.decrypt(token), lambda: theirs.decrypt(token), CALLS),
                "keycask.compat: encrypt": (lambda: compat.encrypt(SECRET, raw), lambda: Cryptography(raw).encrypt(SECRET), CALLS),
                "keycask.compat: decrypt": (lambda: compat.decrypt(token, raw), lambda: Cryptography(raw).decrypt(token), CALLS),
                "encrypt, beside the whole path": (lambda: store.encrypt("alice", SECRET), lambda: whole_path(path, SECRET), 200),
            }
            print(f"{'':32} {'keycask':>10} {'beside':>10}   times faster")
            for name, (ours, other, calls) in contests.items():
                times = ([], [])
                for _ in range(ROUNDS):
                    for work, found in zip((ours, other), times):
                        begun = time.perf_counter()
                        for _ in range(calls):
                            work()
                        found.append((time.perf_counter() - begun) / calls)
                mine, them = map(statistics.median, times)
                print(f"{name:32} {mine * 1e9:7.0f} ns {them * 1e9:7.0f} ns {them / mine:8.1f}")


main()
