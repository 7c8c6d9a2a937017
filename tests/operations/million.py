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
    times, size = [], capi.c_size_t()
    key, error = capi.c_void_p(), capi.kc_error()
    with capi.Store(path, master_key(2), master_key(1), cache_users=KC_NONE, busy_timeout_ms=60_000) as store:
        while not stop.is_set():
            user = f"user {random.randrange(users)}".encode()
            begun = time.perf_counter()
            status = capi.LIBRARY.kc_user_key(store.value, user, len(user), None, capi.byref(key), capi.byref(error))
            times.append(1e6 * (time.perf_counter() - begun))
            assert status == 0, error.message
            capi.LIBRARY.kc_free(key)
    del size
    results.put(times)


def percentile(times, part):
    return sorted(times)[min(len(times) - 1, int(len(times) * part))]


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--users", type=int, default=1_000_000)
    arguments.add_argument("--limit", type=int, default=100_000)
    options = arguments.parse_args()
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        path, copy = os.path.join(folder, "keys.db"), os.path.join(folder, "copy.db")
        fill(path, options.users)
        shutil.copy(path, copy)
        with contextlib.closing(sqlite3.connect(copy, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = EXTRA")
            begun = time.monotonic()
            connection.execute("UPDATE encryption_keys SET encrypted_key = randomblob(60)")
            plain = time.monotonic() - begun
        os.remove(copy)

        def beside(work):
            stop, results = context.Event(), context.Queue()
            reader = context.Process(target=read, args=(path, options.users, stop, results))
            reader.start()
            time.sleep(1)
            answer = work()
            stop.set()
            times = results.get()
            reader.join()
            return answer, times

        _, before = beside(lambda: time.sleep(5))

        def rewrap():
            begun, moved, longest = time.monotonic(), 0, 0
            with capi.Store(path, master_key(2), master_key(1)) as store:
                while True:
                    done, remaining, _ = store.rewrap(options.limit)
                    moved += done
                    if remaining == 0:
                        return moved, time.monotonic() - begun

        (moved, took), meanwhile = beside(rewrap)
        with capi.Store(path, master_key(2)) as store:
            good = store.check().good
    ratio, calm, busy = took / plain, percentile(before, 0.99), percentile(meanwhile, 0.99)
    finish(f"{moved} users rewrapped in {took:.1f} s, {ratio:.2f} times what SQLite needs to update them ({plain:.1f} s); reads "
           f"beside it: p99 {busy:.0f} us, {busy / calm:.2f} times what it was ({calm:.0f} us), the longest {max(meanwhile) / 1e3:.0f} "
           f"ms ({len(meanwhile)} reads)", [] if good == moved == options.users else [f"{good} keys are good"])


if __name__ == "__main__":
    main()
