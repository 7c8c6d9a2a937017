"""The host's own lock, looked at before and after each of keycask's openings, closings and calls in the same process.

    KEYCASK_LIBRARY=… host_lock.py [--steps N]

The host, Python's own sqlite3, stands in a transaction while keycask works on the same file. A POSIX lock that was
dropped once does not come back before the transaction ends, so looking afterwards is enough. Both journal modes, a
writing and a reading host each; keycask's descriptors are counted all the while.
"""

import argparse
import os
import random
import sqlite3
import tempfile

from common import MASTER_KEY, capi, finish, make_store

# The bytes that SQLite locks: in the file, and in the -shm of a store in WAL mode.
RESERVED, SHARED = range(0x40000001, 0x40000002), range(0x40000002, 0x40000200)
WRITER, READERS, SWITCH = range(120, 121), range(123, 128), range(128, 129)
MANY = 10  # Descriptors: what two open stores need and a few parked ones, however many steps there are.


def locks_of_host(file):
    """The byte ranges on which this process has POSIX locks, as the kernel lists them; keycask's are not of that kind."""
    inode, mine = os.stat(file).st_ino, []
    with open("/proc/locks", encoding="ascii") as table:
        for line in table:
            _, kind, _, _, process, place, start, end = line.split()[:8]
            if kind == "POSIX" and int(process) == os.getpid() and int(place.split(":")[2]) == inode:
                mine.append((int(start), int(end)))
    return mine


def descriptors(path):
    """How many of this process's descriptors are on the store's files."""
    count = 0
    for name in os.listdir("/proc/self/fd"):
        try:
            count += os.readlink(f"/proc/self/fd/{name}").startswith(path)
        except FileNotFoundError:
            pass
    return count


def keycask_step(pick, names, store, token, may_create, number):
    """One thing that a program does with keycask. Answers what went wrong, or None."""
    step = pick.randrange(6)
    flags = capi.KC_OPEN_READ_ONLY if step == 0 else 0
    try:
        if step == 1:
            opened = store.decrypt("alice", token) == b"secret"
        else:
            with capi.Store(pick.choice(names), MASTER_KEY, flags=flags, busy_timeout_ms=capi.KC_NONE) as another:
                if step == 2:
                    return None
                if step == 3:
                    another.encrypt(f"user {number}", b"")
                    return None if may_create else "a key was made through the host's lock"
                opened = another.decrypt("alice", token) == b"secret"
        return None if opened else "the token opened to something else"
    except capi.KeycaskError as error:
        return None if step == 3 and not may_create and error.status == "KC_E_BUSY" else str(error)


def scene(folder, wal, writing, steps):
    """Answers looks, losses, wrong statuses, most descriptors, and descriptors left."""
    path = os.path.join(os.path.realpath(folder), f"{'wal' if wal else 'rollback'} {'writer' if writing else 'reader'}.db")
    make_store(path, wal)
    link = path + ".link"
    os.symlink(path, link)
    store = capi.Store(path, MASTER_KEY, busy_timeout_ms=capi.KC_NONE)
    token = store.encrypt("alice", b"secret")

    host = sqlite3.connect(path, timeout=0, isolation_level=None)
    host.execute("CREATE TABLE host(row)")
    host.execute("INSERT INTO host VALUES (1), (2), (3)")
    if writing:
        host.execute("BEGIN IMMEDIATE")
        host.execute("INSERT INTO host VALUES (4)")
    else:
        host.execute("BEGIN")
        reader = host.execute("SELECT row FROM host")
        reader.fetchone()
    locks = [(path, SHARED)]
    if wal:
        locks += [(path + "-shm", SWITCH), (path + "-shm", WRITER if writing else READERS)]
    elif writing:
        locks += [(path, RESERVED)]

    looks, losses, wrong = 0, [], []

    def look(when):
        nonlocal looks
        looks += 1
        gone = [where[0] for file, where in locks
                if not any(start in where or where[0] in range(start, end + 1) for start, end in locks_of_host(file))]
        if gone:
            losses.append(f"{os.path.basename(path)}: {when}: no lock on byte {gone[0]}")

    pick, most, base = random.Random(path), 0, descriptors(path)
    for number in range(steps):
        look(f"before step {number}")
        # A reading host lets others write to the WAL, but none commit to a file without one.
        trouble = keycask_step(pick, [path, link, os.path.relpath(path)], store, token, wal and not writing, number)
        if trouble:
            wrong.append(f"{os.path.basename(path)}: step {number}: {trouble}")
        look(f"after step {number}")
        most = max(most, descriptors(path) - base)
    try:
        if not writing:
            reader.close()
        host.execute("COMMIT")
    except sqlite3.Error as error:
        wrong.append(f"{os.path.basename(path)}: the host could not commit: {error}")
    host.close()
    store.close()
    capi.Store(path, MASTER_KEY).close()
    return looks, losses, wrong, most, descriptors(path)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--steps", type=int, default=300)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scenes = [scene(folder, wal, writing, options.steps) for wal in (False, True) for writing in (True, False)]
    looks = sum(each[0] for each in scenes)
    losses = [loss for each in scenes for loss in each[1]]
    wrong = [trouble for each in scenes for trouble in each[2]]
    most, left = max(each[3] for each in scenes), max(each[4] for each in scenes)
    finish(f"4 scenes of {options.steps} steps: {looks} looks at the host's lock, it was gone at {len(losses)}; "
           f"{len(wrong)} wrong answers; at most {most} more descriptors, {left} left afterwards",
           losses, wrong, [f"{most} descriptors are many"] if most > MANY else [],
           [f"{left} descriptors were left open"] if left else [])


if __name__ == "__main__":
    main()
