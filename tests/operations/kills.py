"""SIGKILL in the middle of operations, beside services that work on.

    KEYCASK_LIBRARY=… kills.py [--kills N] [--wal]

Again and again a process rewraps, erases, restores, rotates, forgets and backs up, and is killed at a random moment, while
two services make users and read. Afterwards an operator finishes: the rewrapping ends, each erasure that was begun is
repeated. Then every token of a user who was not erased opens, every other does not, and the old master key opens nothing:
not even when every place of the file is tried.
"""

import argparse
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

from common import capi, finish, integrity, master_key, mode, sql

import format

USERS = 400  # Made before the first kill.
PASSES = 3  # Master keys that the store is moved through.


def operator(path, number, folder):
    """Says what it begins and what it has ended, a line each."""
    def say(*words):
        os.write(1, (json.dumps(words) + "\n").encode())

    with capi.Store(path, master_key(number), master_key(number - 1)) as store:
        pick = random.Random()
        users = [user for user, _ in store.users()]
        while True:
            what, user = pick.choice(("rewrap", "rewrap", "erase", "rotate", "backup")), pick.choice(users)
            if what == "erase":
                user = pick.choice([user for user in users if user.startswith("mortal")])
            say("begun", what, user)
            if what == "rewrap":
                store.rewrap(50)
            elif what == "erase":
                store.erase_user(user)
                users.remove(user)
            elif what == "rotate":
                store.rotate_user(user)
            elif what == "backup":
                copy = os.path.join(folder, f"copy {time.monotonic_ns()}")
                store.backup(copy)
                with capi.Store(copy, master_key(number), master_key(number - 1), flags=capi.KC_OPEN_READ_ONLY) as copied:
                    assert copied.check().findings == 0
                os.remove(copy)
            say("ended", what, user)


def service(path, number, name):
    """Makes users and reads them, until it is told to stop. Each line is a user and their token."""
    with capi.Store(path, master_key(number), master_key(number - 1)) as store:
        tokens = {}
        while True:
            user = f"{name} {len(tokens)}"
            tokens[user] = store.encrypt(user, user.encode())
            os.write(1, (json.dumps([user, tokens[user]]) + "\n").encode())
            old = random.choice(list(tokens))
            assert store.decrypt(old, tokens[old]) == old.encode()
            time.sleep(0.01)


def started(*arguments):
    return subprocess.Popen([sys.executable, __file__, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def ended(process):
    """What a process that was killed has said, and whether it complained."""
    process.send_signal(signal.SIGKILL)
    out, err = process.communicate()
    lines = [json.loads(line) for line in out.decode().split("\n")[:-1]]
    return lines, err.decode().strip().rpartition("\n")[2]


def carved(path, key):
    """How many places of the file the master key opens, as a wrapped key."""
    data = pathlib.Path(path).read_bytes()
    found = 0
    for at in range(len(data) - 60):
        try:
            format.unwrap(key, data[at:at + 60])
            found += 1
        except format.FormatError:
            pass
    return found


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--kills", type=int, default=60)
    arguments.add_argument("--wal", action="store_true")
    arguments.add_argument("--part", nargs="+", help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.part:
        part, path, number, name = options.part
        return {"operator": operator, "service": service}[part](path, int(number), name)
    troubles, tokens, erased, begun = [], {}, set(), {}
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "keys.db")
        with capi.Store(path, master_key(0)) as store:
            for number in range(USERS):
                user = f"{'mortal' if number % 2 else 'immortal'} {number}"
                tokens[user] = store.encrypt(user, user.encode())
            pool = store.pool_key().encrypt(b"of the pool")
        if options.wal:
            sql(path, "PRAGMA journal_mode = WAL")
        for number in range(1, PASSES + 1):
            services = [started("--part", "service", path, number, f"service {number} {each}") for each in range(2)]
            for _ in range(options.kills // PASSES):
                process = started("--part", "operator", path, number, folder)
                first = process.stdout.readline()
                time.sleep(random.uniform(0, 0.03))
                said, complaint = ended(process)
                if complaint:
                    troubles.append(f"the operator: {complaint}")
                for words in ([json.loads(first)] if first else []) + said:
                    if words[1] == "erase":
                        begun[words[2]] = words[0]
                    if words[:2] == ["ended", "erase"]:
                        erased.add(words[2])
            for each in services:
                said, complaint = ended(each)
                tokens.update(said)
                if complaint:
                    troubles.append(f"a service: {complaint}")
            with capi.Store(path, master_key(number), master_key(number - 1)) as store:
                for user, state in begun.items():
                    if state == "begun":
                        store.erase_user(user)
                        erased.add(user)
                begun.clear()
                while store.rewrap(1000)[1]:
                    pass
                report = store.check()
                if report.findings or report.damaged or report.unopened or report.damaged_others:
                    troubles.append(f"damaged: {report.finding.decode()} {report.damaged} {report.damaged_others}")
                if list(report.states[:2]) != [capi.KC_MASTER_KEY_ACTIVE, capi.KC_MASTER_KEY_RETIRED]:
                    troubles.append("the old master key is not retired")
            with capi.Store(path, master_key(number)) as store:
                for user, token in tokens.items():
                    try:
                        if store.decrypt(user, token) != user.encode() or user in erased:
                            troubles.append(f"{user} opens")
                    except capi.KeycaskError as error:
                        if user not in erased or error.status != "KC_E_USER_DESTROYED":
                            troubles.append(f"{user}: {error}")
                if store.pool_key().decrypt(pool) != b"of the pool":
                    troubles.append("the pool's value opens to something else")
            if number == PASSES and (places := carved(path, master_key(number - 1))):
                troubles.append(f"the old master key opens {places} places of the file")
            if left := [name for name in os.listdir(folder) if name.startswith("copy")]:
                for name in left:
                    os.remove(os.path.join(folder, name))
        whole = integrity(path)
    finish(f"{mode(options.wal)}: {options.kills} kills of an operator through {PASSES} rotations; {len(tokens)} users, "
           f"{len(erased)} of them erased; {len(troubles)} troubles; integrity {whole}; the old master key opens nothing",
           troubles, [] if whole == "ok" else [whole])


if __name__ == "__main__":
    main()
