"""keycask (capi.py) and the second implementation of its format (format.py) at the same values and stores.

    pip install -r tests/interop/requirements.txt
    KEYCASK_LIBRARY=$PWD/target/release/libkeycask.so python3 -m unittest discover tests/interop
"""

import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import capi  # noqa: E402
import cases  # noqa: E402
import format  # noqa: E402

MASTER_KEY, OTHER_MASTER_KEY = cases.MASTER_KEY, cases.OTHER_MASTER_KEY


def answer(function, *arguments):
    """What a call answers, in the shape of the vectors."""
    try:
        return {"ok_hex": function(*arguments).hex()}
    except capi.KeycaskError as error:
        return {"status": error.status}


def snapshot(folder):
    """Every file below the folder, with its mode and the hash of its content."""
    return {str(path.relative_to(folder)): (oct(path.stat().st_mode), hashlib.sha256(path.read_bytes()).hexdigest())
            for path in sorted(folder.rglob("*")) if path.is_file()}


def query(path, statement, *arguments):
    """Runs one statement by Python's sqlite3 and commits it."""
    with contextlib.closing(sqlite3.connect(path, timeout=30)) as connection, connection:
        return connection.execute(statement, arguments).fetchall()


class InteropTest(unittest.TestCase):
    """A folder for stores, and the promise that no handle is left open behind a test."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.path = str(self.folder / "keys.db")

    def tearDown(self):
        self.assertEqual(capi.handle_count(), 0, "a handle was left open")

    def copy(self, name):
        return shutil.copy(cases.VECTORS / name, self.folder)

    def assertRefused(self, status, function, *arguments, **options):
        with self.assertRaises(capi.KeycaskError) as caught:
            function(*arguments, **options)
        self.assertEqual(caught.exception.status, status, caught.exception)
        self.assertGreater(len(caught.exception.message), 10)


class TheWrapper(InteropTest):
    def test_keeps_all_64_bits_of_a_handle(self):
        with capi.Store(":memory:", MASTER_KEY) as store, store.user_key("user") as key:
            for handle in (store, key):
                self.assertEqual(handle.value >> 62, 0b10)
            self.assertNotEqual(store.value, key.value)
            self.assertEqual(capi.handle_count(), 2)
            self.assertEqual(key.decrypt(store.encrypt("user", b"secret")), b"secret")

    def test_reports_a_stale_handle(self):
        store = capi.Store(":memory:", MASTER_KEY)
        stale = store.value
        store.close()
        store.value = stale
        self.assertRefused("KC_E_HANDLE", store.encrypt, "user", b"secret")
        self.assertRefused("KC_E_HANDLE", store.close)

    def test_lays_structs_out_as_the_header_does(self):
        self.assertEqual([capi.ctypes.sizeof(struct) for struct in (capi.kc_error, capi.kc_options, capi.kc_call)],
                         [512, 16, 24])


class KeycaskAndTheVectors(InteropTest):
    def test_opens_every_token_that_the_module_wrote(self):
        for raw, plaintext, token in cases.tokens():
            with self.subTest(token=token[:40]), capi.Key.from_bytes(raw) as key:
                self.assertEqual(key.decrypt(token), plaintext)
                self.assertEqual(key.decrypt(token, capi.KC_STRICT), plaintext)

    def test_reads_tokens_as_the_vectors_say(self):
        for name, raw, token, expected in cases.decode():
            with self.subTest(name), capi.Key.from_bytes(raw) as key:
                self.assertEqual(answer(key.decrypt, token), expected)

    def test_reads_tokens_strictly_as_the_vectors_say(self):
        for name, raw, token, expected in cases.decode_strictly():
            with self.subTest(name), capi.Key.from_bytes(raw) as key:
                self.assertEqual(answer(key.decrypt, token, capi.KC_STRICT), expected)

    def test_reads_the_environment_as_the_vectors_say(self):
        def opened_by_environment(value):
            with environment(API_KEY_MASTER_KEY=value, API_KEY_MASTER_KEY_FILE=None):
                with capi.Store(":memory:"):
                    return capi.decode_master_key(value)

        for name, value, expected in cases.master_key_texts():
            with self.subTest(name):
                self.assertEqual(answer(opened_by_environment, value), expected)

    def test_reads_a_master_key_file_as_the_vectors_say(self):
        path = self.folder / "master.key"

        def opened_by_file(value):
            path.write_bytes(value.encode())
            with environment(API_KEY_MASTER_KEY="\n", API_KEY_MASTER_KEY_FILE=str(path)):
                with capi.Store(":memory:"):
                    return capi.decode_master_key(value)

        for name, value, expected in cases.master_key_texts():
            if value is not None:
                if expected == {"status": "KC_E_MASTER_KEY_MISSING"}:
                    expected = {"status": "KC_E_MASTER_KEY_INVALID"}  # a blank file is no missing key
                with self.subTest(name):
                    self.assertEqual(answer(opened_by_file, value), expected)

    def test_hashes_and_tells_tokens_from_plaintext_as_the_vectors_say(self):
        for case in cases.GIVEN["hashes"]:
            self.assertEqual(capi.lookup_hash(case["api_key"].encode()), case["hex"])
        for value, expected in cases.is_encrypted():
            self.assertEqual(capi.is_encrypted(value), expected, value)

    def test_derives_the_pool_key_as_the_vectors_say(self):
        for case in cases.GIVEN["pool"]:
            with capi.Store(":memory:", bytes.fromhex(case["master_key"])) as store, store.pool_key() as pool:
                self.assertEqual(pool.export().hex(), case["pool_key"])


class KeycaskAndTheModulesStore(InteropTest):
    def test_reading_leaves_the_file_byte_for_byte_as_it_was(self):
        path, reference = self.copy("reference.db"), cases.GIVEN["reference_db"]
        before = snapshot(self.folder)
        for flags in (0, capi.KC_OPEN_READ_ONLY):
            with capi.Store(path, MASTER_KEY, flags=flags) as store:
                for user in reference["users"]:
                    plaintext = user["plaintext"].encode()
                    self.assertEqual(store.decrypt(user["user_id"], user["token"]), plaintext)
                    token = store.encrypt(user["user_id"], plaintext)
                    self.assertEqual(format.decrypt(bytes.fromhex(user["key"]), token), plaintext)
                    with store.user_key(user["user_id"], capi.KC_EXISTING) as key:
                        self.assertEqual(key.export().hex(), user["key"])
                self.assertRefused("KC_E_UNKNOWN_USER", store.decrypt, "nobody", reference["users"][0]["token"])
                self.assertRefused("KC_E_UNKNOWN_USER", store.encrypt, "nobody", b"", capi.KC_EXISTING)
                self.assertRefused("KC_E_UNKNOWN_USER", store.user_key, "nobody", capi.KC_EXISTING)
            self.assertEqual(snapshot(self.folder), before)

    def test_a_wrong_master_key_is_refused_at_opening_and_nothing_is_written(self):
        path = self.copy("reference.db")
        before = snapshot(self.folder)
        self.assertRefused("KC_E_MASTER_KEY_WRONG", capi.Store, path, OTHER_MASTER_KEY)
        self.assertEqual(snapshot(self.folder), before)

    def test_a_damaged_row_is_told_and_concerns_its_user_alone(self):
        damaged = cases.GIVEN["damaged_db"]
        with capi.Store(self.copy(damaged["file"]), MASTER_KEY) as store:
            for user in cases.DAMAGED_USERS:
                self.assertRefused("KC_E_CORRUPT", store.user_key, user)
                self.assertRefused("KC_E_CORRUPT", store.encrypt, user, b"secret")
            with store.user_key(damaged["good_user"]) as key:
                self.assertEqual(key.export().hex(), damaged["good_key"])
            for user in ("swapped-a", "swapped-b"):
                self.assertEqual(store.decrypt(user, store.encrypt(user, b"secret")), b"secret")

    def test_rows_that_only_the_module_would_write_disturb_nobody(self):
        path = self.copy("reference.db")
        for user in ("", None, None, "x" * 100_000):
            query(path, "INSERT INTO encryption_keys VALUES (?, ?, ?)", user,
                  format.wrap(MASTER_KEY, bytes(32)), "2026-11-24T03:58:02+00:00")
        with capi.Store(path, MASTER_KEY) as store:
            user = cases.GIVEN["reference_db"]["users"][0]
            self.assertEqual(store.decrypt(user["user_id"], user["token"]), user["plaintext"].encode())
            self.assertEqual(store.decrypt("new user", store.encrypt("new user", b"secret")), b"secret")

    def test_writing_adds_rows_and_tables_and_alters_none(self):
        path = self.copy("reference.db")
        schema = query(path, "SELECT sql FROM sqlite_master WHERE name = 'encryption_keys'")
        with capi.Store(path, MASTER_KEY) as store:
            token = store.encrypt("new user", b"secret")
        self.assertEqual(query(path, "SELECT sql FROM sqlite_master WHERE name = 'encryption_keys'"), schema)
        rows = query(path, "SELECT user_id, hex(encrypted_key), created_at FROM encryption_keys ORDER BY rowid")
        expected = [(row["user_id"], row["encrypted_key"].upper(), row["created_at"])
                    for row in cases.GIVEN["reference_db"]["rows"]]
        self.assertEqual(rows[:-1], expected)
        self.assertRegex(rows[-1][2], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00$")
        key = format.user_key(path, MASTER_KEY, "new user")
        self.assertEqual(format.decrypt(key, token, strict=True), b"secret")

    def test_tables_of_other_programs_are_as_they_were_after_every_operation(self):
        path = self.copy("reference.db")
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            connection.executescript("""
                CREATE VIRTUAL TABLE texts USING fts5(body);
                INSERT INTO texts VALUES ('a needle in a haystack'), ('straw');
                CREATE VIRTUAL TABLE places USING rtree(id, west, east);
                INSERT INTO places VALUES (1, 2, 3), (4, 5, 6);
                CREATE TABLE documents (body TEXT CHECK (json_valid(body)), name AS (json_extract(body, '$.name')) STORED);
                CREATE INDEX by_sound ON documents (soundex(name), date(body ->> 'made'));
                INSERT INTO documents VALUES ('{"name": "Robert", "made": "2026-01-02"}'), ('{"name": "Tymczak", "made": "2026-01-03"}');
                ANALYZE;
            """)

        def content(file):
            return [query(file, statement) for statement in (
                "SELECT body FROM texts WHERE texts MATCH 'needle'",
                "SELECT id FROM places WHERE west > 4",
                "SELECT name FROM documents INDEXED BY by_sound WHERE soundex(name) = 'R163'",
                "SELECT * FROM sqlite_stat1 ORDER BY 1, 2",
                "PRAGMA integrity_check",
            )]

        before = content(path)
        self.assertEqual(before[:3] + before[4:], [[("a needle in a haystack",)], [(4,)], [("Robert",)], [("ok",)]])
        with capi.Store(path, MASTER_KEY) as store:
            token = store.encrypt("mallory", b"secret")
            store.rotate_user("mallory")
            store.forget_versions("mallory")
            self.assertEqual(store.check().findings, 0)
            store.erase_user("mallory")
            self.assertRefused("KC_E_USER_DESTROYED", store.decrypt, "mallory", token)
            store.backup(self.folder / "backup.db")
        with capi.Store(path, OTHER_MASTER_KEY, MASTER_KEY) as store:
            while store.rewrap(1)[1]:
                pass
        self.assertEqual(content(path), before)
        self.assertEqual(content(self.folder / "backup.db"), before)

    def test_keeps_the_journal_mode_that_it_finds(self):
        path = self.copy("reference.db")
        query(path, "PRAGMA journal_mode = WAL")
        with capi.Store(path, MASTER_KEY) as store:
            token = store.encrypt("new user", b"secret")
        self.assertEqual(query(path, "PRAGMA journal_mode"), [("wal",)])
        self.assertEqual(format.decrypt(format.user_key(path, MASTER_KEY, "new user"), token), b"secret")


class TwoHundredUsersEachWay(InteropTest):
    def test_keycask_reads_what_python_writes(self):
        written = []
        for user, secret in cases.users_and_secrets(200):
            key = format.get_or_create_user_key(self.path, MASTER_KEY, user)
            written.append((user, secret, key, format.encrypt(key, secret)))
        before = snapshot(self.folder)
        with capi.Store(self.path, MASTER_KEY) as store:
            for user, secret, key, token in written:
                self.assertEqual(store.decrypt(user, token, capi.KC_STRICT), secret)
                with store.user_key(user, capi.KC_EXISTING) as handle:
                    self.assertEqual(handle.export(), key)
                    self.assertEqual(handle.decrypt(token), secret)
        self.assertEqual(snapshot(self.folder), before)

    def test_python_reads_what_keycask_writes(self):
        with capi.Store(self.path, MASTER_KEY) as store:
            written = [(user, secret, store.encrypt(user, secret)) for user, secret in cases.users_and_secrets(200)]
        keys = set()
        for user, secret, token in written:
            key = format.user_key(self.path, MASTER_KEY, user)
            keys.add(key)
            self.assertEqual(format.decrypt(key, token, strict=True), secret)
            self.assertEqual(format.get_or_create_user_key(self.path, MASTER_KEY, user), key)
        self.assertEqual(len(keys), 200)
        self.assertEqual(query(self.path, "SELECT count(*) FROM encryption_keys"), [(200,)])

    def test_an_open_store_sees_the_users_that_python_adds(self):
        with capi.Store(self.path, MASTER_KEY) as store:
            store.encrypt("first", b"")
            for user, secret in cases.users_and_secrets(60):
                unknown = format.encrypt(bytes(32), b"")
                self.assertRefused("KC_E_UNKNOWN_USER", store.decrypt, user, unknown)
                key = format.get_or_create_user_key(self.path, MASTER_KEY, user)
                self.assertEqual(store.decrypt(user, format.encrypt(key, secret)), secret)
                self.assertEqual(format.decrypt(key, store.encrypt(user, secret)), secret)


class WhatBothDerive(InteropTest):
    def test_pool_tokens_open_on_both_sides(self):
        with capi.Store(self.path, MASTER_KEY) as store, store.pool_key() as pool:
            self.assertEqual(pool.export(), format.pool_key(MASTER_KEY))
            self.assertEqual(pool.decrypt(format.encrypt(format.pool_key(MASTER_KEY), b"pool")), b"pool")
            self.assertEqual(format.decrypt(format.pool_key(MASTER_KEY), pool.encrypt(b"pool")), b"pool")

    def test_hashes_are_the_same(self):
        for _, secret in cases.users_and_secrets(60):
            self.assertEqual(capi.lookup_hash(secret), format.lookup_hash(secret))

    def test_a_generated_master_key_is_read_by_both(self):
        text = capi.generate_master_key()
        self.assertEqual(len(text), 44)
        self.assertEqual(format.encode_master_key(format.decode_master_key(text)), text)
        self.assertEqual(capi.decode_master_key(text), format.decode_master_key(text))
        self.assertNotEqual(text, capi.generate_master_key())


class KeycasksOwnTables(InteropTest):
    def make_store(self):
        with capi.Store(self.path, MASTER_KEY) as store:
            return store.encrypt("user", b"secret")

    def test_a_new_store_is_one_private_file_in_rollback_mode(self):
        path = self.folder / "a" / "b" / "keys.db"
        umask = os.umask(0)
        try:
            with capi.Store(path, MASTER_KEY) as store:
                store.encrypt("user", b"secret")
        finally:
            os.umask(umask)
        self.assertEqual([item.name for item in path.parent.iterdir()], ["keys.db"])
        modes = [oct(item.stat().st_mode & 0o7777) for item in (path, path.parent, path.parent.parent)]
        self.assertEqual(modes, ["0o600", "0o700", "0o700"])
        self.assertEqual(query(path, "PRAGMA journal_mode"), [("delete",)])
        self.assertEqual(query(path, "PRAGMA encoding"), [("UTF-8",)])

    def test_are_made_with_the_first_key_and_not_before(self):
        tables = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
        with capi.Store(self.path, MASTER_KEY) as store:
            self.assertEqual(query(self.path, tables), [("encryption_keys",)])
            self.assertRefused("KC_E_UNKNOWN_USER", store.encrypt, "user", b"", capi.KC_EXISTING)
            self.assertEqual(query(self.path, tables), [("encryption_keys",)])
            store.encrypt("user", b"secret")
        self.assertEqual(query(self.path, tables), [("encryption_keys",), ("keycask_master",), ("keycask_meta",)])

    def test_hold_what_the_document_says(self):
        self.make_store()
        self.assertEqual(query(self.path, "SELECT name, typeof(value), length(value) FROM keycask_meta ORDER BY name"),
                         [("must_read", "integer", 1), ("must_write", "integer", 1), ("store_id", "blob", 16)])
        self.assertEqual(query(self.path, "SELECT value FROM keycask_meta WHERE name <> 'store_id'"), [(0,), (0,)])
        (identity, state, created_at), = query(self.path, "SELECT id, state, created_at FROM keycask_master")
        self.assertEqual((identity, state), (format.master_key_id(MASTER_KEY), "active"))
        self.assertRegex(created_at, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00$")
        for table, columns in (
            ("keycask_meta", [("name", "TEXT", 0, 1), ("value", "", 0, 0)]),
            ("keycask_master", [("id", "BLOB", 0, 1), ("state", "TEXT", 0, 0), ("created_at", "TEXT", 0, 0)]),
            ("encryption_keys", [("user_id", "TEXT", 0, 1), ("encrypted_key", "BLOB", 1, 0),
                                 ("created_at", "TEXT", 1, 0)]),
        ):
            self.assertEqual(query(self.path, "SELECT name, type, \"notnull\", pk FROM pragma_table_info(?)", table),
                             columns, table)

    def test_an_unknown_must_read_bit_stops_both(self):
        self.make_store()
        query(self.path, "UPDATE keycask_meta SET value = 1 << 40 WHERE name = 'must_read'")
        self.assertRefused("KC_E_UNSUPPORTED", capi.Store, self.path, MASTER_KEY)
        with self.assertRaisesRegex(format.FormatError, "unsupported"):
            format.user_key(self.path, MASTER_KEY, "user")

    def test_an_unknown_must_write_bit_lets_both_read_and_neither_write(self):
        token = self.make_store()
        query(self.path, "UPDATE keycask_meta SET value = 1 << 40 WHERE name = 'must_write'")
        before = snapshot(self.folder)
        with capi.Store(self.path, MASTER_KEY) as store:
            self.assertEqual(store.decrypt("user", token), b"secret")
            self.assertRefused("KC_E_UNSUPPORTED", store.encrypt, "new user", b"secret")
        self.assertEqual(format.decrypt(format.user_key(self.path, MASTER_KEY, "user"), token), b"secret")
        with self.assertRaisesRegex(format.FormatError, "unsupported"):
            format.get_or_create_user_key(self.path, MASTER_KEY, "new user")
        self.assertEqual(snapshot(self.folder), before)

    def test_nothing_is_made_under_a_master_key_that_is_not_active(self):
        token = self.make_store()
        with capi.Store(self.path, OTHER_MASTER_KEY, MASTER_KEY) as store:
            store.encrypt("user of the other key", b"secret")
        for state in ("retiring", "retired"):
            query(self.path, "UPDATE keycask_master SET state = ? WHERE id = ?", state,
                  format.master_key_id(MASTER_KEY))
            self.assertRefused("KC_E_MASTER_KEY_WRONG", capi.Store, self.path, MASTER_KEY)
            with capi.Store(self.path, MASTER_KEY, OTHER_MASTER_KEY) as store:
                self.assertEqual(store.decrypt("user", token), b"secret")
                self.assertRefused("KC_E_MASTER_KEY_WRONG", store.encrypt, "new user", b"secret")
            with self.assertRaisesRegex(format.FormatError, "wrong master key"):
                format.get_or_create_user_key(self.path, MASTER_KEY, "new user")
        self.assertEqual(query(self.path, "SELECT count(*) FROM encryption_keys"), [(2,)])

    def test_a_second_master_key_is_registered_only_beside_an_active_one(self):
        self.make_store()
        self.assertRefused("KC_E_MASTER_KEY_WRONG", capi.Store, self.path, OTHER_MASTER_KEY)
        with self.assertRaisesRegex(format.FormatError, "wrong master key"):
            format.get_or_create_user_key(self.path, OTHER_MASTER_KEY, "new user")
        with capi.Store(self.path, OTHER_MASTER_KEY, MASTER_KEY) as store:
            token = store.encrypt("new user", b"secret")
        self.assertEqual(dict(query(self.path, "SELECT id, state FROM keycask_master")),
                         {format.master_key_id(key): "active" for key in (MASTER_KEY, OTHER_MASTER_KEY)})
        key = format.user_key(self.path, OTHER_MASTER_KEY, "new user")
        self.assertEqual(format.decrypt(key, token), b"secret")

    def test_the_keys_that_open_a_modules_store_are_registered_before_a_new_one(self):
        path = self.copy("reference.db")
        with capi.Store(path, OTHER_MASTER_KEY, bytes(32), MASTER_KEY) as store:
            store.encrypt("new user", b"secret")
        self.assertEqual({identity for identity, in query(path, "SELECT id FROM keycask_master")},
                         {format.master_key_id(MASTER_KEY), format.master_key_id(OTHER_MASTER_KEY)})


class TwoProcessesAtOneStore(InteropTest):
    SECONDS = 4

    def race(self):
        """Runs both racers to their end and returns their tokens, as [user, secret, token]."""
        sides = {"python": self.folder / "python.tokens", "keycask": self.folder / "keycask.tokens"}
        processes = {}
        for side, peer in (("python", "keycask"), ("keycask", "python")):
            command = [sys.executable, HERE / "racer.py", side, self.path, sides[side], sides[peer], str(self.SECONDS)]
            processes[side] = process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                                         stderr=subprocess.PIPE, text=True)
            self.addCleanup(process.kill)
            self.assertEqual(process.stdout.readline(), "ready\n")
        start = time.time() + 0.1
        for process in processes.values():
            process.stdin.write(f"{start}\n")
            process.stdin.flush()
        for side, process in processes.items():
            output, errors = process.communicate(timeout=self.SECONDS + 60)
            self.assertEqual((process.returncode, errors), (0, ""), side)
            counts = json.loads(output)
            self.assertGreater(counts["made"], 10, side)
            self.assertGreater(counts["opened"], 10, side)
        return {side: [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
                for side, path in sides.items()}

    def assertNothingWasLost(self, tokens, journal_mode):
        master_key = bytes(range(32))
        users = {side: {user for user, _, _ in entries} for side, entries in tokens.items()}
        self.assertGreater(len(users["python"] & users["keycask"]), 10, "they hardly met: no race was run")
        every = tokens["python"] + tokens["keycask"]
        with capi.Store(self.path, master_key) as store:
            for user, secret, token in every:
                self.assertEqual(store.decrypt(user, token, capi.KC_EXISTING), secret.encode())
        keys = {user: format.user_key(self.path, master_key, user) for user in users["python"] | users["keycask"]}
        for user, secret, token in every:
            self.assertEqual(format.decrypt(keys[user], token), secret.encode())
        self.assertEqual(len(set(keys.values())), len(keys), "two users share a key")
        self.assertEqual(query(self.path, "SELECT count(*) FROM encryption_keys"), [(len(keys),)])
        self.assertEqual(query(self.path, "PRAGMA integrity_check"), [("ok",)])
        self.assertEqual(query(self.path, "PRAGMA journal_mode"), [(journal_mode,)])

    def test_making_the_same_users_at_the_same_moment_lose_nothing(self):
        self.assertNothingWasLost(self.race(), "delete")

    def test_making_the_same_users_at_the_same_moment_lose_nothing_in_wal_mode(self):
        query(self.path, "PRAGMA journal_mode = WAL")
        self.assertNothingWasLost(self.race(), "wal")


class TheDemonstration(InteropTest):
    def demo(self, *arguments):
        variables = dict(os.environ, API_KEY_MASTER_KEY=format.encode_master_key(MASTER_KEY))
        return subprocess.run([sys.executable, HERE / "demo.py", *arguments], env=variables, capture_output=True,
                              text=True, timeout=60)

    def test_opens_keycasks_token_and_writes_one_that_keycask_opens(self):
        with capi.Store(self.path, MASTER_KEY) as store:
            token = store.encrypt("alice", "sk-ключ".encode())
        self.assertEqual(self.demo("read", self.path, "alice", token).stdout, "sk-ключ\n")
        written = self.demo("write", self.path, "alice", "sk-other").stdout.strip()
        with capi.Store(self.path, MASTER_KEY) as store:
            self.assertEqual(store.decrypt("alice", written, capi.KC_STRICT), b"sk-other")

    def test_says_what_is_wrong(self):
        with capi.Store(self.path, MASTER_KEY) as store:
            token = store.encrypt("alice", b"secret")
            store.encrypt("bob", b"secret")
        for message, *arguments in (("no key for the user 'nobody'", "read", self.path, "nobody", token),
                                    ("authentication failure", "read", self.path, "bob", token),
                                    ("malformed", "read", self.path, "alice", "sk-plain"),
                                    ("there is no store", "read", self.path + "x", "alice", token)):
            result = self.demo(*arguments)
            self.assertEqual((result.returncode, result.stdout), (1, ""))
            self.assertIn(message, result.stderr)


@contextlib.contextmanager
def environment(**variables):
    """The process's environment with these variables set, and those that are None unset."""
    before = dict(os.environ)
    try:
        for name, value in variables.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


if __name__ == "__main__":
    unittest.main()
