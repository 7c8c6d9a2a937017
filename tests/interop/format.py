"""A second implementation of the format, written from docs/format.md alone, with `cryptography` and sqlite3.

It shares no code with keycask, so that what both agree on is what the document says.
"""

import base64
import contextlib
import datetime
import hashlib
import hmac
import os
import re
import sqlite3
import string

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

WHITE_SPACE = " \t\n\v\f\r"
DATA = set(string.ascii_letters + string.digits + "+/-_")


class FormatError(Exception):
    """`kind` is the refusal in the words of docs/format.md: 'malformed', 'authentication failure', 'damaged', …"""

    def __init__(self, kind):
        super().__init__(kind)
        self.kind = kind


# base64. What a text means is decided here; the standard library is given data characters alone.

def _bytes_of(data):
    return base64.urlsafe_b64decode(data.replace("+", "-").replace("/", "_") + "=" * (-len(data) % 4))


def _text_of(data):
    return base64.urlsafe_b64encode(data).decode()


# The master key.

def decode_master_key(text):
    text = text.strip()
    if not text:
        raise FormatError("missing")
    if not text.isascii():
        raise FormatError("invalid")
    data, count, pads = [], 0, 0
    for char in text:
        if char in DATA:
            data.append(char)
            count, pads = (count + 1) % 4, 0
        elif char == "=" and count >= 2:
            pads += 1
            if count + pads >= 4:
                break
    if count == 1 or len(key := _bytes_of("".join(data))) != 32:
        raise FormatError("invalid")
    return key


def encode_master_key(key):
    return _text_of(key)


def master_key_from_environment(environment=os.environ):
    text = environment.get("API_KEY_MASTER_KEY", "")
    if text.strip():
        return decode_master_key(text)
    path = environment.get("API_KEY_MASTER_KEY_FILE", "")
    if path.strip():
        with open(path, encoding="utf-8") as file:
            text = file.read()
        if not text.strip():
            raise FormatError("invalid")
    return decode_master_key(text)


def master_key_id(master_key):
    return hmac.digest(master_key, b"keycask master key id", "sha256")[:16]


def pool_key(master_key):
    return hashlib.pbkdf2_hmac("sha256", master_key, b"stargazer:api_key_pool", 100_000, 32)


# Sealing, and the two things that are sealed.

def _seal(key, plaintext):
    nonce = os.urandom(12)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, None)


def _open(key, sealed):
    try:
        return AESGCM(key).decrypt(sealed[:12], sealed[12:], None)
    except InvalidTag:
        raise FormatError("authentication failure") from None


def wrap(master_key, user_key):
    return _seal(master_key, user_key)


def unwrap(master_key, wrapped):
    if not isinstance(wrapped, bytes) or len(wrapped) != 60:
        raise FormatError("damaged")
    return _open(master_key, wrapped)


def encrypt(key, plaintext):
    return "v2:" + _text_of(_seal(key, plaintext))


def decrypt(key, token, strict=False):
    if token.startswith("v3:"):
        raise FormatError("unsupported")
    reduced = re.sub(f"[{WHITE_SPACE}]", "", token.removeprefix("v2:"))
    data = reduced.rstrip("=")
    padding = len(reduced) - len(data)
    if not set(data) <= DATA or padding not in {0: (0,), 1: (), 2: (0, 2), 3: (0, 1)}[len(data) % 4]:
        raise FormatError("malformed")
    sealed = _bytes_of(data)
    if len(sealed) < 28 or strict and token != "v2:" + _text_of(sealed):
        raise FormatError("malformed")
    return _open(key, sealed)


def is_encrypted(value):
    return value.startswith(("v2:", "v3:"))


def lookup_hash(api_key):
    return hashlib.sha256(api_key).hexdigest()


# The store.

@contextlib.contextmanager
def open_store(path, timeout=30):
    with contextlib.closing(sqlite3.connect(path, timeout=timeout, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS encryption_keys (\nuser_id TEXT PRIMARY KEY,\n"
                           "encrypted_key BLOB NOT NULL,\ncreated_at TEXT NOT NULL\n)")
        _check_bits(connection, "must_read")
        yield connection


def _has_table(connection, name):
    return connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (name,)).fetchone()


# It reads earlier keys. Of erased users and retired master keys it knows nothing, so it writes no store that has them.
KNOWN_BITS = {"must_read": 1, "must_write": 0}


def _check_bits(connection, *names):
    if _has_table(connection, "keycask_meta"):
        meta = dict(connection.execute("SELECT name, value FROM keycask_meta"))
        if any(not isinstance(meta.get(name), int) or meta[name] & ~KNOWN_BITS[name] for name in names):
            raise FormatError("unsupported")


def _check_master_key(connection, master_key):
    """Registered keys decide; where there is none, the first rows do."""
    if _has_table(connection, "keycask_master"):
        if states := dict(connection.execute("SELECT id, state FROM keycask_master")):
            if states.get(master_key_id(master_key)) != "active":
                raise FormatError("wrong master key")
            return
    rows = connection.execute("SELECT encrypted_key FROM encryption_keys ORDER BY rowid LIMIT 1000").fetchall()
    if rows and not any(_opens(master_key, wrapped) for wrapped, in rows):
        raise FormatError("wrong master key")


def _opens(master_key, wrapped):
    try:
        return bool(unwrap(master_key, wrapped))
    except FormatError:
        return False


def user_key(path, master_key, user):
    """The user's key, or None where there is none."""
    with open_store(path) as connection:
        return _user_key(connection, master_key, user)


def _user_key(connection, master_key, user):
    row = connection.execute("SELECT encrypted_key FROM encryption_keys WHERE user_id = ?", (user,)).fetchone()
    return unwrap(master_key, row[0]) if row else None


def earlier_user_keys(path, master_key, user):
    """The user's earlier keys, the latest first."""
    with open_store(path) as connection:
        if not _has_table(connection, "keycask_version"):
            return []
        return [unwrap(master_key, wrapped) for wrapped, in connection.execute(
            "SELECT wrapped FROM keycask_version WHERE user_id = ? ORDER BY version DESC", (user,))]


def is_erased(path, master_key, user):
    with open_store(path) as connection:
        if not _has_table(connection, "keycask_key"):
            return False
        key = connection.execute("SELECT wrapped FROM keycask_key WHERE name = 'marking'").fetchone()
        if not key:
            return False
        mark = hmac.digest(unwrap(master_key, key[0]), user.encode(), "sha256")
        return bool(connection.execute("SELECT 1 FROM keycask_erased WHERE mark = ?", (mark,)).fetchone())


def earlier_pool_keys(path, master_key):
    """The pool keys of earlier master keys, by the id of each."""
    with open_store(path) as connection:
        if not _has_table(connection, "keycask_key"):
            return {}
        return {bytes.fromhex(name.removeprefix("pool:")): unwrap(master_key, wrapped) for name, wrapped in
                connection.execute("SELECT name, wrapped FROM keycask_key WHERE name LIKE 'pool:%'")}


def get_or_create_user_key(path, master_key, user):
    """Looks, INSERTs OR IGNOREs, and uses what is there then; with the checks of a program that knows keycask's own
    tables."""
    with open_store(path) as connection:
        if (key := _user_key(connection, master_key, user)) is not None:
            return key
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="microseconds")
        connection.execute("BEGIN IMMEDIATE")
        try:
            _check_bits(connection, "must_read", "must_write")
            _check_master_key(connection, master_key)
            connection.execute("INSERT OR IGNORE INTO encryption_keys (user_id, encrypted_key, created_at) "
                               "VALUES (?, ?, ?)", (user, wrap(master_key, os.urandom(32)), now))
            connection.execute("COMMIT")
        except BaseException:
            connection.rollback()
            raise
        return _user_key(connection, master_key, user)
