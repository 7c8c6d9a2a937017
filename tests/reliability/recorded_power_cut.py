"""The power cut while users are made, at every sync: what was asked of the kernel is recorded, and replayed in part.

    KEYCASK_LIBRARY=… recorded_power_cut.py [--users N] [--wal] [--images N] [--seed N]

A small program makes a store and users in it under strace, which sees what SQLite and both VFSes really wrote. Halfway it
closes the store, which in WAL mode ends the WAL, and opens it again. Then, just before and just after every sync, at every
answer to the caller, before a file is removed, and at the end, images of the folder are made as a power cut may leave it: of
what was not synced by then, nothing, everything, each write missing or alone, writes torn at sectors and within one, zeroes
or garbage in place of the data, and N mixtures; names made and removed likewise. From every image each user whose token had
been handed out by then must be readable, by keycask, which then makes another user in it, and by the Python implementation,
to which every key in it must be whole.
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

SECTOR = 512  # What a disk writes in one piece; when the power goes, the last one may be cut too.
CALL = re.compile(r"\d+ +(\w+)\((.*)\) += (-?\d+)")
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None  # Images need no disk.


def traced(path, users):
    """The small program. It says in the trace that a token was handed out, and which."""
    for numbers in range(users // 2), range(users // 2, users):
        with capi.Store(path, MASTER_KEY) as store:
            for number in numbers:
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
        if "<unfinished ...>" in line or " resumed>" in line:
            sys.exit(f"calls of several threads at once have no order: {line[:100]}")
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
            data = unhex(strings[0])
            if len(data) != int(match[3]):
                sys.exit(f"a write that is not there as a whole: {line[:100]}")
            done.append(("write", name, int(arguments.rsplit(", ", 1)[1]), data))
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


def whole(change):
    return [change]


def nothing(_):
    return []


def torn(change, chance):
    """A write of which some sectors have reached the disk, and of one of these perhaps a part."""
    if change[0] == "length":
        return [change]
    _, offset, data = change
    edges = [0, *range(SECTOR - offset % SECTOR, len(data), SECTOR), len(data)]
    parts = [("write", offset + start, data[start:end]) for start, end in zip(edges, edges[1:]) if chance.random() < 0.5]
    if parts and chance.random() < 0.5:
        _, at, sector = parts.pop(chance.randrange(len(parts)))
        parts.append(("write", at, sector[:chance.randrange(len(sector))]))
    return parts


def zeroes(change):
    """A write whose place is there, and whose data is not: so a file that has grown is found."""
    return [change if change[0] == "length" else ("write", change[1], bytes(len(change[2])))]


def garbage(change, chance):
    return [change if change[0] == "length" else ("write", change[1], chance.randbytes(len(change[2])))]


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

    def images(self, chance, mixtures):
        def yes():
            return True

        def no():
            return False

        def maybe():
            return chance.random() < 0.5

        def tears(change):
            return torn(change, chance)

        def spoils(change):
            return garbage(change, chance)

        for entries in (yes, no):
            for fate in (whole, nothing, zeroes, spoils):
                yield self.image(entries, fate)
        for change in [change for file in self.now.values() for change in file.pending]:
            for fate, of_others in (nothing, whole), (whole, nothing), (tears, nothing), (tears, whole):
                yield self.image(yes, lambda other, change=change, fate=fate, of_others=of_others:
                                 (fate if other is change else of_others)(other))
        for _ in range(mixtures):
            yield self.image(maybe, lambda change: chance.choice((whole, nothing, zeroes, spoils, tears))(change))


# The proof -------------------------------------------------------------------------------------------------------------


def by_keycask(path, tokens):
    troubles = list(lost(path, tokens).values())
    with capi.Store(path, MASTER_KEY) as store:
        if store.decrypt("later", store.encrypt("later", b"secret")) != b"secret":
            troubles.append("the token of a later user opens to something else")
    return troubles


def by_python(path, tokens):
    troubles = []
    for user, token in tokens.items():
        if format.decrypt(format.user_key(path, MASTER_KEY, user) or bytes(32), token) != user.encode():
            troubles.append(f"the token of {user} opens to something else")
    with format.open_store(path) as connection:
        for wrapped, in connection.execute("SELECT encrypted_key FROM encryption_keys"):
            format.unwrap(MASTER_KEY, wrapped)
    return troubles


def troubles_of(content, tokens, scratch):
    """What is wrong with an image, of which each side opens a copy."""
    troubles = []
    for look in (by_keycask, by_python):
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            path = os.path.join(folder, "keys.db")
            for name, data in content.items():
                with open(os.path.join(folder, name), "wb") as file:
                    file.write(data)
            try:
                found = look(path, tokens)
                if (state := integrity(path)) != "ok":
                    found.append(state)
            except Exception as error:  # noqa: BLE001
                found = [repr(error)]
        troubles += [f"{look.__name__}: {trouble}" for trouble in found]
    return troubles


def moments(events, disk, tokens):
    """Applies the events one by one, and says each moment at which the power is cut, with the disk and the tokens as they
    are then."""
    for event in events:
        if event[0] in ("sync", "removed"):
            yield f"before {event[1] or 'the folder'} is {'synced' if event[0] == 'sync' else 'removed'}"
        if event[0] == "answer":
            tokens[event[1]] = event[2]
        else:
            disk.apply(event)
        if event[0] in ("sync", "answer"):
            yield f"after {event[0]} {event[1] or 'of the folder'}"
    yield "at the end"


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--users", type=int, default=20)
    arguments.add_argument("--images", type=int, default=4, help="mixtures at each moment")
    arguments.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    arguments.add_argument("--wal", action="store_true")
    arguments.add_argument("--traced", help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.traced:
        return traced(options.traced, options.users)
    if not shutil.which("strace"):
        skip("recorded_power_cut", "strace is not installed")
    chance, seen, wrong, tokens = random.Random(options.seed), {}, [], {}
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
        for moment in moments(events, disk, tokens):
            for content in disk.images(chance, options.images):
                # With more tokens an image that was seen before has more to prove.
                identity = hashlib.sha256(repr(sorted(content.items())).encode()).digest()
                if seen.get(identity, -1) < len(tokens):
                    seen[identity] = len(tokens)
                    wrong += [f"{moment}, {len(tokens)} tokens: {trouble}" for trouble in troubles_of(content, tokens, memory)]
    syncs = sum(event[0] == "sync" for event in events)
    finish(f"{mode(options.wal)}: {len(tokens)} users made, {syncs} syncs recorded; {len(seen)} images of a cut power, each "
           f"opened by keycask and by Python, {len(wrong)} troubles (seed {options.seed})", wrong)


if __name__ == "__main__":
    main()
