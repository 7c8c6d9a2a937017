"""What operations leave in a store, read by the independent implementation."""

import contextlib
import pathlib
import sqlite3
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import capi  # noqa: E402
import format  # noqa: E402

OLD, NEW = bytes([1]) * 32, bytes([2]) * 32


class AStoreAfterOperations(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = f"{folder.name}/keys.db"
        with capi.Store(self.path, OLD) as store:
            self.first = store.encrypt("alice", b"first")
            store.encrypt("mallory", b"")
            self.of_pool = store.pool_key().encrypt(b"of the pool")
            store.rotate_user("alice")
            self.second = store.encrypt("alice", b"second")
            store.erase_user("mallory")

    def rewrapped(self):
        with capi.Store(self.path, NEW, OLD) as store:
            while store.rewrap(1)[1]:
                pass

    def test_has_the_current_key_in_the_modules_table_and_earlier_ones_beside_it(self):
        for master_key in OLD, NEW:
            if master_key == NEW:
                self.rewrapped()
            with self.subTest(master_key=master_key[0]):
                current = format.user_key(self.path, master_key, "alice")
                earlier, = format.earlier_user_keys(self.path, master_key, "alice")
                self.assertEqual(format.decrypt(current, self.second), b"second")
                self.assertEqual(format.decrypt(earlier, self.first), b"first")
                with self.assertRaises(format.FormatError):
                    format.decrypt(current, self.first)

    def test_knows_who_was_erased_and_holds_no_name_of_theirs(self):
        self.rewrapped()
        self.assertTrue(format.is_erased(self.path, NEW, "mallory"))
        self.assertFalse(format.is_erased(self.path, NEW, "alice"))
        self.assertIsNone(format.user_key(self.path, NEW, "mallory"))
        self.assertNotIn(b"mallory", pathlib.Path(self.path).read_bytes())

    def test_opens_the_pools_old_values_with_the_key_that_it_keeps(self):
        self.rewrapped()
        kept = format.earlier_pool_keys(self.path, NEW)
        self.assertEqual(format.decrypt(kept[format.master_key_id(OLD)], self.of_pool), b"of the pool")

    def test_opens_nothing_with_the_old_master_key(self):
        self.rewrapped()
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            wrapped = [value for table, column in (("encryption_keys", "encrypted_key"), ("keycask_version", "wrapped"),
                                                   ("keycask_key", "wrapped"))
                       for value, in connection.execute(f"SELECT {column} FROM {table}")]
            states = dict(connection.execute("SELECT id, state FROM keycask_master"))
        self.assertEqual(len(wrapped), 4)
        for value in wrapped:
            self.assertEqual(len(format.unwrap(NEW, value)), 32)
            with self.assertRaises(format.FormatError):
                format.unwrap(OLD, value)
        self.assertEqual(states, {format.master_key_id(OLD): "retired", format.master_key_id(NEW): "active"})

    def test_is_written_by_no_program_that_knows_no_marks(self):
        with self.assertRaises(format.FormatError):
            format.get_or_create_user_key(self.path, OLD, "bob")


if __name__ == "__main__":
    unittest.main()
