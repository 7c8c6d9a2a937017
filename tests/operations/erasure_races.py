"""Caches that are filled while the user is erased, across processes.

    KEYCASK_LIBRARY=… erasure_races.py [--users N] [--locked] [--wal]

Users are made and erased one after the other, while readers in processes of their own read them, each time first from the
file: so fills of their caches race the erasure. No reader's call may succeed later than a second after an erasure has
returned, or five while the store is locked: by the erasures that follow at once, and, with --locked, by another program
after the last one.
"""

import argparse
import multiprocessing
import queue
import sqlite3
import sys
import tempfile
import time

from common import capi, finish, master_key, mode, sql

AT_ONCE = 25
FREE, LOCKED = 1, 5  # Seconds.
AGAIN = 0.5  # Seconds within which a look that found the store locked has been tried again.


def reader(path, jobs, answers, locked):
    """Reads the users that it is told, until all are destroyed; answers when each was last read. With `locked`, says first
    that it has read all."""
    with capi.Store(path, master_key(1)) as store:
        answers.put("ready")
        while (tokens := jobs.get()) is not None:
            last, troubles = {}, []
            left = dict(tokens)
            if locked:
                for user, token in tokens.items():
                    store.decrypt(user, token)
                answers.put("cached")
            while left:
                for user, token in list(left.items()):
                    begun = time.monotonic()
                    try:
                        store.decrypt(user, token)
                        last[user] = begun
                    except capi.KeycaskError as error:
                        if error.status == "KC_E_USER_DESTROYED":
                            del left[user]
                        elif error.status != "KC_E_BUSY":
                            troubles.append(f"{user}: {error}")
                            del left[user]
            answers.put((last, troubles))


def answer_of(processes, answers):
    """The next answer. A process that dies without one ends the program."""
    while True:
        try:
            return answers.get(timeout=1)
        except queue.Empty:
            if any(each.exitcode is not None for each in processes):
                for each in processes:
                    each.kill()
                sys.exit("a reader died")


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--users", type=int, default=500)
    arguments.add_argument("--readers", type=int, default=2)
    arguments.add_argument("--locked", action="store_true")
    arguments.add_argument("--wal", action="store_true")
    options = arguments.parse_args()
    longest, troubles, successes = 0, [], 0
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/keys.db"
        with capi.Store(path, master_key(1)) as store:
            if options.wal:
                sql(path, "PRAGMA journal_mode = WAL")
            jobs, answers = [context.Queue() for _ in range(options.readers)], context.Queue()
            readers = [context.Process(target=reader, args=(path, each, answers, options.locked)) for each in jobs]
            for each in readers:
                each.start()
            for _ in readers:
                answer_of(readers, answers)
            for first in range(0, options.users, AT_ONCE):
                users = [f"user {number}" for number in range(first, min(first + AT_ONCE, options.users))]
                tokens = {user: store.encrypt(user, user.encode()) for user in users}
                for each in jobs:
                    each.put(tokens)
                for _ in readers if options.locked else ():
                    answer_of(readers, answers)
                erased = {}
                for user in users:
                    store.erase_user(user)
                    erased[user] = time.monotonic()
                    time.sleep(0.005)  # Leaves the store's lock to the readers, who would come too late else.
                free = time.monotonic()
                if options.locked:
                    host = sqlite3.connect(path, isolation_level=None, timeout=30)
                    host.execute("BEGIN EXCLUSIVE")
                    time.sleep(6)
                    host.execute("COMMIT")
                    host.close()
                    free = time.monotonic()
                for _ in readers:
                    last, wrong = answer_of(readers, answers)
                    troubles += wrong
                    successes += len(last)
                    for user, when in last.items():
                        late = when - erased[user]
                        longest = max(longest, late)
                        if when > min(free + FREE, erased[user] + LOCKED) + AGAIN:
                            troubles.append(f"{user} was read {late:.1f} s after the erasure")
            for each in jobs:
                each.put(None)
            for each in readers:
                each.join()
    finish(f"{mode(options.wal)}{', the store locked' * options.locked}: {options.users} users erased while {options.readers} "
           f"processes read them, {successes} of the races had a reader before; a key was used {longest:.2f} s later at most; "
           f"{len(troubles)} troubles", troubles)


if __name__ == "__main__":
    main()
