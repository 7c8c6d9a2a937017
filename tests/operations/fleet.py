"""A rotation of the master key, rehearsed with a fleet: forward and back.

    KEYCASK_LIBRARY=… fleet.py [--wal] [--seconds N]

Services with every ring of the guide's steps run side by side: the old key alone; both, the old one in front; both, the new
one in front; the new one alone. All make users, read all that was ever made, and erase. Meanwhile the rollout goes forward
a step, back, and forward again; then the keys are moved while all still run; then only the new key is left. Nothing may be
lost, and every refusal must be the documented one.
"""

import argparse
import collections
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

OLD, NEW = master_key(1), master_key(2)
RINGS = {"old": (OLD,), "old first": (OLD, NEW), "new first": (NEW, OLD), "new": (NEW,)}

# What a service may be refused, by its ring. A ring without the new key cannot read what is under it, nor know who was
# erased once the marking key is under it; without the old one what is not moved yet. What is retiring creates nothing.
REFUSED = {
    "old": {"make": {"KC_E_MASTER_KEY_WRONG"}, "read": {"KC_E_MASTER_KEY_WRONG"}, "erase": {"KC_E_MASTER_KEY_WRONG"}},
    "old first": {"make": {"KC_E_MASTER_KEY_WRONG"}, "read": set(), "erase": set()},
    "new first": {"make": set(), "read": set(), "erase": set()},
    "new": {"make": {"KC_E_MASTER_KEY_WRONG"}, "read": {"KC_E_MASTER_KEY_WRONG", "KC_E_CORRUPT"},
            "erase": {"KC_E_MASTER_KEY_WRONG"}},
}


def service(path, ring, log):
    """Works until it is stopped. Appends what it has made and erased to the fleet's log, a line each."""
    counts = collections.Counter()
    running = True

    def stop(*_):
        nonlocal running
        running = False

    signal.signal(signal.SIGTERM, stop)
    while True:
        try:
            store = capi.Store(path, *RINGS[ring])
            break
        except capi.KeycaskError as error:
            counts[f"open {error.status}"] += 1
            assert error.status == "KC_E_MASTER_KEY_WRONG" and ring in ("new", "old"), f"{ring}: {error}"
            if not running:
                print(json.dumps(counts))
                return
            time.sleep(0.02)
    tokens, seen, own = [], 0, []
    while running:
        with open(log, encoding="utf-8") as file:
            file.seek(seen)
            for line in file.read().splitlines(keepends=True):
                if line.endswith("\n"):
                    seen += len(line.encode())
                    tokens.append(json.loads(line))
        what = random.choice(("make", "read", "read", "read", "erase"))
        user = f"{ring} {os.getpid()} {counts.total()}"
        try:
            if what == "make":
                token = store.encrypt(user, user.encode())
                own.append(user)
                os.write(1, b"")
                with open(log, "a", encoding="utf-8") as file:
                    file.write(json.dumps(["made", user, token]) + "\n")
            elif what == "read" and tokens:
                word, user, token = random.choice(tokens)
                if word == "made" and store.decrypt(user, token) != user.encode():
                    print(f"{ring}: {user} opens to something else")
            elif what == "erase" and len(own) > 10 and random.random() < 0.2:
                user = own.pop(random.randrange(len(own)))
                with open(log, "a", encoding="utf-8") as file:
                    file.write(json.dumps(["erasing", user, ""]) + "\n")
                store.erase_user(user)
                with open(log, "a", encoding="utf-8") as file:
                    file.write(json.dumps(["erased", user, ""]) + "\n")
            counts[f"{what}"] += 1
        except capi.KeycaskError as error:
            erased = what == "read" and error.status == "KC_E_USER_DESTROYED"
            if not erased and error.status not in REFUSED[ring][what]:
                print(f"{ring}, {what} {user}: {error}")
            counts[f"{what} {error.status}"] += 1
    store.close()
    print(json.dumps(counts))


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seconds", type=float, default=1.0, help="for each step")
    arguments.add_argument("--wal", action="store_true")
    arguments.add_argument("--part", nargs=3, help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.part:
        return service(*options.part)
    troubles, counts, fleet = [], collections.Counter(), {}
    with tempfile.TemporaryDirectory() as folder:
        path, log = os.path.join(folder, "keys.db"), os.path.join(folder, "log")
        pathlib.Path(log).touch()
        capi.Store(path, OLD).close()
        if options.wal:
            sql(path, "PRAGMA journal_mode = WAL")

        def rollout(*rings):
            """Makes the fleet one of these rings: who goes, goes first."""
            for ring in [ring for ring in fleet if ring not in rings]:
                process = fleet.pop(ring)
                process.terminate()
                out, err = process.communicate(timeout=60)
                *complaints, last = out.decode().splitlines() or ["{}"]
                troubles.extend(complaints)
                if err:
                    troubles.append(f"{ring}: {err.decode().strip().splitlines()[-1]}")
                else:
                    counts.update({f"{ring}: {what}": count for what, count in json.loads(last).items()})
            for ring in rings:
                if ring not in fleet:
                    fleet[ring] = subprocess.Popen([sys.executable, __file__, "--part", path, ring, log],
                                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            time.sleep(options.seconds)

        # Each step forward and back, with its neighbours side by side; then all at once.
        for rings in (("old",), ("old", "old first"), ("old",), ("old first",), ("old first", "new first"),
                      ("old first",), ("old first", "new first"), ("new first",), ("old first", "new first"),
                      tuple(RINGS)):
            rollout(*rings)
        moved = 0
        with capi.Store(path, *RINGS["new first"]) as store:
            while True:
                done, remaining, skipped = store.rewrap(20)
                moved += done
                if skipped:
                    troubles.append(f"{skipped} rows were skipped")
                if remaining == 0:
                    break
                time.sleep(0.005)
        time.sleep(options.seconds)
        for rings in (("new first", "new"), ("new first",), ("new",)):
            rollout(*rings)
        rollout()
        with open(log, encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        tokens = {user: token for word, user, token in lines if word == "made"}
        erased = {user for word, user, _ in lines if word == "erased"}
        unsure = {user for word, user, _ in lines if word == "erasing"} - erased
        with capi.Store(path, NEW) as store:
            for user, token in tokens.items():
                try:
                    if store.decrypt(user, token) != user.encode() or user in erased:
                        troubles.append(f"{user} opens")
                except capi.KeycaskError as error:
                    if not (user in erased | unsure and error.status == "KC_E_USER_DESTROYED"):
                        troubles.append(f"{user}: {error}")
            report = store.check()
            if report.damaged or report.unopened or report.damaged_others or report.findings:
                troubles.append("the store is damaged")
        whole = integrity(path)
    refusals = sum(count for what, count in counts.items() if "KC_E" in what and "DESTROYED" not in what)
    finish(f"{mode(options.wal)}: a fleet of 4 rings, 13 rollouts; {len(tokens)} users, {len(erased)} erased, {moved} keys "
           f"moved under way; {counts.total()} calls, {refusals} refused as documented, {len(troubles)} troubles; integrity "
           f"{whole}", troubles, [] if whole == "ok" else [whole])


if __name__ == "__main__":
    main()
