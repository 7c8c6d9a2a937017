"""The first key of a user, asked for by everyone at once.

    KEYCASK_LIBRARY=… first_key.py [--rounds N] [--processes N] [--threads N]

In each round every thread of every process asks for the key of the same new user at the same moment: through a store
opened by an absolute name, by a relative one, by a symbolic link, or in that very round. In every other round half of the
threads ask as the Python module does, through an SQLite of their own. All must get one key, and keycask report no error.
"""

import argparse
import multiprocessing
import os
import sqlite3
import tempfile
import threading

from common import MASTER_KEY, answers, capi, finish, integrity, make_store

import format

TIMEOUT_MS = 60_000


def python_path(path, user):
    # SQLite's own waiting is not fair; who was passed over too often tries again.
    while True:
        try:
            return format.get_or_create_user_key(path, MASTER_KEY, user)
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise


def ask(store, user):
    """The user's key, by a store: as its bytes, which must open what the store encrypts."""
    token = store.encrypt(user, user.encode())
    with store.user_key(user) as key:
        raw = key.export()
    if format.decrypt(raw, token) != user.encode():
        raise AssertionError(f"the token of {user} was not made under the key of {user}")
    return raw


def asker(stores, path, number, user, with_python):
    if with_python and number % 2 == 1:
        return python_path(path, user)
    if store := stores[number // 2 % len(stores)]:
        return ask(store, user)
    with capi.Store(path, MASTER_KEY, busy_timeout_ms=TIMEOUT_MS) as store:
        return ask(store, user)


def process(folder, rounds, threads, everyone, results):
    os.chdir(folder)
    names = [os.path.join(folder, "keys.db"), "keys.db", "link.db"]
    stores = [capi.Store(name, MASTER_KEY, busy_timeout_ms=TIMEOUT_MS) for name in names] + [None]
    keys, errors = [set() for _ in range(rounds)], []
    together = threading.Barrier(threads, everyone.wait)

    def thread(number):
        for turn in range(rounds):
            together.wait()
            try:
                keys[turn].add(asker(stores, names[0], number, f"user {turn}", turn % 2 == 1))
            except Exception as error:  # noqa: BLE001
                errors.append(f"round {turn}: {error!r}")

    running = [threading.Thread(target=thread, args=(number,)) for number in range(threads)]
    for each in running:
        each.start()
    for each in running:
        each.join()
    for store in stores[:-1]:
        store.close()
    results.put((keys, errors))


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rounds", type=int, default=25)
    arguments.add_argument("--processes", type=int, default=8)
    arguments.add_argument("--threads", type=int, default=8)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "keys.db")
        make_store(path)
        os.symlink("keys.db", os.path.join(folder, "link.db"))
        context = multiprocessing.get_context("spawn")
        everyone, results = context.Barrier(options.processes), context.Queue()
        processes = [context.Process(target=process, args=(folder, options.rounds, options.threads, everyone, results))
                     for _ in range(options.processes)]
        for each in processes:
            each.start()
        asked = answers(processes, results)
        errors = [error for answer in asked for error in answer[1]]
        several = []
        for turn in range(options.rounds):
            keys = {key for answer in asked for key in answer[0][turn]} | {format.user_key(path, MASTER_KEY, f"user {turn}")}
            if len(keys) != 1:
                several.append(f"user {turn} has {len(keys)} keys")
        whole = integrity(path)
    finish(f"{options.rounds} new users, each asked for by {options.processes} processes of {options.threads} threads at once, "
           f"the Python path among them in {options.rounds // 2}: {len(several)} with more than one key; {len(errors)} errors; "
           f"integrity {whole}", several, errors, [] if whole == "ok" else [whole])


if __name__ == "__main__":
    main()
