"""Why a call failed: an exception for each status of the library, under `Error`."""

from __future__ import annotations

import enum


class Status(enum.IntEnum):
    """What kind of failure an error is. The library's header says more of each: FORMAT is its KC_E_FORMAT."""

    ARGUMENT = -1
    HANDLE = -2
    BUFFER = -3
    FORMAT = -4
    AUTHENTICATION = -5
    UNKNOWN_USER = -6
    USER_DESTROYED = -7
    MASTER_KEY_MISSING = -8
    MASTER_KEY_INVALID = -9
    MASTER_KEY_WRONG = -10
    CORRUPT = -11
    BUSY = -12
    IO = -13
    READ_ONLY = -14
    NOT_FOUND = -15
    EXISTS = -16
    LIMIT = -17
    RANDOM = -18
    MEMORY = -19
    WOULD_BLOCK = -20
    UNSUPPORTED = -21
    INTERNAL = -99


class Error(Exception):
    """Why a call of keycask failed. Its text says what was found, what was expected and what to do, and holds no secret."""

    status: int
    """A `Status`; a plain number where a later library has a new one."""
    os_error: int
    """The system's error number (errno), or 0."""
    engine_error: int
    """SQLite's extended result code, or 0."""

    def __reduce__(self) -> tuple[object, ...]:
        return (of, (self.status, str(self), self.os_error, self.engine_error))


class ArgumentError(Error, ValueError):
    """An argument is empty, malformed or out of place."""


class LimitError(ArgumentError):
    """An argument is longer than a stated limit."""


class HandleError(Error, ValueError):
    """The store or key has been closed."""


class FormatError(Error, ValueError):
    """What was given is no token; or its plaintext is no text."""


class AuthenticationError(Error):
    """The token was made under another key, or altered."""


class UnknownUserError(Error, LookupError):
    """The store has no key for this user."""


class UserDestroyedError(Error, LookupError):
    """The user was erased on purpose."""


class MasterKeyError(Error):
    """Something is wrong with the master key."""


class MasterKeyMissingError(MasterKeyError):
    """None was given, and the environment has none."""


class MasterKeyInvalidError(MasterKeyError, ValueError):
    """It is not base64 of 32 bytes."""


class MasterKeyWrongError(MasterKeyError):
    """It does not open this store, or creates nothing in it any more."""


class CorruptError(Error):
    """A stored key is damaged, or the file is no SQLite database."""


class IoError(Error, OSError):
    """The system refused to read or write; `errno` says why."""


class BusyError(IoError, TimeoutError):
    """Other programs held the store's lock for longer than busy_timeout."""


class ReadOnlyError(IoError, PermissionError):
    """A write to what was opened, or is, read-only."""


class NotFoundError(IoError, FileNotFoundError):
    """There is no such store."""


class ExistsError(IoError, FileExistsError):
    """The file is there already, and nothing is overwritten."""


class WouldBlockError(IoError, BlockingIOError):
    """With cached_only: the call would have to touch the store."""


class RandomError(Error):
    """The system's random source failed."""


class OutOfMemoryError(Error, MemoryError):
    """There is not enough memory."""


class UnsupportedError(Error, NotImplementedError):
    """A later token or store, a scheme that this build does not have, or a database of something else."""


class InternalError(Error, RuntimeError):
    """A defect of keycask's own: please report it."""


_CLASSES: dict[int, type[Error]] = {
    Status.ARGUMENT: ArgumentError,
    Status.HANDLE: HandleError,
    Status.BUFFER: InternalError,
    Status.FORMAT: FormatError,
    Status.AUTHENTICATION: AuthenticationError,
    Status.UNKNOWN_USER: UnknownUserError,
    Status.USER_DESTROYED: UserDestroyedError,
    Status.MASTER_KEY_MISSING: MasterKeyMissingError,
    Status.MASTER_KEY_INVALID: MasterKeyInvalidError,
    Status.MASTER_KEY_WRONG: MasterKeyWrongError,
    Status.CORRUPT: CorruptError,
    Status.BUSY: BusyError,
    Status.IO: IoError,
    Status.READ_ONLY: ReadOnlyError,
    Status.NOT_FOUND: NotFoundError,
    Status.EXISTS: ExistsError,
    Status.LIMIT: LimitError,
    Status.RANDOM: RandomError,
    Status.MEMORY: OutOfMemoryError,
    Status.WOULD_BLOCK: WouldBlockError,
    Status.UNSUPPORTED: UnsupportedError,
    Status.INTERNAL: InternalError,
}


def of(status: int, message: str, os_error: int, engine_error: int) -> Error:
    """The exception of a status. One that this release does not know is a plain `Error`."""
    error = _CLASSES.get(status, Error)(message)
    error.status = Status(status) if status in _CLASSES else status
    error.os_error, error.engine_error = os_error, engine_error
    if isinstance(error, OSError) and os_error:
        error.errno = os_error
    return error
