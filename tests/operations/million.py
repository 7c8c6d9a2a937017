"""The time of a rotation, and what it does to readers beside it.

    KEYCASK_LIBRARY=… million.py [--users N] [--limit N]

A store is filled with users. What SQLite itself needs to UPDATE as many rows of that size, in one transaction, is measured;
then how long keycask needs to move all of them to a new master key. Another process reads uncached users in a closed loop,
before and meanwhile.
"""

import argparse
import contextlib
import multiprocessing
import os
import random
import shutil
import sqlite3
import statistics
import tempfile
import time

from common import capi, finish, master_key

import format

KC_NONE = capi.KC_NONE


def fill(path, users):
    """Rows as the Python module writes them; the same few keys, which nobody can tell from wrapped ones."""
    capi.Store(path, master_key(1)).close()
    wrapped = [format.wrap(master_key(1), os.urandom(32)) for _ in range(1000)]
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO encryption_keys VALUES (?, ?, '2026-11-24T03:58:02.725746+00:00')",
                               ((f"user {number}", wrapped[number % 1000]) for number in range(users)))
        connection.execute("COMMIT")


def read(path, users, stop, results):
    """Asks for keys of users at random, each from the file; answers the times, in microseconds."""
    times = []
    key, error = capi.c_void_p(), capi.kc_error()
    with capi.Store(path, master_key(2), master_key(1), cache_users=KC_NONE, busy_timeout_ms=60_000) as store:
        while not stop.is_set():
            user = f"user {random.randrange(users)}".encode()
            begun = time.perf_counter()
            status = capi.LIBRARY.kc_user_key(store.value, user, len(user), None, capi.byref(key), capi.byref(error))
            times.append(1e6 * (time.perf_counter() - begun))
            assert status == 0, error.message
            capi.LIBRARY.kc_free(key)
    results.put(times)


def percentile(times, part):
    return sorted(times)[min(len(times) - 1, int(len(times) * part))]


def updated(path):
    """The time that SQLite itself needs, in a transaction as durable as keycask's."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = EXTRA")
        begun = time.monotonic()
        connection.execute("UPDATE encryption_keys SET encrypted_key = randomblob(60)")
        return time.monotonic() - begun


def rewrapped(path, limit):
    """The time that keycask needs, and how many it has moved."""
    begun, moved = time.monotonic(), 0
    with capi.Store(path, master_key(2), master_key(1)) as store:
        while True:
            done, remaining, _ = store.rewrap(limit)
            moved += done
            if remaining == 0:
                return time.monotonic() - begun, moved


def with_a_reader(path, users, work):
    """What `work` answers, and the times of another process's reads meanwhile."""
    context = multiprocessing.get_context("spawn")
    stop, results = context.Event(), context.Queue()
    reader = context.Process(target=read, args=(path, users, stop, results))
    reader.start()
    time.sleep(1)
    answer = work()
    stop.set()
    times = results.get()
    reader.join()
    return answer, times


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--users", type=int, default=1_000_000)
    arguments.add_argument("--limit", type=int, default=100_000)
    arguments.add_argument("--rounds", type=int, default=5)
    options = arguments.parse_args()
    plain, took, calm, busy, longest, troubles = [], [], [], [], 0, []
    with tempfile.TemporaryDirectory() as folder:
        filled, path = os.path.join(folder, "filled.db"), os.path.join(folder, "keys.db")
        fill(filled, options.users)
        for _ in range(options.rounds):
            shutil.copy(filled, path)
            plain.append(updated(path))
            shutil.copy(filled, path)
            _, times = with_a_reader(path, options.users, lambda: time.sleep(2))
            calm.append(percentile(times, 0.99))
            (seconds, moved), times = with_a_reader(path, options.users, lambda: rewrapped(path, options.limit))
            took.append(seconds)
            busy.append(percentile(times, 0.99))
            longest = max(longest, *times)
            with capi.Store(path, master_key(2)) as store:
                if (good := store.check().good) != options.users or moved != options.users:
                    troubles.append(f"{moved} keys were moved, and {good} are good")
    ratio = statistics.median(one / other for one, other in zip(took, plain))
    slower = statistics.median(one / other for one, other in zip(busy, calm))
    finish(f"{options.users} users rewrapped in {statistics.median(took):.1f} s, {ratio:.2f} times what SQLite needs to update "
           f"them; reads beside it: p99 {statistics.median(busy):.0f} us, {slower:.2f} times what it is without; the longest "
           f"{longest / 1e3:.0f} ms (medians of {options.rounds} rounds)", troubles)


if __name__ == "__main__":
    main()
