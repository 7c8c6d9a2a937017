"""What these programs share: a store, the tokens that must open, and the last line."""

import contextlib
import pathlib
import queue
import sqlite3
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "interop"))
import capi  # noqa: E402

MASTER_KEY = bytes(range(32))
OTHER_MASTER_KEY = bytes(range(32, 64))


def sql(path, *statements):
    """What the last statement answers, from an SQLite that is not keycask's."""
    with contextlib.closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as connection:
        for statement in statements:
            answer = connection.execute(statement).fetchall()
    return answer


def make_store(path, wal=False):
    capi.Store(path, MASTER_KEY).close()
    if wal:
        sql(path, "PRAGMA journal_mode = WAL")


def mode(wal):
    return "WAL" if wal else "rollback journal"


def integrity(path):
    return sql(path, "PRAGMA integrity_check")[0][0]


def lost(path, tokens):
    """The users whose token, of the user's own name, does not open any more, each with the reason."""
    gone = {}
    with capi.Store(path, MASTER_KEY) as store:
        for user, token in tokens.items():
            try:
                if store.decrypt(user, token) != user.encode():
                    gone[user] = f"{user}: the token opens to something else"
            except capi.KeycaskError as error:
                gone[user] = f"{user}: {error}"
    return gone


def answers(processes, results):
    """What each process put into the queue. One that dies without an answer ends the program."""
    found = []
    while len(found) < len(processes):
        try:
            found.append(results.get(timeout=1))
        except queue.Empty:
            if dead := [each.exitcode for each in processes if each.exitcode]:
                for each in processes:
                    each.kill()
                sys.exit(f"a process died: status {dead[0]}")
    for each in processes:
        each.join()
    return found


def finish(line, *troubles):
    """Prints the figures, then the first of each kind of trouble, and ends the program."""
    print(line)
    for kind in troubles:
        for trouble in list(kind.values() if isinstance(kind, dict) else kind)[:5]:
            print(f"  {trouble}")
    sys.exit(any(troubles))


def skip(what, why):
    print(f"skipped {what}: {why}")
    sys.exit(77)
