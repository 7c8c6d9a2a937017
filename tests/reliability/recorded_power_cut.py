"""The power cut while users are made, at every sync: what was asked of the kernel is recorded, and replayed in part.

    KEYCASK_LIBRARY=… recorded_power_cut.py [--users N] [--wal] [--seed N]

A small program makes a store and users in it under strace, which sees what SQLite and both VFSes really wrote. Then, just
before and just after every sync and every answer to the caller, images of the folder are made as a power cut may leave it:
of what was not synced by then, nothing, everything, each write missing or alone, writes torn at sectors, a file that has
grown without its data, any mixture; names made and removed likewise. From every image each user whose token had been handed
out by then must be readable, by keycask, which then makes another user in it, and by the Python implementation.
"""

import argparse
import hashlib
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

from common import MASTER_KEY, capi, finish, integrity, lost, make_store, mode, skip

import format

SECTOR = 512  # What a disk writes whole or not at all.
MIXTURES = 4  # Images at random, at each moment.
CALL = re.compile(r"\d+ +(\w+)\((.*)\) += (-?\d+)")
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None  # Images need no disk.


def traced(path, users):
    """The small program. It says each token in the trace before it marks it as handed out."""
    with capi.Store(path, MASTER_KEY) as store:
        for number in range(users):
            user = f"user {number}"
            os.access(f"answer: {user} {store.encrypt(user, user.encode())}", os.F_OK)


# The record ------------------------------------------------------------------------------------------------------------


def unhex(text):
    return bytes(int(digits, 16) for digits in text.split("\\x")[1:])


def record(path, trace, known):
    """What happened in the store's folder, where `known` files were before: ("write", name, offset, data), ("length", name,
    length), ("made", name), ("removed", name), ("sync", name), where the folder is "", and ("answer", user, token)."""
    folder, done = os.path.dirname(path), []

    def inside(hexed):
        name = unhex(hexed).decode(errors="replace")
        return "" if name == folder else os.path.basename(name) if os.path.dirname(name) == folder else None

    for line in trace:
        if not (match := CALL.match(line)) or (match[1] not in ("access", "faccessat") and match[3].startswith("-")):
            continue
        call, arguments = match[1], match[2]
        strings, file = re.findall(r'"([^"]*)"', arguments), re.match(r"\d+<([^>]*)>", arguments)
        name = inside(file[1] if file else strings[-1])
        if call in ("access", "faccessat"):
            text = unhex(strings[0]).decode(errors="replace")
            if text.startswith("answer: "):
                done.append(("answer", *text.removeprefix("answer: ").rsplit(" ", 1)))
        elif name is None or name.endswith("-shm"):
            continue
        elif call == "openat":
            if "O_CREAT" in arguments and name not in known:
                known.add(name)
                done.append(("made", name))
        elif call in ("unlink", "unlinkat"):
            known.discard(name)
            done.append(("removed", name))
        elif call == "pwrite64":
            done.append(("write", name, int(arguments.rsplit(", ", 1)[1]), unhex(strings[0])))
        elif call == "ftruncate":
            done.append(("length", name, int(arguments.rsplit(", ", 1)[1])))
        elif call in ("fsync", "fdatasync"):
            done.append(("sync", name))
        else:
            sys.exit(f"a write of a kind that is not understood: {line[:100]}")
    return done


# The disk --------------------------------------------------------------------------------------------------------------


class File:
    def __init__(self, content=b""):
        self.durable, self.pending = content, []


def changed(content, change):
    if change[0] == "length":
        return content[:change[1]].ljust(change[1], b"\0")
    _, offset, data = change
    content = content.ljust(offset, b"\0")
    return content[:offset] + data + content[offset + len(data):]


def torn(change, choose):
    """A write of which only some sectors have reached the disk."""
    if change[0] == "length" or choose is None:
        return [change]
    _, offset, data = change
    parts, at = [], 0
    while at < len(data):
        end = min(len(data), (offset + at) // SECTOR * SECTOR + SECTOR - offset)
        if choose():
            parts.append(("write", offset + at, data[at:end]))
        at = end
    return parts


def grown(change):
    """A write that has made its file longer, and whose data is not there."""
    return [change if change[0] == "length" else ("write", change[1], bytes(len(change[2])))]


class Disk:
    """A folder: what is durable, and what is not yet."""

    def __init__(self, folder):
        self.names = {}
        for name in os.listdir(folder):
            if not name.endswith("-shm"):
                with open(os.path.join(folder, name), "rb") as file:
                    self.names[name] = File(file.read())
        self.now, self.entries = dict(self.names), []

    def apply(self, event):
        kind, name = event[0], event[1]
        if kind == "made":
            self.now[name] = File()
            self.entries.append((name, self.now[name]))
        elif kind == "removed":
            del self.now[name]
            self.entries.append((name, None))
        elif kind == "sync" and name == "":
            self.names, self.entries = dict(self.now), []
        elif kind == "sync":
            file = self.now[name]
            for change in file.pending:
                file.durable = changed(file.durable, change)
            file.pending = []
        elif kind in ("write", "length"):
            self.now[name].pending.append((kind, *event[2:]))

    def image(self, takes_entry, what_is_left):
        """The content by name: `takes_entry` says of a name's change whether it is durable, `what_is_left` what of a write
        has reached the disk."""
        names, stuck = dict(self.names), set()
        for name, file in self.entries:
            if name in stuck or not takes_entry():
                stuck.add(name)  # Changes of one name keep their order.
            elif file is None:
                names.pop(name, None)
            else:
                names[name] = file
        content = {}
        for name, file in names.items():
            content[name] = file.durable
            for change in file.pending:
                for part in what_is_left(change):
                    content[name] = changed(content[name], part)
        return content

    def images(self, chance):
        def yes():
            return True

        def no():
            return False

        def maybe():
            return chance.random() < 0.5

        def all_of(change):
            return [change]

        def none_of(_):
            return []

        for entries in (yes, no):
            yield self.image(entries, all_of)
            yield self.image(entries, none_of)
            yield self.image(entries, grown)
        for change in [change for file in self.now.values() for change in file.pending]:
            yield self.image(yes, lambda other, change=change: [] if other is change else [other])
            yield self.image(yes, lambda other, change=change: [other] if other is change else [])
            yield self.image(yes, lambda other, change=change: torn(other, maybe if other is change else None))
        for _ in range(MIXTURES):
            yield self.image(maybe, lambda change: chance.choice((all_of, none_of, grown, torn_at_random(maybe)))(change))


def torn_at_random(maybe):
    return lambda change: torn(change, maybe)


# The proof -------------------------------------------------------------------------------------------------------------


def put(content, folder):
    os.mkdir(folder)
    for name, data in content.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(data)


def troubles_of(content, tokens, scratch):
    """What is wrong with an image."""
    troubles = []
    for side in ("keycask", "python"):
        folder = os.path.join(scratch, side)
        path = os.path.join(folder, "keys.db")
        put(content, folder)
        try:
            if side == "python" and tokens:
                for user, token in tokens.items():
                    if format.decrypt(format.user_key(path, MASTER_KEY, user) or bytes(32), token) != user.encode():
                        troubles.append(f"to Python the token of {user} opens to something else")
            elif side == "keycask":
                troubles += lost(path, tokens).values()
                with capi.Store(path, MASTER_KEY) as store:
                    store.decrypt("later", store.encrypt("later", b"secret"))
                if (state := integrity(path)) != "ok":
                    troubles.append(state)
        except Exception as error:  # noqa: BLE001
            troubles.append(f"to {side}: {error!r}")
        shutil.rmtree(folder)
    return troubles


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--users", type=int, default=20)
    arguments.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    arguments.add_argument("--wal", action="store_true")
    arguments.add_argument("--traced", help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.traced:
        return traced(options.traced, options.users)
    if not shutil.which("strace"):
        skip("recorded_power_cut", "strace is not installed")
    chance, syncs, seen, wrong, tokens = random.Random(options.seed), 0, set(), [], {}
    with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryDirectory(dir=MEMORY) as memory:
        folder = os.path.join(os.path.realpath(scratch), "store")
        path, trace = os.path.join(folder, "keys.db"), os.path.join(scratch, "trace")
        os.mkdir(folder)
        if options.wal:
            make_store(path, wal=True)
        disk = Disk(folder)
        subprocess.run(["strace", "-f", "-y", "-xx", "-s", "70000", "-o", trace, "-e", "trace=openat,pwrite64,pwritev,write,"
                        "ftruncate,fallocate,fsync,fdatasync,unlink,unlinkat,rename,renameat2,access,faccessat",
                        sys.executable, __file__, "--traced", path, "--users", str(options.users)], check=True)
        with open(trace, encoding="ascii", errors="replace") as file:
            events = record(path, file, set(disk.names))
        for event in events:
            moments = 1
            if event[0] == "answer":
                tokens[event[1]] = event[2]
            elif event[0] == "sync":
                syncs, moments = syncs + 1, 2
            else:
                disk.apply(event)
                continue
            for moment in range(moments):
                if moment == 1:
                    disk.apply(event)
                for content in disk.images(chance):
                    identity = hashlib.sha256(repr((len(tokens), sorted(content.items()))).encode()).digest()
                    if identity not in seen:
                        seen.add(identity)
                        wrong += [f"{event[0]} {event[1]}, {len(tokens)} tokens: {trouble}"
                                  for trouble in troubles_of(content, tokens, memory)]
    finish(f"{mode(options.wal)}: {len(tokens)} users made, {syncs} syncs recorded; {len(seen)} images of a cut power, each "
           f"opened by keycask and by Python, {len(wrong)} troubles (seed {options.seed})", wrong)


if __name__ == "__main__":
    main()
