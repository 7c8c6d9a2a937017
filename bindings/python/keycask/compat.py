"""The names of the Python module whose format this is, over keycask: change the import, and keep the calls.

    from keycask import compat as api_key_encryption

The functions, their signatures and their results are the module's. What differs, on purpose:

- The wrong master key is refused when a store is first used (`ValueError`), and not found out when nothing decrypts any more.
- Two processes that meet a new user at once end with one key; a key is durable before it is handed out.
- Tokens without padding are read; a token with any other character that is not base64's is refused, where the module skipped
  it; "v3:" is known as encrypted, and refused until a later release reads it.
- Master keys and keys of 16 or 24 bytes, which the module would use, are refused. A master key's text may lack its padding.
- `API_KEY_MASTER_KEY_FILE` is read where `API_KEY_MASTER_KEY` is unset; `API_KEY_MASTER_KEY_PREVIOUS` (or its `_FILE`) joins
  the ring behind the master key that is given, so that a service lives through a rotation.

Stores stay open, up to 8 of them: a second call with the same path and master key finds its store.
"""

from __future__ import annotations

import asyncio
import collections
import hashlib
import logging
import os
import threading
from typing import Optional

from . import _keycask
from ._errors import AuthenticationError, Error, MasterKeyInvalidError, MasterKeyMissingError
from .aio import _soon

ENCRYPTED_PREFIX = "v2:"
POOL_KEY_SALT = b"stargazer:api_key_pool"

__all__ = [
    "ENCRYPTED_PREFIX",
    "POOL_KEY_SALT",
    "AuthenticationFailure",
    "api_key_hash",
    "decrypt",
    "encrypt",
    "get_or_create_user_key",
    "get_pool_key",
    "is_encrypted",
    "resolve_master_key",
]

_log = logging.getLogger(__name__)

try:
    from cryptography.exceptions import InvalidTag as _InvalidTag
except ImportError:

    class AuthenticationFailure(AuthenticationError):
        """The token was made under another key, or altered. With the package cryptography it is its InvalidTag too."""
else:

    class AuthenticationFailure(AuthenticationError, _InvalidTag):  # type: ignore[no-redef]
        """The token was made under another key, or altered."""


class _Refused(Error, ValueError):
    """What the module's callers catch where the library has a status that it did not."""


def _as_the_module(error: Error) -> Error:
    kind: type[Error] = AuthenticationFailure if isinstance(error, AuthenticationError) else _Refused
    made = kind(str(error))
    made.status, made.os_error, made.engine_error = error.status, error.os_error, error.engine_error
    return made


class _OpenStores:
    """The stores that were used last. Those that are pushed out end when their last call does."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._stores: collections.OrderedDict[bytes, _keycask.Store] = collections.OrderedDict()
        self._lock = threading.Lock()

    def find(self, path: str, ring: list[bytes]) -> Optional[_keycask.Store]:
        with self._lock:
            store = self._stores.get(self._name(path, ring))
            if store is not None:
                self._stores.move_to_end(self._name(path, ring))
            return store

    def open(self, path: str, ring: list[bytes]) -> _keycask.Store:
        store = _keycask.Store.open(path, master_key=ring)
        with self._lock:
            store = self._stores.setdefault(self._name(path, ring), store)
            while len(self._stores) > self._most:
                self._stores.popitem(last=False)
            return store

    def after_fork_in_child(self) -> None:
        # The stores work on; the lock may have been held by a thread that is not here.
        self._lock = threading.Lock()

    @staticmethod
    def _name(path: str, ring: list[bytes]) -> bytes:
        """A digest, so that no master key lies in a dictionary."""
        name = hashlib.sha256(os.fsencode(os.path.abspath(path)) + b"\0")
        for key in ring:
            name.update(key)
        return name.digest()


_stores = _OpenStores(8)
os.register_at_fork(after_in_child=_stores.after_fork_in_child)


async def get_or_create_user_key(user_id: str, sqlite_path: str, master_key: bytes) -> bytes:
    """The user's key of 32 bytes, made where they have none.

    ValueError: the user or the master key is none, or the master key does not open the store. OSError: the store cannot be
    read or written."""
    try:
        ring = [bytes(master_key), *_keycask.previous_master_keys_from_environment()]
        store = _stores.find(sqlite_path, ring)
        if store is None:
            store = await asyncio.to_thread(_stores.open, sqlite_path, ring)
        key = await _soon(store.key, user_id)
    except OSError:
        raise
    except Error as error:
        raise _as_the_module(error) from None
    with key:
        return key.export()


def encrypt(plaintext: str, key: bytes) -> str:
    """A token of a text under a key of 32 bytes. ValueError: another length."""
    return _keycask.encrypt_under(key, plaintext)


def decrypt(ciphertext: str, key: bytes) -> str:
    """The text of a token, with or without its prefix.

    ValueError: it is no token. AuthenticationFailure, which is cryptography's InvalidTag too: it was made under another key,
    or altered."""
    try:
        return _keycask.decrypt_under(key, ciphertext)
    except Error as error:
        if isinstance(error, ValueError):
            raise
        raise _as_the_module(error) from None


def get_pool_key(master_key: bytes) -> bytes:
    """The key of values that belong to no single user, derived from the master key: some 12 ms, keep it."""
    with _keycask.Store.open(":memory:", master_key=bytes(master_key)) as store, store.pool_key() as key:
        return key.export()


def resolve_master_key() -> Optional[bytes]:
    """The master key of the environment. None, with a warning logged, where there is none or it is malformed.

    OSError: the file that API_KEY_MASTER_KEY_FILE names cannot be read."""
    try:
        return _keycask.master_key_from_environment()
    except (MasterKeyMissingError, MasterKeyInvalidError) as error:
        _log.warning("%s", error)
        return None


def is_encrypted(value: object) -> bool:
    """Whether a value is a token, and not plaintext from before tokens."""
    return _keycask.is_encrypted(value)


def api_key_hash(api_key: str) -> str:
    """SHA-256 of an API key: 64 lower-case hex digits."""
    return _keycask.hash_api_key(api_key)
