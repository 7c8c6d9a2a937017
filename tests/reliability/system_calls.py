"""The proof that the kernel was asked before the caller was answered: what a creation asks it for, and in which order.

    KEYCASK_LIBRARY=… system_calls.py [--users N] [--wal]

A small program runs under strace. For each new user, before kc_encrypt returns: the journal is written and synced; only
then the file is written, and synced; only then the journal is removed, and its folder synced. In WAL mode the WAL is
synced after it was written. Cached calls ask the kernel for nothing but random bytes: seldom, or once for 32 messages where
the vDSO gives none, and once for each message after an opening with KC_OPEN_SNAPSHOTS.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile

from common import MASTER_KEY, capi, finish, make_store, mode, skip

CACHED_CALLS = 1000
BATCH = 32
KC_OPEN_SNAPSHOTS = 4
LINE = re.compile(r"\d+ +(\w+)\((.*)\) += (-?\d+|0x[0-9a-f]+|\?)")


def mark(text):
    """A call that changes nothing, and stands in the trace."""
    os.access(f"mark: {text}", os.F_OK)


def traced(path, users):
    """The small program."""
    library, text, size = capi.LIBRARY, capi.ctypes.create_string_buffer(100), capi.c_size_t()
    plaintext = capi.ctypes.create_string_buffer(100)

    def cached_calls(called):
        mark(f"{called} begins")
        for _ in range(CACHED_CALLS):
            library.kc_encrypt(store.value, user, len(user), b"secret", 6, None, text, 100, size, None)
            library.kc_decrypt(store.value, user, len(user), text, capi.KC_NUL_TERMINATED, None, plaintext, 100, size, None)
        mark(f"{called} ends")
        assert plaintext.value == b"secret"

    with capi.Store(path, MASTER_KEY) as store:
        for number in range(users):
            user = f"user {number}".encode()
            mark(f"creation {number} begins")
            status = library.kc_encrypt(store.value, user, len(user), b"secret", 6, None, text, 100, size, None)
            mark(f"creation {number} ends")
            assert status == 0, capi.STATUSES[status]
        for _ in range(2):  # The first time is for Python's own memory.
            cached_calls("plain")
        with capi.Store(path, MASTER_KEY, flags=KC_OPEN_SNAPSHOTS):
            cached_calls("with snapshots")


def sections(trace):
    """The calls between each pair of marks, by the mark's words; what came before the first is '' and before it."""
    found, name = {"": []}, ""
    for line in trace:
        if not (match := LINE.match(line)):
            continue
        call, arguments, result = match.groups()
        if call in ("access", "faccessat", "faccessat2") and (marked := re.search(r"mark: ([^\"]*)\"", arguments)):
            words, _, what = marked[1].rpartition(" ")
            name = words if what.startswith("begin") else ""
            if name:
                found[name] = []
        else:
            found[name].append((call, arguments, result))
    return found


def events(calls, path):
    """The calls that matter for durability, as (what was done, to what)."""
    names = {path: "file", path + "-journal": "journal", path + "-wal": "WAL", os.path.dirname(path): "folder"}
    done = []
    for call, arguments, result in calls:
        if result.startswith("-"):
            continue
        if call in ("unlink", "unlinkat"):
            subject, what = re.search(r'"([^"]*)"', arguments)[1], "removed"
        elif call in ("openat", "open", "creat") and "O_CREAT" in arguments:
            subject, what = re.search(r'"([^"]*)"', arguments)[1], "made"
        elif call in ("write", "pwrite64", "writev", "pwritev", "pwritev2", "ftruncate", "fsync", "fdatasync"):
            subject = re.match(r"\d+<([^>]*)>", arguments)[1]
            what = "synced" if call in ("fsync", "fdatasync") else "written"
        else:
            continue
        if subject in names:
            done.append((names[subject], what))
    return done


def in_order(done, *steps):
    """Whether the steps come one after the other. Each is the last of its kind, but for `first …`, and for a sync, of
    which the one that is needed is the next."""
    place = -1
    for subject, what in steps:
        places = [number for number, event in enumerate(done) if event == (subject.removeprefix("first "), what)]
        if what == "synced":
            places = [number for number in places if number > place][:1]
        if not places:
            return False
        reached = places[0] if subject.startswith("first ") else places[-1]
        if reached <= place:
            return False
        place = reached
    return True


ROLLBACK = [[("journal", "written"), ("journal", "synced"), ("first file", "written")],
            [("file", "written"), ("file", "synced"), ("journal", "removed"), ("folder", "synced")]]
WAL = [[("first WAL", "written"), ("WAL", "synced")]]


def in_words(done):
    words = []
    for subject, what in done:
        if words and words[-1][0] == (subject, what):
            words[-1][1] += 1
        else:
            words.append([(subject, what), 1])
    return ", ".join(f"{subject} {what}" + (f" {times} times" if times > 1 else "") for (subject, what), times in words)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--users", type=int, default=20)
    arguments.add_argument("--wal", action="store_true")
    arguments.add_argument("--traced", help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.traced:
        return traced(options.traced, options.users)
    if not shutil.which("strace"):
        skip("system_calls", "strace is not installed")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(os.path.realpath(folder), "keys.db")
        if options.wal:
            make_store(path, wal=True)
        trace = os.path.join(folder, "trace")
        subprocess.run(["strace", "-f", "-y", "-s", "200", "-o", trace, sys.executable, __file__, "--traced", path, "--users",
                        str(options.users)], check=True)
        with open(trace, encoding="utf-8", errors="replace") as file:
            found = sections(file)
    unsynced, orders = [], {}
    for number in range(options.users):
        done = events(found[f"creation {number}"], path)
        orders[in_words(done)] = orders.get(in_words(done), 0) + 1
        # SQLite syncs at the end of the sector that the commit is in; what it writes after that is the rest of a filler, of
        # its header and its page.
        tail = done[::-1].index(("WAL", "synced")) if options.wal and ("WAL", "synced") in done else 0
        tail = done[len(done) - tail:].count(("WAL", "written"))
        if tail > 2 or not all(in_order(done, *steps) for steps in (WAL if options.wal else ROLLBACK)):
            unsynced.append(f"user {number}: {in_words(done)}")
    made = events(found[""] + found["creation 0"], path)
    if options.wal and not in_order(made, ("WAL", "made"), ("folder", "synced")):
        unsynced.append(f"the folder is not synced after the WAL was made: {in_words(made)}")
    random, other = {}, []
    for called, most in ("plain", CACHED_CALLS // BATCH + 1), ("with snapshots", CACHED_CALLS):
        cached = [call for call, _, _ in found[called]]
        random[called] = cached.count("getrandom")
        other += [f"a cached call, {called}, makes {call}" for call in cached if call != "getrandom"]
        if random[called] > most or called != "plain" and random[called] < most:
            other.append(f"{CACHED_CALLS} messages, {called}: {random[called]} times getrandom")
    finish(f"{mode(options.wal)}: {options.users} users made, at {len(unsynced)} of them the kernel was not asked in time; "
           f"{CACHED_CALLS} messages encrypted and decrypted: {random['plain']} times getrandom, with KC_OPEN_SNAPSHOTS "
           f"{random['with snapshots']}; {len(other)} other system calls\n"
           f"  most often: {max(orders, key=orders.get)}", unsynced, other)


if __name__ == "__main__":
    main()
