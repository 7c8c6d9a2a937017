"""What happens to a store's file while it is open, and what keycask says of it.

    KEYCASK_LIBRARY=… replaced.py [--only WORD]

Each situation has the status that is documented for it, and when its cause has gone the same handle works again. What
another program changes must hold within about a second.
"""

import argparse
import json
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time

from common import MASTER_KEY, OTHER_MASTER_KEY, capi, finish, sql

import format

ABOUT_A_SECOND = 4  # On a busy machine; what was waited is printed.
NOBODY = 65534


class Situation:
    """A folder with a store in it, in which alice has a key, and a handle on it that has the key cached."""

    def __init__(self, name, folder, wal, report):
        self.name, self.folder, self.wal, self.report = f"{name}, {'WAL' if wal else 'rollback'}", folder, wal, report
        self.path = os.path.join(folder, "keys.db")
        self.store = None

    def open(self):
        self.store = capi.Store(self.path, MASTER_KEY, busy_timeout_ms=300)
        if self.wal:
            sql(self.path, "PRAGMA journal_mode = WAL")
        self.alice = self.store.encrypt("alice", b"alice")
        return self.store

    def backup(self, name="backup.db"):
        """A copy of the file as it is now."""
        copy = os.path.join(self.folder, name)
        sql(self.path, f"VACUUM INTO '{copy}'")
        return copy

    def status(self, work):
        try:
            work()
            return "KC_OK"
        except capi.KeycaskError as error:
            self.message = error.message
            return error.status

    def expect(self, what, work, *statuses):
        """That the work answers one of these statuses."""
        found = self.status(work)
        self.report.steps += 1
        if found not in statuses:
            self.report.wrong.append(f"{self.name}: {what}: {found}, not {' or '.join(statuses)}"
                                     + ("" if found == "KC_OK" else f" ({self.message})"))
        return found

    def becomes(self, what, work, *statuses):
        """That within about a second the work answers one of these statuses."""
        began, waited = time.monotonic(), 0
        while self.status(work) not in statuses and waited < 2 * ABOUT_A_SECOND:
            time.sleep(0.02)
            waited = time.monotonic() - began
        self.report.longest = max(self.report.longest, waited)
        if self.expect(what, work, *statuses) in statuses and waited > ABOUT_A_SECOND:
            self.report.wrong.append(f"{self.name}: {what}: only after {waited:.1f} s")

    def alice_opens(self):
        if self.store.decrypt("alice", self.alice) != b"alice":
            raise AssertionError("another plaintext")

    def make(self, user):
        """A new user, who must be in the file at that path when the call succeeds."""
        token = self.store.encrypt(user, user.encode())
        try:
            if format.decrypt(format.user_key(self.path, MASTER_KEY, user) or bytes(32), token) == user.encode():
                return
        except (format.FormatError, sqlite3.Error) as error:
            trouble = repr(error)
        else:
            trouble = "another plaintext"
        self.report.lost.append(f"{self.name}: {user} was acknowledged, and is not in the file at the path ({trouble})")

    def works(self):
        """That the cause has gone."""
        self.becomes("afterwards, an old user", self.alice_opens, "KC_OK")
        self.becomes("afterwards, a new user", lambda: self.make(f"new {time.monotonic_ns()}"), "KC_OK")


def move(old, new):
    """A store's file, with what SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm"):
        if os.path.exists(old + suffix):
            os.rename(old + suffix, new + suffix)


def replaced(it):
    """By a backup that somebody restored."""
    it.open()
    copy = it.backup()
    bob = it.store.encrypt("bob", b"bob")
    for suffix in ("-wal", "-shm"):
        if os.path.exists(it.path + suffix):
            os.unlink(it.path + suffix)
    os.rename(copy, it.path)
    it.expect("a new user at once", lambda: it.make("carol"), "KC_OK", "KC_E_IO", "KC_E_BUSY")
    it.becomes("a user whom the backup does not have", lambda: it.store.decrypt("bob", bob), "KC_E_UNKNOWN_USER")
    it.works()


def replaced_by_another_masters(it):
    it.open()
    key = it.store.user_key("alice")
    other = os.path.join(it.folder, "other.db")
    with capi.Store(other, OTHER_MASTER_KEY) as store:
        store.encrypt("alice", b"alice")
    aside = os.path.join(it.folder, "aside.db")
    move(it.path, aside)
    os.rename(other, it.path)
    it.becomes("an old user", it.alice_opens, "KC_E_MASTER_KEY_WRONG")
    it.becomes("a new user", lambda: it.make("carol"), "KC_E_MASTER_KEY_WRONG")
    it.becomes("a key handle", lambda: key.encrypt(b""), "KC_E_MASTER_KEY_WRONG")
    os.unlink(it.path)
    move(aside, it.path)
    it.works()
    it.becomes("afterwards, a key handle", lambda: key.encrypt(b""), "KC_OK")
    key.close()


def removed(it):
    it.open()
    copy = it.backup()
    os.unlink(it.path)
    it.expect("a new user", lambda: it.make("carol"), "KC_E_IO")
    it.expect("an old user", it.alice_opens, "KC_OK", "KC_E_IO")
    time.sleep(1.1)
    it.expect("a new user a second later", lambda: it.make("carol"), "KC_E_IO")
    os.rename(copy, it.path)
    it.works()


def moved(it):
    it.open()
    aside = os.path.join(it.folder, "aside.db")
    move(it.path, aside)
    it.expect("a new user", lambda: it.make("carol"), "KC_E_IO")
    it.expect("an old user", it.alice_opens, "KC_OK", "KC_E_IO")
    move(aside, it.path)
    it.works()


def truncated(it):
    it.open()
    for number in range(200):
        it.store.encrypt(f"user {number}", b"")
    copy = it.backup()
    with open(it.path, "r+b") as file:
        file.truncate(os.path.getsize(copy) // 2)
    it.expect("a new user", lambda: it.make("carol"), "KC_E_CORRUPT", "KC_E_IO")
    with capi.Store(copy, MASTER_KEY):
        pass
    os.rename(copy, it.path)
    for suffix in ("-wal", "-shm", "-journal"):
        if os.path.exists(it.path + suffix):
            os.unlink(it.path + suffix)
    it.works()


def emptied(it):
    it.open()
    copy = it.backup()
    os.truncate(it.path, 0)
    it.expect("a new user", lambda: it.make("carol"), "KC_OK", "KC_E_CORRUPT", "KC_E_IO")
    for suffix in ("-wal", "-shm", "-journal"):
        if os.path.exists(it.path + suffix):
            os.unlink(it.path + suffix)
    os.rename(copy, it.path)
    it.works()


def locked(it):
    """By another program, for longer than what was cached may serve."""
    it.open()
    bob = it.store.encrypt("bob", b"bob")
    with capi.Store(it.path, MASTER_KEY, busy_timeout_ms=300) as uncached:
        uncached.encrypt("alice", b"")
        host = sqlite3.connect(it.path, isolation_level=None)
        host.execute("BEGIN EXCLUSIVE")  # In WAL mode that keeps out writers alone.
        began = time.monotonic()
        it.expect("a new user", lambda: it.make("carol"), "KC_E_BUSY")
        if time.monotonic() - began > 20:
            it.report.wrong.append(f"{it.name}: 300 ms of waiting took {time.monotonic() - began:.1f} s")
        it.expect("a user who is not cached", lambda: uncached.decrypt("bob", bob), "KC_OK" if it.wal else "KC_E_BUSY")
        it.expect("a cached user", it.alice_opens, "KC_OK")
        time.sleep(max(0, began + 2 - time.monotonic()))
        it.expect("a cached user after two seconds", it.alice_opens, "KC_OK")
        time.sleep(max(0, began + 6 - time.monotonic()))
        it.expect("a cached user after six seconds", it.alice_opens, "KC_OK" if it.wal else "KC_E_BUSY")
        host.execute("ROLLBACK")
        host.close()
    it.works()


def row_changed(it):
    """Another program replaces a user's key, and removes it."""
    it.open()
    key = it.store.user_key("alice")
    new = os.urandom(32)
    with format.open_store(it.path) as connection:
        connection.execute("UPDATE encryption_keys SET encrypted_key = ? WHERE user_id = 'alice'",
                           (format.wrap(MASTER_KEY, new),))
    it.expect("a token of the new key, at once", lambda: it.store.decrypt("alice", format.encrypt(new, b"")), "KC_OK")
    it.becomes("a token of the old key", it.alice_opens, "KC_E_AUTHENTICATION")
    it.becomes("the key handle", lambda: key.decrypt(format.encrypt(new, b"")), "KC_OK")
    sql(it.path, "DELETE FROM encryption_keys")
    it.becomes("a user who is gone", lambda: it.store.decrypt("alice", format.encrypt(new, b"")), "KC_E_UNKNOWN_USER")
    it.becomes("the key handle of one who is gone", lambda: key.encrypt(b""), "KC_E_UNKNOWN_USER")
    key.close()
    it.expect("a new user", lambda: it.make("carol"), "KC_OK")


def other_names(it):
    """A relative name and another working directory, a link that is turned elsewhere, spaces and letters."""
    it.path = os.path.join(it.folder, "mit Leerzeichen, ключи, 鍵.db")
    it.open()
    link, elsewhere = os.path.join(it.folder, "link"), os.path.join(it.folder, "elsewhere.db")
    os.symlink(it.path, link)
    capi.Store(elsewhere, MASTER_KEY).close()
    before = os.getcwd()
    os.chdir(it.folder)
    relative = capi.Store(os.path.basename(it.path), MASTER_KEY)
    os.chdir("/")
    linked = capi.Store(link, MASTER_KEY)
    os.unlink(link)
    os.symlink(elsewhere, link)
    for name, store in (("relative", relative), ("linked", linked)):
        it.store, own = store, it.store
        it.expect(name, lambda: it.make(f"user {name}"), "KC_OK")  # noqa: B023
        it.store = own
        store.close()
    os.chdir(before)
    it.works()


def hot_journal(it):
    """Left by a program that died; met by one that may not write."""
    it.open().close()
    it.store = None
    subprocess.run([sys.executable, "-c", "import os, sqlite3, sys\n"
                    "c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
                    "c.execute('PRAGMA cache_size = 1')\n"
                    "c.execute('BEGIN')\n"
                    "c.execute(\"UPDATE encryption_keys SET encrypted_key = x'00'\")\n"
                    "c.execute('CREATE TABLE big AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT "
                    "100000) SELECT i FROM n')\n"
                    "os._exit(0)", it.path], check=True)

    def files():
        return [pathlib.Path(it.path + suffix).read_bytes() for suffix in ("", "-journal")]

    before = files()
    it.expect("a read-only opening", lambda: capi.Store(it.path, MASTER_KEY, flags=capi.KC_OPEN_READ_ONLY), "KC_E_READ_ONLY")
    if files() != before:
        it.report.wrong.append(f"{it.name}: a read-only opening wrote")
    it.store = capi.Store(it.path, MASTER_KEY)
    it.works()
    it.expect("a read-only opening", lambda: capi.Store(it.path, MASTER_KEY, flags=capi.KC_OPEN_READ_ONLY).close(), "KC_OK")


def read_only(it):
    """As somebody who may not write: the folder, then the file; with root out of the way."""
    os.chmod(it.folder, 0o777)
    asked, answered = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        if os.getuid() == 0:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        try:
            it.open()
            bob = it.store.encrypt("bob", b"bob")

            def parent(order):
                os.write(answered[1], order)
                os.read(asked[0], 1)

            def read_only_open():
                with capi.Store(it.path, MASTER_KEY, flags=capi.KC_OPEN_READ_ONLY) as store:
                    store.decrypt("bob", bob)
                    it.expect("a new user of a store opened read-only", lambda: store.encrypt("dave", b""), "KC_E_READ_ONLY")

            parent(b"f")
            it.expect("a new user in a read-only folder", lambda: it.make("carol"), "KC_E_READ_ONLY")
            it.expect("an old user in a read-only folder", it.alice_opens, "KC_OK")
            it.expect("a new store in a read-only folder",
                      lambda: capi.Store(os.path.join(it.folder, "another.db"), MASTER_KEY), "KC_E_IO", "KC_E_READ_ONLY")
            it.expect("a read-only opening in a read-only folder", read_only_open, "KC_OK")
            parent(b"w")
            it.works()
            it.store.close()
            parent(b"r")
            it.expect("a read-only file", lambda: capi.Store(it.path, MASTER_KEY), "KC_E_READ_ONLY")
            it.expect("a read-only file, opened read-only", read_only_open, "KC_OK")
            parent(b"w")
            it.store = capi.Store(it.path, MASTER_KEY)
            it.works()
            it.store.close()
        except BaseException as error:  # noqa: BLE001
            it.report.wrong.append(f"{it.name}: {error!r}")
        os.write(answered[1], b"." + json.dumps(vars(it.report)).encode())
        os._exit(0)
    os.close(answered[1])
    while (order := os.read(answered[0], 1)) in (b"f", b"w", b"r"):
        os.chmod(it.folder, 0o555 if order == b"f" else 0o777)
        for name in os.listdir(it.folder):
            os.chmod(os.path.join(it.folder, name), 0o444 if order == b"r" else 0o666)
        os.write(asked[1], b".")
    with os.fdopen(answered[0], "rb") as rest:
        vars(it.report).update(json.loads(rest.read()))
    os.waitpid(child, 0)


SITUATIONS = [(replaced, True), (replaced_by_another_masters, True), (removed, True), (moved, True), (truncated, False),
              (emptied, False), (locked, True), (row_changed, True), (other_names, True), (hot_journal, False),
              (read_only, False)]


class Report:
    def __init__(self):
        self.steps, self.longest, self.wrong, self.lost = 0, 0.0, [], []


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--only", default="", metavar="WORD")
    options = arguments.parse_args()
    report, count, failed = Report(), 0, 0
    for situation, also_wal in SITUATIONS:
        for wal in (False, True) if also_wal else (False,):
            if options.only not in situation.__name__:
                continue
            folder, troubles = tempfile.mkdtemp(), len(report.wrong) + len(report.lost)
            os.chmod(folder, 0o755)
            it = Situation(situation.__name__.replace("_", " "), folder, wal, report)
            try:
                situation(it)
                if it.store and os.path.exists(it.path):
                    it.store.close()
            except Exception as error:  # noqa: BLE001
                report.wrong.append(f"{it.name}: {error!r}")
            shutil.rmtree(folder)
            count += 1
            failed += len(report.wrong) + len(report.lost) > troubles
    finish(f"{count} situations, {failed} of them not as documented; {report.steps} answers, {len(report.wrong)} of them wrong; "
           f"{len(report.lost)} users acknowledged and not in the file; a change held after at most {report.longest:.1f} s",
           report.lost, report.wrong)


if __name__ == "__main__":
    main()
