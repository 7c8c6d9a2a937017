import os
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Optional, Union, final

from ._records import Progress, Report, Stats, User

Text = Union[str, bytes, bytearray]

@final
class Store:
    """An open key store. Made by `keycask.open`, ended by `close`, at the end of `with`, or with the object."""

    @staticmethod
    def open(
        location: Union[str, os.PathLike[str]],
        *,
        master_key: Union[Text, Iterable[Text], None] = None,
        read_only: bool = False,
        must_exist: bool = False,
        snapshots: bool = False,
        unlocked: bool = False,
        busy_timeout: float = 5.0,
        cache_users: int = 65_536,
    ) -> Store:
        """Opens a store.

        master_key: the 32 bytes or the text of the current one, or several, the current one first; None: those of
        API_KEY_MASTER_KEY and API_KEY_MASTER_KEY_PREVIOUS, or of the files that their _FILE variables name.
        read_only: never write, not even to roll back what a crashed program left.
        must_exist: NotFoundError rather than make a store.
        snapshots: this process will be snapshotted, and resumed more than once.
        unlocked: from now on this process locks no memory for keys (mlock).
        busy_timeout: seconds that a call waits for other programs' locks; 0: not at all.
        cache_users: how many users' keys are kept unwrapped; 0: none.
        """
    def encrypt(self, user: str, plaintext: str, *, existing: bool = False, cached_only: bool = False) -> str:
        """Encrypts a user's secret to a token. A user without a key gets one, durable when this returns.

        existing: UnknownUserError rather than make a key. cached_only: WouldBlockError rather than touch the store.
        """
    def encrypt_bytes(
        self, user: str, plaintext: Union[bytes, bytearray], *, existing: bool = False, cached_only: bool = False
    ) -> str:
        """`encrypt` of bytes."""
    def decrypt(self, user: str, token: Text, *, strict: bool = False, cached_only: bool = False) -> str:
        """Decrypts a user's token. It never makes a key: UnknownUserError.

        strict: take the canonical form alone. A plaintext that is no UTF-8 is FormatError: use `decrypt_bytes`.
        """
    def decrypt_bytes(self, user: str, token: Text, *, strict: bool = False, cached_only: bool = False) -> bytes:
        """`decrypt` to bytes."""
    def is_stale(self, user: str, token: Text, *, cached_only: bool = False) -> bool:
        """Whether a token was made under a key that is no longer the user's current one, so that `reencrypt` is due."""
    def reencrypt(self, user: str, token: Text, *, strict: bool = False) -> str:
        """Makes of a user's token one under their current key."""
    def key(self, user: str, *, existing: bool = False, cached_only: bool = False) -> Key:
        """A user's key, for many values of theirs. It follows the user's current key, and ends with the store."""
    def pool_key(self) -> Key:
        """The key for values that belong to no single user."""
    def rewrap(self, *, step: int = 10_000) -> Iterator[Progress]:
        """Moves every key to the current master key while others work, a step each time that it is asked for the next.

        When it has ended, the earlier master keys that were given open nothing any more. Ended early it loses nothing.
        """
    def erase_user(self, user: str) -> None:
        """Destroys a user's keys, and with them every secret of theirs, wherever its token lies."""
    def restore_user(self, user: str) -> None:
        """Lets an erased user begin anew, with another key."""
    def rotate_user(self, user: str) -> None:
        """Gives a user another key. The one that they have is kept for reading."""
    def forget_versions(self, user: str) -> None:
        """Destroys a user's earlier keys: what was made under them opens no more."""
    def users(self) -> Iterator[User]:
        """Walks over all users with a row, in no order that means anything."""
    def check(self) -> Report:
        """Looks at every row, and has SQLite check its file. It writes nothing, and lets others work."""
    def stats(self) -> Stats:
        """What this store has done since it was opened."""
    def backup(self, location: Union[str, os.PathLike[str]]) -> None:
        """Copies the store, while it is in use, to a file that is not there yet."""
    def close(self) -> None:
        """Ends the store, and the keys that came from it. Calls in flight finish. A second time it does nothing."""
    @property
    def closed(self) -> bool: ...
    def __enter__(self) -> Store: ...
    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None: ...

@final
class Key:
    """A key in hand: a user's, the pool's, or one of the caller's own."""

    @staticmethod
    def from_bytes(raw: Union[bytes, bytearray]) -> Key:
        """A key of 32 bytes of the caller's own, which are copied."""
    def encrypt(self, plaintext: str) -> str:
        """Encrypts a secret to a token."""
    def encrypt_bytes(self, plaintext: Union[bytes, bytearray]) -> str:
        """`encrypt` of bytes."""
    def decrypt(self, token: Text, *, strict: bool = False) -> str:
        """Decrypts a token made under this key."""
    def decrypt_bytes(self, token: Text, *, strict: bool = False) -> bytes:
        """`decrypt` to bytes."""
    def export(self) -> bytes:
        """The key's 32 bytes. Whoever has them opens every token made under it."""
    def close(self) -> None:
        """Ends the key. A second time it does nothing."""
    @property
    def closed(self) -> bool: ...
    def __enter__(self) -> Key: ...
    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None: ...

def version() -> str:
    """The library's version."""

def handle_count() -> int:
    """How many stores and keys are open in this process. A test that ends with another count has found a leak."""

def is_encrypted(value: object) -> bool:
    """Whether a value is a token, and not plaintext from before tokens."""

def hash_api_key(api_key: Union[str, bytes, bytearray]) -> str:
    """The lookup hash of an API key: 64 lower-case hex digits, by which it is found without being kept."""

def generate_master_key() -> str:
    """Makes a new master key, as the text that API_KEY_MASTER_KEY holds."""

def decode_master_key(text: str) -> bytes:
    """The 32 bytes of a master key's text. MasterKeyInvalidError."""

def master_key_from_environment() -> bytes: ...
def previous_master_keys_from_environment() -> list[bytes]: ...
def encrypt_under(key: Union[bytes, bytearray], plaintext: str) -> str: ...
def decrypt_under(key: Union[bytes, bytearray], token: str) -> str: ...
