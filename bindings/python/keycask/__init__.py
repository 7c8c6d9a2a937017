"""Keeps other people's API keys.

A service that acts for its users holds their keys: OpenAI's, Stripe's, anyone's. keycask gives every user an AES-256-GCM key
of their own, wraps each by one master key, and keeps the wrapped keys in a key store, an SQLite file. What the program
stores elsewhere, in Redis or in a column, are short text tokens that only the right user's key opens.

    with keycask.open("keys.db") as store:                       # master key: API_KEY_MASTER_KEY
        token = store.encrypt("alice", "sk-alice-1234")          # "v2:…", to be kept anywhere
        secret = store.decrypt("alice", token)

`keycask.aio` has the same as coroutines, `keycask.compat` the names of the Python module whose format this is, and
`keycask.sqlalchemy` token columns.

Everything may be called from any thread at any time, also while another closes the store; handles that were opened before
a fork work in the child. What a function promises of durability and freshness is said in keycask.h.
"""

from ._errors import (
    ArgumentError,
    AuthenticationError,
    BusyError,
    CorruptError,
    Error,
    ExistsError,
    FormatError,
    HandleError,
    InternalError,
    IoError,
    LimitError,
    MasterKeyError,
    MasterKeyInvalidError,
    MasterKeyMissingError,
    MasterKeyWrongError,
    NotFoundError,
    OutOfMemoryError,
    RandomError,
    ReadOnlyError,
    Status,
    UnknownUserError,
    UnsupportedError,
    UserDestroyedError,
    WouldBlockError,
)
from ._keycask import Key, Store, decode_master_key, generate_master_key, handle_count, hash_api_key, is_encrypted, version
from ._records import MasterKeyState, Progress, Report, Stats, User

__version__: str = version()

open = Store.open
"""Opens the key store at a location, the path of an SQLite file or ":memory:", and makes it where it is missing.

The wrong master key is refused here, before anything is written: MasterKeyWrongError."""

__all__ = [
    "ArgumentError",
    "AuthenticationError",
    "BusyError",
    "CorruptError",
    "Error",
    "ExistsError",
    "FormatError",
    "HandleError",
    "InternalError",
    "IoError",
    "Key",
    "LimitError",
    "MasterKeyError",
    "MasterKeyInvalidError",
    "MasterKeyMissingError",
    "MasterKeyState",
    "MasterKeyWrongError",
    "NotFoundError",
    "OutOfMemoryError",
    "Progress",
    "RandomError",
    "ReadOnlyError",
    "Report",
    "Stats",
    "Status",
    "Store",
    "UnknownUserError",
    "UnsupportedError",
    "User",
    "UserDestroyedError",
    "WouldBlockError",
    "decode_master_key",
    "generate_master_key",
    "handle_count",
    "hash_api_key",
    "is_encrypted",
    "open",
]
