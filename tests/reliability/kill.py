"""SIGKILL at random moments.

    KEYCASK_LIBRARY=… kill.py [--kills N] [--users N] [--wal] [--processes N]

Processes create users and write each one's token to a pipe; one after the other is killed and replaced. What the parent
has read is acknowledged, and has to open in the end. Goes on until there were so many kills and so many users.
"""

import argparse
import os
import random
import selectors
import signal
import tempfile
import time

from common import MASTER_KEY, capi, finish, integrity, lost, make_store, mode

LONGEST_LIFE = 0.06  # Seconds between two kills, at most.


def create_users(path, out):
    """What a process does until it is killed: a line for each user, and one that begins with `!` for an error."""
    try:
        with capi.Store(path, MASTER_KEY) as store:
            for number in range(1_000_000):
                user = f"{os.getpid()}-{number}-{time.monotonic_ns()}"
                os.write(out, f"{user} {store.encrypt(user, user.encode())}\n".encode())
    except BaseException as error:  # noqa: BLE001
        os.write(out, f"! {error!r}\n".encode())


class Process:
    def __init__(self, path, selector):
        self.output, out = os.pipe()
        self.unread = b""
        self.id = os.fork()
        if self.id == 0:
            create_users(path, out)
            os._exit(1)
        os.close(out)
        selector.register(self.output, selectors.EVENT_READ, self)

    def read(self):
        """The lines that have come, and whether more can come."""
        data = os.read(self.output, 65536)
        *lines, self.unread = (self.unread + data).split(b"\n")
        return lines, bool(data)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--kills", type=int, default=200)
    arguments.add_argument("--users", type=int, default=500)
    arguments.add_argument("--processes", type=int, default=4)
    arguments.add_argument("--wal", action="store_true")
    options = arguments.parse_args()
    tokens, errors, kills = {}, [], 0
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/keys.db"
        make_store(path, options.wal)
        selector = selectors.DefaultSelector()

        def read(seconds):
            for key, _ in selector.select(seconds):
                lines, more = key.data.read()
                for line in lines:
                    user, token = line.decode().split(" ", 1)
                    if user == "!":
                        errors.append(token)
                    else:
                        tokens[user] = token
                if not more:
                    selector.unregister(key.fd)
                    os.close(key.fd)

        living = [Process(path, selector) for _ in range(options.processes)]
        while (kills < options.kills or len(tokens) < options.users) and not errors:
            until = time.monotonic() + random.uniform(0, LONGEST_LIFE)
            while (left := until - time.monotonic()) > 0:
                read(left)
            killed = living.pop(random.randrange(len(living)))
            os.kill(killed.id, signal.SIGKILL)
            os.waitpid(killed.id, 0)
            kills += 1
            living.append(Process(path, selector))
        for each in living:
            os.kill(each.id, signal.SIGKILL)
            os.waitpid(each.id, 0)
        while selector.get_map():
            read(None)
        gone, whole = lost(path, tokens), integrity(path)
    finish(f"{mode(options.wal)}: {kills} kills, {len(tokens)} users acknowledged, {len(gone)} lost; integrity {whole}; "
           f"{len(errors)} errors", gone, errors, [] if whole == "ok" else [whole])


if __name__ == "__main__":
    main()
