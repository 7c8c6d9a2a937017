"""What a program does every day."""

import copy
import gc
import pathlib
import pickle
import resource
import sqlite3
import threading

import pytest

import keycask
from conftest import MASTER_KEY


def refuses(kind, status, *also):
    """A context in which `kind` is raised, with its status, and which Python's own exceptions catch too."""

    class Caught:
        def __enter__(self):
            return self

        def __exit__(self, found, error, trace):
            assert found is kind, error
            assert error.status == status and isinstance(error, (keycask.Error, *also)) and all(isinstance(error, each) for each in also)
            return True

    return Caught()


def test_a_secret_comes_back_and_its_token_tells_nothing(store):
    token = store.encrypt("alice", "sk-alice-1234")
    assert token.startswith("v2:") and "alice" not in token
    assert store.decrypt("alice", token) == store.decrypt("alice", token.encode()) == "sk-alice-1234"
    assert store.encrypt("alice", "sk-alice-1234") != token
    assert keycask.is_encrypted(token) and not keycask.is_encrypted("sk-alice-1234") and not keycask.is_encrypted(None)


@pytest.mark.parametrize("size", [0, 1, 51, 300, 511, 512, 513, 5000, 1_000_000])
def test_bytes_of_any_length_come_back(store, size):
    data = bytes(byte % 256 for byte in range(size))
    key = store.key("alice")
    for token in (store.encrypt_bytes("alice", data), store.encrypt_bytes("alice", bytearray(data)), key.encrypt_bytes(data)):
        assert store.decrypt_bytes("alice", token) == key.decrypt_bytes(token) == data
    with refuses(keycask.FormatError, keycask.Status.FORMAT, ValueError):
        store.decrypt("alice", store.encrypt_bytes("alice", b"\xff" + data))


def test_text_is_unicode_and_a_nul_is_a_character(store):
    for text in ("", "ключ 🔑", "a\0b", "é" * 4000):
        assert store.decrypt("ключ\0🔑", store.encrypt("ключ\0🔑", text)) == text


def test_each_failure_is_an_exception_of_its_own_that_python_knows_too(store, path, tmp_path):
    token = store.encrypt("alice", "sk-alice-1234")
    Status = keycask.Status
    with refuses(keycask.UnknownUserError, Status.UNKNOWN_USER, LookupError):
        store.decrypt("mallory", token)
    with refuses(keycask.UnknownUserError, Status.UNKNOWN_USER):
        store.encrypt("mallory", "sk", existing=True)
    store.encrypt("bob", "sk-bob")
    with refuses(keycask.AuthenticationError, Status.AUTHENTICATION):
        store.decrypt("bob", token)
    with refuses(keycask.FormatError, Status.FORMAT, ValueError):
        store.decrypt("alice", "sk-alice-1234")
    with refuses(keycask.FormatError, Status.FORMAT):
        store.decrypt("alice", token[3:], strict=True)
    with refuses(keycask.UnsupportedError, Status.UNSUPPORTED, NotImplementedError):
        store.decrypt("alice", "v3:AAAA")
    with refuses(keycask.ArgumentError, Status.ARGUMENT, ValueError):
        store.encrypt("", "sk")
    with refuses(keycask.ArgumentError, Status.ARGUMENT, ValueError):
        store.encrypt("alice", "half a pair: \ud800")
    with refuses(keycask.LimitError, Status.LIMIT, ValueError):
        store.encrypt("u" * 4097, "sk")
    with refuses(keycask.WouldBlockError, Status.WOULD_BLOCK, BlockingIOError):
        store.encrypt("new", "sk", cached_only=True)
    with refuses(keycask.MasterKeyWrongError, Status.MASTER_KEY_WRONG, keycask.MasterKeyError):
        keycask.open(path, master_key=bytes(32))
    with refuses(keycask.MasterKeyInvalidError, Status.MASTER_KEY_INVALID, ValueError):
        keycask.open(path, master_key=b"short")
    with refuses(keycask.MasterKeyInvalidError, Status.MASTER_KEY_INVALID):
        keycask.open(path, master_key=[bytes(16), bytes(16)])
    with refuses(keycask.MasterKeyMissingError, Status.MASTER_KEY_MISSING):
        keycask.open(path)
    with refuses(keycask.MasterKeyMissingError, Status.MASTER_KEY_MISSING):
        keycask.open(path, master_key=[])
    with refuses(keycask.NotFoundError, Status.NOT_FOUND, FileNotFoundError):
        keycask.open(tmp_path / "missing.db", master_key=MASTER_KEY, must_exist=True)
    with refuses(keycask.ReadOnlyError, Status.READ_ONLY, PermissionError):
        with keycask.open(path, master_key=MASTER_KEY, read_only=True) as reader:
            reader.encrypt("new", "sk")
    with refuses(keycask.ExistsError, Status.EXISTS, FileExistsError):
        store.backup(path)
    with refuses(keycask.IoError, Status.IO, OSError):
        keycask.open(tmp_path, master_key=MASTER_KEY)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with refuses(keycask.BusyError, Status.BUSY, TimeoutError, OSError):
        with keycask.open(path, master_key=MASTER_KEY, busy_timeout=0) as impatient:
            impatient.encrypt("new", "sk")
    other.close()


def test_an_error_has_the_systems_number_and_can_be_pickled(store, tmp_path):
    with pytest.raises(OSError) as caught:
        store.backup(tmp_path / "no such folder" / "copy.db")
    error = pickle.loads(pickle.dumps(caught.value))
    assert (error.errno, error.status, str(error)) == (2, keycask.Status.IO, str(caught.value))


def test_types_are_python_s_own_errors(store):
    for wrong in (lambda: store.encrypt(1, "sk"), lambda: store.encrypt("alice", b"sk"), lambda: store.decrypt("alice", 5),
                  lambda: store.encrypt_bytes("alice", "sk"), lambda: keycask.Key.from_bytes("k" * 32), lambda: keycask.hash_api_key(None)):
        with pytest.raises(TypeError):
            wrong()
    for wrong in (-1.0, float("nan")):
        with pytest.raises(ValueError):
            keycask.open(":memory:", master_key=MASTER_KEY, busy_timeout=wrong)


def test_nothing_that_is_printed_or_pickled_holds_a_secret(store):
    secret = "sk-alice-very-secret"
    key = store.key("alice")
    token = key.encrypt(secret)
    broken = token[:-4] + "AAA="
    shown = [repr(store), str(store), repr(key), str(key), f"{key}", repr(store.stats())]
    for wrong in (lambda: store.decrypt("alice", broken), lambda: store.decrypt("alice", secret), lambda: store.encrypt("", secret),
                  lambda: store.encrypt("alice", secret + "\udc00"), lambda: keycask.decode_master_key(secret)):
        with pytest.raises(keycask.Error) as caught:
            wrong()
        shown += [str(caught.value), repr(caught.value), repr(caught.value.__context__)]
    assert not any(secret in text or broken in text or key.export().hex() in text for text in shown)
    for held in (store, key):
        for way in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError):
                way(held)


def test_what_was_closed_says_so_and_may_be_closed_again(path):
    store = keycask.open(pathlib.Path(path), master_key=MASTER_KEY)
    key = store.key("alice")
    assert not store.closed and store.decrypt("alice", key.encrypt("sk")) == "sk"
    with store:
        pass
    store.close()
    assert store.closed and "closed" in repr(store)
    for ended in (lambda: store.encrypt("alice", "sk"), lambda: key.encrypt("sk"), store.check, lambda: next(store.users())):
        with refuses(keycask.HandleError, keycask.Status.HANDLE, ValueError):
            ended()
    key.close()
    key.close()


def test_master_keys_are_bytes_or_text_or_several_or_the_environments(path, monkeypatch):
    text = keycask.generate_master_key()
    old, new = keycask.decode_master_key(text), keycask.decode_master_key(keycask.generate_master_key())
    with keycask.open(path, master_key=text) as store:
        token = store.encrypt("alice", "sk")
    for keys in (old, bytearray(old), [new, text], (key for key in (new, old))):
        with keycask.open(path, master_key=keys) as store:
            assert store.decrypt("alice", token) == "sk"
    monkeypatch.setenv("API_KEY_MASTER_KEY", f' "{text}" ')
    with keycask.open(path) as store:
        assert store.decrypt("alice", token) == "sk"
    with pytest.raises(keycask.LimitError):
        keycask.open(path, master_key=[old] * 17)


def test_the_pools_key_and_imported_ones_are_keys_like_others(store):
    with store.pool_key() as pool, keycask.Key.from_bytes(bytes(32)) as own:
        assert pool.decrypt(pool.encrypt("shared")) == own.decrypt(own.encrypt("shared")) == "shared"
        assert own.export() == bytes(32)
    assert keycask.hash_api_key("sk-acme") == keycask.hash_api_key(b"sk-acme") == "5f8eee912cd7c0ccb238560e8a22e7f78909e6dac18288188f7f4ea35112700d"


def test_operations_do_what_they_say(store, path, tmp_path):
    users = [f"user {number}" for number in range(50)]
    tokens = {user: store.encrypt(user, f"sk of {user}") for user in users}
    assert {user.name for user in store.users()} == set(users)
    assert all(user.error is None and user.master_key == 1 and user.created_at.utcoffset().seconds == 0 for user in store.users())
    store.rotate_user("user 1")
    assert store.is_stale("user 1", tokens["user 1"]) and not store.is_stale("user 2", tokens["user 2"])
    fresh = store.reencrypt("user 1", tokens["user 1"])
    assert not store.is_stale("user 1", fresh)
    store.forget_versions("user 1")
    assert store.decrypt("user 1", fresh) == "sk of user 1"
    with pytest.raises(keycask.AuthenticationError):
        store.decrypt("user 1", tokens["user 1"])
    store.erase_user("user 2")
    with pytest.raises(keycask.UserDestroyedError):
        store.encrypt("user 2", "sk")
    store.restore_user("user 2")
    assert store.decrypt("user 2", store.encrypt("user 2", "anew")) == "anew"
    report = store.check()
    assert report.is_well and (report.users, report.good, report.keys[0]) == (50, 50, 51)
    assert report.states[:2] == (keycask.MasterKeyState.ACTIVE, keycask.MasterKeyState.UNREGISTERED)
    store.backup(tmp_path / "copy.db")
    new = bytes(32)
    with keycask.open(tmp_path / "copy.db", master_key=[new, MASTER_KEY]) as copied:
        steps = list(copied.rewrap(step=20))
        assert len(steps) >= 3 and steps[-1].remaining == 0 and steps[-1].done == 51 and sorted(step.done for step in steps) == [step.done for step in steps]
        assert copied.decrypt("user 3", tokens["user 3"]) == "sk of user 3"
    with pytest.raises(keycask.MasterKeyWrongError):
        keycask.open(tmp_path / "copy.db", master_key=MASTER_KEY)
    with pytest.raises(ValueError):
        store.rewrap(step=0)
    assert store.stats().handles == 1 and store.stats().hits > 0


def test_a_damaged_row_is_an_error_of_its_user_alone(store, path):
    store.encrypt("alice", "sk"), store.encrypt("bob", "sk")
    with sqlite3.connect(path) as other:
        other.execute("UPDATE encryption_keys SET encrypted_key = x'00' WHERE user_id = 'bob'")
    other.close()
    errors = {user.name: user.error for user in store.users()}
    assert errors["alice"] is None and isinstance(errors["bob"], keycask.CorruptError) and not store.check().is_well


def test_threads_share_a_store_which_another_closes(path):
    store = keycask.open(path, master_key=MASTER_KEY)
    begun, wrong = threading.Barrier(9), []

    def work(number):
        begun.wait()
        try:
            while True:
                user = f"user {number % 3}"
                if store.decrypt(user, store.encrypt(user, "sk" * number)) != "sk" * number:
                    wrong.append(user)
        except keycask.HandleError:
            pass
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    begun.wait()
    for number in range(300):
        store.encrypt(f"another {number}", "sk")
    store.close()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_call_that_waits_for_the_disk_does_not_stop_other_threads(path):
    """While a thread waits for a lock, another opens it: were Python's lock kept, nobody could."""
    with keycask.open(path, master_key=MASTER_KEY, busy_timeout=600) as store:
        store.encrypt("alice", "sk")
        other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN EXCLUSIVE")
        made = []
        waiting = threading.Thread(target=lambda: made.append(store.encrypt("new", "sk")))
        waiting.start()
        while store.stats().busy_waits == 0:
            pass
        other.execute("ROLLBACK")
        other.close()
        waiting.join()
        assert store.decrypt("new", made[0]) == "sk"


def test_the_collector_may_come_at_any_time(path):
    kept = gc.get_threshold()
    gc.set_threshold(1)
    try:
        for number in range(30):
            store = keycask.open(path, master_key=MASTER_KEY)
            key = store.key("alice")
            assert key.decrypt(store.encrypt("alice", "sk")) == "sk"
            walk, moving = store.users(), store.rewrap()
            del store
            assert [user.name for user in walk] == ["alice"] and next(moving).remaining == 0
    finally:
        gc.set_threshold(*kept)


def test_a_million_calls_take_no_more_memory(store):
    token = store.encrypt("alice", "sk-alice-1234")

    def calls(count):
        for _ in range(count):
            store.decrypt("alice", token)
            store.encrypt("alice", "sk-alice-1234")
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    before = calls(20_000)
    for _ in range(1000):
        store.key("alice").close()
        with pytest.raises(keycask.Error):
            store.decrypt("alice", "no token")
    assert calls(480_000) - before < 2048  # KiB
