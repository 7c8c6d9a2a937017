"""Token columns for SQLAlchemy. Loaded only by who imports it.

A secret of the user whose row it is in:

    class Account(Base):
        owner = mapped_column(Text)
        openai_token = mapped_column(Text)
        openai_key = keycask.sqlalchemy.secret("openai_token", user="owner", store=store)

A column whose values belong to no single user, or to whoever is signed in:

    webhook_key = mapped_column(keycask.sqlalchemy.Token(store))
    openai_key = mapped_column(keycask.sqlalchemy.Token(store, user=current_user.get))

Both read plaintext from before tokens as it is, until `strict=True` refuses it. A token column cannot be searched: keep
`keycask.hash_api_key` of the value in a column beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Callable, NamedTuple, Optional, Union

import sqlalchemy as sa
from sqlalchemy.exc import DontWrapMixin
from sqlalchemy.types import TypeDecorator

from ._errors import Error, FormatError, Status
from ._keycask import Key, Store, is_encrypted

__all__ = ["Token", "Upgraded", "secret", "upgrade"]

_Stores = Union[Store, Callable[[], Store]]


def _store(given: _Stores) -> Store:
    return given if isinstance(given, Store) else given()


def _opened(value: str, decrypt: Callable[[str], str], strict: bool) -> str:
    if is_encrypted(value):
        return decrypt(value)
    if strict:
        error = FormatError("the column holds plaintext, and tokens alone are read: upgrade it first, or take strict off")
        error.status, error.os_error, error.engine_error = Status.FORMAT, 0, 0
        raise error
    return value


_LET_OUT: dict[type[Error], type[Error]] = {}


def _let_out(error: Error) -> Error:
    """An error that SQLAlchemy passes on as it is. In one of its own it would show the statement's parameters, plaintext too."""
    kind = type(error)
    if kind not in _LET_OUT:
        _LET_OUT[kind] = type(kind.__name__, (kind, DontWrapMixin), {"__module__": kind.__module__})
    error.__class__ = _LET_OUT[kind]
    return error


class _Unlogged(str):
    """A text that is not shown where SQLAlchemy logs a statement's parameters."""

    def __repr__(self) -> str:
        return "[redacted]"


class Token(TypeDecorator[str]):
    """A column of text that holds tokens, and that Python sees as plaintext.

    store: an open store, or a function that gives it. user: whose the values are, or a function that says so when a value is
    read or written; None: nobody's, so that they are under the pool's key."""

    impl = sa.Text
    cache_ok = True

    def __init__(self, store: _Stores, *, user: Union[str, Callable[[], str], None] = None, strict: bool = False) -> None:
        super().__init__()
        self.store, self.user, self.strict = store, user, strict

    def _key(self) -> Key:
        store = _store(self.store)
        if self.user is None:
            return store.pool_key()
        return store.key(self.user if isinstance(self.user, str) else self.user())

    def process_bind_param(self, value: Optional[str], dialect: Any) -> Optional[str]:
        if value is None:
            return None
        try:
            with self._key() as key:
                return key.encrypt(value)
        except Error as error:
            raise _let_out(error) from None

    def process_result_value(self, value: Optional[str], dialect: Any) -> Optional[str]:
        return None if value is None else _opened(value, self._decrypt, self.strict)

    def _decrypt(self, token: str) -> str:
        with self._key() as key:
            return key.decrypt(token)


class secret:
    """An attribute of a mapped class: the secret in the token that another attribute holds, of the user that a third names."""

    def __init__(self, token: str, *, user: str, store: _Stores, strict: bool = False) -> None:
        self.token, self.user, self.store, self.strict = token, user, store, strict

    def __get__(self, row: Any, owner: Any = None) -> Any:
        if row is None:
            return self
        value = getattr(row, self.token)
        if value is None:
            return None
        return _opened(value, lambda token: _store(self.store).decrypt(self._name(row), token), self.strict)

    def __set__(self, row: Any, value: Optional[str]) -> None:
        setattr(row, self.token, None if value is None else _store(self.store).encrypt(self._name(row), value))

    def _name(self, row: Any) -> str:
        return str(getattr(row, self.user))


class Upgraded(NamedTuple):
    """How far the upgrade of a column has come."""

    seen: int
    """Rows that were looked at."""
    encrypted: int
    """Of these, rows whose plaintext became a token."""
    after: Any
    """The key of the last row: where `upgrade(…, after=…)` goes on."""


def upgrade(
    engine: sa.Engine,
    column: sa.Column[Any],
    *,
    store: Store,
    user: Optional[sa.Column[Any]] = None,
    batch: int = 500,
    after: Any = None,
) -> Iterator[Upgraded]:
    """Turns the plaintext of a column into tokens, a batch in a transaction each, while others work.

    It walks along the table's primary key, of one column. user: the column that names whose each value is; None: the pool's
    key. A value that changes meanwhile is left to who changed it. Ended early it loses nothing: begin anew, or `after` the last
    row that was seen."""
    table = column.table
    (key,) = table.primary_key
    value = sa.type_coerce(column, sa.Text())
    owner = sa.literal(None) if user is None else user
    pool = store.pool_key() if user is None else None
    seen = encrypted = 0
    while True:
        with engine.begin() as connection:
            rows = sa.select(key, value, owner).order_by(key).limit(batch)
            found = connection.execute(rows if after is None else rows.where(key > after)).all()
            for row_key, plaintext, name in found:
                if plaintext is None or is_encrypted(plaintext):
                    continue
                token = pool.encrypt(plaintext) if pool is not None else store.encrypt(str(name), plaintext)
                unchanged = (key == row_key) & (value == sa.literal(_Unlogged(plaintext), sa.Text()))
                done = connection.execute(sa.update(table).where(unchanged).values({column: sa.literal(token, sa.Text())}))
                encrypted += done.rowcount
        if not found:
            return
        seen += len(found)
        after = found[-1][0]
        yield Upgraded(seen, encrypted, after)
