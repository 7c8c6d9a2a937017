"""What an operator is told."""

from __future__ import annotations

import datetime
import enum
from typing import NamedTuple, Optional

from ._errors import Error, of


class Progress(NamedTuple):
    """How far a rotation of the master key has come."""

    done: int
    """Keys moved."""
    remaining: int
    """Keys not seen yet. At 0 the earlier master keys open nothing in the store."""
    skipped: int
    """Damaged rows, which no given master key opens, and which are left."""


class MasterKeyState(enum.IntEnum):
    """What a store knows of a master key."""

    UNREGISTERED = 0
    ACTIVE = 1
    RETIRING = 2
    RETIRED = 3


class Report(NamedTuple):
    """What a check of a store has found."""

    findings: int
    """What SQLite itself found wrong: 0, or how many findings."""
    finding: str
    """The first of them."""
    users: int
    good: int
    """Users with a key that opens."""
    damaged: int
    unopened: int
    """Users with a key that may be under a master key that was not given."""
    versions: int
    """Earlier keys of users."""
    damaged_others: int
    erased: int
    lacking: int
    """Master keys that the store uses and that were not given."""
    keys: tuple[int, ...]
    """Keys that each given master key wraps, in the order in which they were given."""
    states: tuple[MasterKeyState, ...]

    @property
    def is_well(self) -> bool:
        """Whether everything opens."""
        return not (self.findings or self.damaged or self.unopened or self.damaged_others or self.lacking)


class User(NamedTuple):
    """One of a walk over all users."""

    name: str
    error: Optional[Error]
    """Why their key does not open, or None."""
    master_key: int
    """The given master key that wraps it: 1 for the first; 0: none."""
    versions: int
    """Earlier keys that are kept."""
    created_at: Optional[datetime.datetime]
    """When the key was made; None where the store has no such text."""


class Stats(NamedTuple):
    """What an open store has done."""

    cached_users: int
    hits: int
    misses: int
    store_reads: int
    commits: int
    busy_waits: int
    handles: int
    locked_bytes: int
    unlocked_bytes: int


def report(
    first: tuple[int, str, int, int, int, int, int],
    others: tuple[int, int, int],
    keys: tuple[int, ...],
    states: tuple[int, ...],
) -> Report:
    return Report(*first, *others, keys, tuple(MasterKeyState(state) for state in states))


def user(name: str, key: int, master_key: int, versions: int, created_at: str) -> User:
    error = None if key == 0 else of(key, f"the key of this user does not open (status {key}): look at check()", 0, 0)
    try:
        made = datetime.datetime.fromisoformat(created_at)
    except ValueError:
        made = None
    return User(name, error, master_key, versions, made)
