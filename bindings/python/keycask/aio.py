"""keycask as coroutines, for event loops.

    async with keycask.aio.open("keys.db") as store:
        token = await store.encrypt("alice", "sk-alice-1234")
        secret = await store.decrypt("alice", token)

A call whose user's key is cached takes microseconds, and is made at once. Any other may wait for the disk, and is made in a
thread of the loop's executor, so that the loop goes on.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Generator, Iterator
from types import TracebackType
from typing import Any, Callable, Optional, TypeVar, Union

from . import _keycask
from ._errors import WouldBlockError
from ._records import Progress, Report, Stats, User

_T = TypeVar("_T")
_Token = Union[str, bytes, bytearray]


async def _elsewhere(work: Callable[..., _T], *arguments: Any, **named: Any) -> _T:
    return await asyncio.to_thread(work, *arguments, **named)


async def _soon(work: Callable[..., _T], *arguments: Any, **named: Any) -> _T:
    """At once where nothing has to be waited for, else in a thread."""
    try:
        return work(*arguments, cached_only=True, **named)
    except WouldBlockError:
        return await _elsewhere(work, *arguments, **named)


async def _each(walk: Iterator[_T]) -> AsyncIterator[_T]:
    """An iterator whose every step is made in a thread."""
    while found := await _elsewhere(lambda: [*itertools.islice(walk, 1)]):
        yield found[0]


class Store:
    """`keycask.Store`, its calls as coroutines. Their arguments and errors are the same."""

    def __init__(self, store: _keycask.Store) -> None:
        self._store = store

    async def encrypt(self, user: str, plaintext: str, *, existing: bool = False) -> str:
        return await _soon(self._store.encrypt, user, plaintext, existing=existing)

    async def encrypt_bytes(self, user: str, plaintext: Union[bytes, bytearray], *, existing: bool = False) -> str:
        return await _soon(self._store.encrypt_bytes, user, plaintext, existing=existing)

    async def decrypt(self, user: str, token: _Token, *, strict: bool = False) -> str:
        return await _soon(self._store.decrypt, user, token, strict=strict)

    async def decrypt_bytes(self, user: str, token: _Token, *, strict: bool = False) -> bytes:
        return await _soon(self._store.decrypt_bytes, user, token, strict=strict)

    async def is_stale(self, user: str, token: _Token) -> bool:
        return await _soon(self._store.is_stale, user, token)

    async def reencrypt(self, user: str, token: _Token, *, strict: bool = False) -> str:
        return await _elsewhere(self._store.reencrypt, user, token, strict=strict)

    async def key(self, user: str, *, existing: bool = False) -> _keycask.Key:
        return await _soon(self._store.key, user, existing=existing)

    async def pool_key(self) -> _keycask.Key:
        return await _elsewhere(self._store.pool_key)

    def rewrap(self, *, step: int = 10_000) -> AsyncIterator[Progress]:
        return _each(self._store.rewrap(step=step))

    def users(self) -> AsyncIterator[User]:
        return _each(self._store.users())

    async def erase_user(self, user: str) -> None:
        await _elsewhere(self._store.erase_user, user)

    async def restore_user(self, user: str) -> None:
        await _elsewhere(self._store.restore_user, user)

    async def rotate_user(self, user: str) -> None:
        await _elsewhere(self._store.rotate_user, user)

    async def forget_versions(self, user: str) -> None:
        await _elsewhere(self._store.forget_versions, user)

    async def check(self) -> Report:
        return await _elsewhere(self._store.check)

    async def backup(self, location: str) -> None:
        await _elsewhere(self._store.backup, location)

    def stats(self) -> Stats:
        """It touches no disk, and is no coroutine."""
        return self._store.stats()

    def close(self) -> None:
        self._store.close()

    @property
    def closed(self) -> bool:
        return self._store.closed

    async def __aenter__(self) -> Store:
        return self

    async def __aexit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()


class _Opening:
    """`await open(…)` and `async with open(…)`."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self._arguments, self._named = arguments, named
        self._store: Optional[Store] = None

    async def _open(self) -> Store:
        return Store(await _elsewhere(_keycask.Store.open, *self._arguments, **self._named))

    def __await__(self) -> Generator[Any, None, Store]:
        return self._open().__await__()

    async def __aenter__(self) -> Store:
        self._store = await self._open()
        return self._store

    async def __aexit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        if self._store is not None:
            self._store.close()


def open(location: Any, **options: Any) -> _Opening:
    """Opens a store, as `keycask.open` does: `store = await open(…)`, or `async with open(…) as store`."""
    return _Opening(location, **options)
