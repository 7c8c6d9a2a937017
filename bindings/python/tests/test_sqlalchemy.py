"""Token columns, in a real SQLAlchemy over SQLite."""

import contextvars

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Session, mapped_column

import keycask
import keycask.sqlalchemy
from conftest import MASTER_KEY

signed_in = contextvars.ContextVar("signed_in")


@pytest.fixture
def keys():
    with keycask.open(":memory:", master_key=MASTER_KEY) as store:
        yield store


@pytest.fixture
def engine():
    engine = sa.create_engine("sqlite://")
    yield engine
    engine.dispose()


def made(keys, engine, strict=False):
    class Base(DeclarativeBase):
        pass

    class Account(Base):
        __tablename__ = "accounts"
        id = mapped_column(sa.Integer, primary_key=True)
        owner = mapped_column(sa.Text)
        openai_token = mapped_column(sa.Text)
        openai_key = keycask.sqlalchemy.secret("openai_token", user="owner", store=lambda: keys, strict=strict)
        webhook_key = mapped_column(keycask.sqlalchemy.Token(keys, strict=strict))
        own_key = mapped_column(keycask.sqlalchemy.Token(keys, user=signed_in.get, strict=strict))

    Base.metadata.create_all(engine)
    return Account


def raw(engine, column):
    with engine.connect() as connection:
        return [value for value, in connection.execute(sa.text(f"SELECT {column} FROM accounts ORDER BY id"))]


def test_a_column_holds_tokens_and_python_sees_plaintext(keys, engine):
    Account = made(keys, engine)
    signed_in.set("alice")
    with Session(engine) as session:
        session.add(Account(id=1, owner="alice", openai_key="sk-openai", webhook_key="sk-webhook", own_key="sk-own"))
        session.add(Account(id=2, owner="bob"))
        session.commit()
        account, empty = session.get(Account, 1), session.get(Account, 2)
        assert (account.openai_key, account.webhook_key, account.own_key) == ("sk-openai", "sk-webhook", "sk-own")
        assert (empty.openai_key, empty.webhook_key, empty.own_key) == (None, None, None)
    for column in ("openai_token", "webhook_key", "own_key"):
        token, none = raw(engine, column)
        assert keycask.is_encrypted(token) and none is None
    assert keys.decrypt("alice", raw(engine, "openai_token")[0]) == "sk-openai"
    assert keys.decrypt("alice", raw(engine, "own_key")[0]) == "sk-own"


def test_plaintext_from_before_is_read_until_it_is_refused(keys, engine):
    signed_in.set("alice")
    for strict in (False, True):
        Account = made(keys, engine, strict)
        if not strict:
            with engine.begin() as connection:
                connection.execute(sa.text("INSERT INTO accounts VALUES (1, 'alice', 'sk-old', 'sk-hook', NULL)"))
        with Session(engine) as session:
            if strict:
                with pytest.raises(keycask.FormatError):
                    session.get(Account, 1)
            else:
                account = session.get(Account, 1)
                assert (account.openai_key, account.webhook_key) == ("sk-old", "sk-hook")


def test_a_column_is_upgraded_in_batches_which_may_be_resumed(keys, engine):
    Account = made(keys, engine)
    signed_in.set("alice")
    table = Account.__table__
    rows = [{"id": number, "owner": f"user {number % 5}", "openai_token": f"sk {number}", "webhook_key": None} for number in range(1, 101)]
    with engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO accounts (id, owner, openai_token, webhook_key) VALUES (:id, :owner, :openai_token, :webhook_key)"), rows)
        connection.execute(sa.text("UPDATE accounts SET webhook_key = 'hook ' || id"))
    column = table.c.openai_token
    first = next(keycask.sqlalchemy.upgrade(engine, column, store=keys, user=table.c.owner, batch=30))
    assert first == (30, 30, 30)
    again = list(keycask.sqlalchemy.upgrade(engine, column, store=keys, user=table.c.owner, batch=30))
    assert again[-1][:2] == (100, 70)
    rest = list(keycask.sqlalchemy.upgrade(engine, column, store=keys, user=table.c.owner, after=first.after))
    assert rest == [(70, 0, 100)]
    list(keycask.sqlalchemy.upgrade(engine, table.c.webhook_key, store=keys))
    assert all(keycask.is_encrypted(value) for name in ("openai_token", "webhook_key") for value in raw(engine, name))
    with Session(engine) as session:
        for account in session.scalars(sa.select(Account)):
            assert (account.openai_key, account.webhook_key) == (f"sk {account.id}", f"hook {account.id}")


def test_a_value_that_changes_under_way_is_left_to_who_changed_it(keys, engine):
    Account = made(keys, engine)
    table = Account.__table__
    with engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO accounts (id, owner, openai_token) VALUES (1, 'alice', 'sk-old')"))

    @sa.event.listens_for(engine, "before_cursor_execute")
    def somebody(connection, cursor, statement, parameters, context, executemany):
        if statement.startswith("UPDATE") and "somebody" not in statement:
            cursor.execute("UPDATE accounts SET openai_token = 'somebody''s' WHERE id = 1")

    assert list(keycask.sqlalchemy.upgrade(engine, table.c.openai_token, store=keys, user=table.c.owner)) == [(1, 0, 1)]
    assert raw(engine, "openai_token") == ["somebody's"]


def test_neither_logs_nor_errors_show_plaintext(keys, caplog):
    engine = sa.create_engine("sqlite://", echo=True)
    Account = made(keys, engine)
    signed_in.set("alice")
    with Session(engine) as session:
        session.add(Account(id=1, owner="alice", openai_key="sk-very-secret", webhook_key="sk-very-secret", own_key="sk-very-secret"))
        session.commit()
    with engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO accounts (id, owner, openai_token) SELECT 2, 'alice', 'sk-very' || '-secret'"))
    column = Account.__table__.c.openai_token
    assert list(keycask.sqlalchemy.upgrade(engine, column, store=keys, user=Account.__table__.c.owner)) == [(2, 1, 2)]
    keys.erase_user("alice")
    with Session(engine) as session:
        session.add(Account(id=3, own_key="sk-very-secret"))
        with pytest.raises(keycask.UserDestroyedError) as caught:
            session.commit()
    assert "INSERT" in caplog.text and "sk-very-secret" not in caplog.text + str(caught.value) + repr(caught.value)
    engine.dispose()
