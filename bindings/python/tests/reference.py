"""The Python module whose format keycask has, made again from its vectors and docs/format.md: its names, its behaviour, over
`cryptography` and sqlite3. What keycask.compat is set beside."""

import asyncio
import base64
import datetime
import hashlib
import logging
import os
import sqlite3

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ENCRYPTED_PREFIX = "v2:"
POOL_KEY_SALT = b"stargazer:api_key_pool"
_log = logging.getLogger(__name__)


def resolve_master_key():
    text = os.environ.get("API_KEY_MASTER_KEY", "").strip()
    try:
        key = base64.urlsafe_b64decode(text)
    except ValueError:
        key = b""
    if len(key) != 32:
        _log.warning("API_KEY_MASTER_KEY is not base64 of 32 bytes")
        return None
    return key


def encrypt(plaintext, key):
    nonce = os.urandom(12)
    return ENCRYPTED_PREFIX + base64.urlsafe_b64encode(nonce + AESGCM(key).encrypt(nonce, plaintext.encode(), None)).decode()


def decrypt(ciphertext, key):
    raw = base64.urlsafe_b64decode(ciphertext.removeprefix(ENCRYPTED_PREFIX))
    if len(raw) < 28:
        raise ValueError("the ciphertext is too short")
    return AESGCM(key).decrypt(raw[:12], raw[12:], None).decode()


def get_pool_key(master_key):
    return hashlib.pbkdf2_hmac("sha256", master_key, POOL_KEY_SALT, 100_000, 32)


def is_encrypted(value):
    return value.startswith(ENCRYPTED_PREFIX)


def api_key_hash(api_key):
    return hashlib.sha256(api_key.encode()).hexdigest()


async def get_or_create_user_key(user_id, sqlite_path, master_key):
    return await asyncio.to_thread(_get_or_create, user_id, sqlite_path, master_key)


def _get_or_create(user_id, sqlite_path, master_key):
    connection = sqlite3.connect(sqlite_path, timeout=60, isolation_level=None)
    try:
        connection.execute("CREATE TABLE IF NOT EXISTS encryption_keys (user_id TEXT PRIMARY KEY, encrypted_key BLOB NOT NULL, "
                           "created_at TEXT NOT NULL)")
        key, nonce = os.urandom(32), os.urandom(12)
        read = "SELECT encrypted_key FROM encryption_keys WHERE user_id = ?"
        if connection.execute(read, (user_id,)).fetchone() is None:
            connection.execute("INSERT OR IGNORE INTO encryption_keys VALUES (?, ?, ?)",
                               (user_id, nonce + AESGCM(master_key).encrypt(nonce, key, None),
                                datetime.datetime.now(datetime.timezone.utc).isoformat()))
        wrapped, = connection.execute(read, (user_id,)).fetchone()
        return AESGCM(master_key).decrypt(wrapped[:12], wrapped[12:], None)
    finally:
        connection.close()
