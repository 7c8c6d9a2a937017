"""keycask beside another SQLite in the same processes, on the same file.

    KEYCASK_LIBRARY=… beside_sqlite.py [--seconds N] [--wal] [--processes N] [--control]

In each process keycask makes users while Python's own sqlite3 writes and reads the same file, opening and closing it at
will. Nothing may be lost: every token opens in the end, every row of the host is there, and the file is whole. Prints how
often each side had its turn. --control: with posix_locks.so preloaded, something has to be lost.
"""

import argparse
import contextlib
import multiprocessing
import random
import sqlite3
import sys
import tempfile
import threading
import time

from common import MASTER_KEY, answers, capi


def host(path, name, until, rows):
    """The host's own SQLite: writes rows, reads all of them, and opens and closes its connection now and then."""
    pick = random.Random(name)
    while time.monotonic() < until:
        with contextlib.closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as connection:
            for _ in range(pick.randrange(1, 20)):
                row = f"{name}-{len(rows)}"
                connection.execute("INSERT INTO host VALUES (?)", (row,))
                rows.append(row)
                if pick.random() < 0.2:
                    connection.execute("SELECT count(*) FROM host, (SELECT count(*) FROM encryption_keys)").fetchone()
                if time.monotonic() >= until:
                    break


def keycask(path, name, until, tokens):
    """keycask: makes users, reads old ones, and opens and closes its store now and then."""
    pick = random.Random(name)
    while time.monotonic() < until:
        with capi.Store(path, MASTER_KEY, busy_timeout_ms=60_000) as store:
            for _ in range(pick.randrange(1, 20)):
                user = f"{name}-{len(tokens)}"
                tokens[user] = store.encrypt(user, user.encode())
                old = pick.choice(list(tokens))
                assert store.decrypt(old, tokens[old]) == old.encode()
                if time.monotonic() >= until:
                    break


def process(path, number, seconds, results):
    until = time.monotonic() + seconds
    rows, tokens, errors = [], {}, []

    def guarded(work, *arguments):
        try:
            work(*arguments)
        except Exception as error:  # noqa: BLE001
            errors.append(repr(error))

    threads = [threading.Thread(target=guarded, args=(host, path, f"host{number}", until, rows)),
               threading.Thread(target=guarded, args=(keycask, path, f"user{number}", until, tokens))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.put((rows, tokens, errors))


def opens(store, user, token):
    try:
        return store.decrypt(user, token) == user.encode()
    except capi.KeycaskError:
        return False


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seconds", type=float, default=5)
    arguments.add_argument("--processes", type=int, default=4)
    arguments.add_argument("--wal", action="store_true")
    arguments.add_argument("--control", action="store_true")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/keys.db"
        capi.Store(path, MASTER_KEY).close()
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE host(row TEXT)")
            if options.wal:
                connection.execute("PRAGMA journal_mode = WAL")
            connection.commit()
        context = multiprocessing.get_context("spawn")
        results = context.Queue()
        processes = [context.Process(target=process, args=(path, number, options.seconds, results))
                     for number in range(options.processes)]
        for each in processes:
            each.start()
        try:
            found = answers(processes, results)
        except SystemExit as died:
            if not options.control:
                raise
            print(f"with POSIX locks instead, {'WAL' if options.wal else 'rollback journal'}: {died}")
            sys.exit()
        rows = {row for answer in found for row in answer[0]}
        tokens = {user: token for answer in found for user, token in answer[1].items()}
        errors = [error for answer in found for error in answer[2]]
        kept, integrity, mode, lost = set(), "not to be had", "WAL" if options.wal else "delete", len(tokens)
        try:
            with contextlib.closing(sqlite3.connect(path)) as connection:
                integrity = connection.execute("PRAGMA integrity_check").fetchone()[0].partition("\n")[0]
                kept = {row for row, in connection.execute("SELECT row FROM host")}
            with capi.Store(path, MASTER_KEY) as store:
                lost = sum(not opens(store, user, token) for user, token in tokens.items())
        except (sqlite3.DatabaseError, capi.KeycaskError) as error:
            errors.append(repr(error))
    share = 100 * len(tokens) / max(1, len(tokens) + len(rows))
    print(f"{'with POSIX locks instead, ' * options.control}{mode}: {len(tokens)} users of keycask's, {lost} lost; {len(rows)} rows of the host's, {len(rows - kept)} lost; "
          f"integrity {integrity}; {len(errors)} errors; turns {share:.0f}/{100 - share:.0f} %")
    wrong = bool(lost or rows - kept or integrity != "ok" or errors)
    if options.control:
        sys.exit(not wrong)
    for error in errors[:5]:
        print(error)
    sys.exit(wrong)


if __name__ == "__main__":
    main()
