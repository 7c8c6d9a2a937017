"""keycask.compat and the module it stands in for, made again (reference.py), are run by the same tests over tests/vectors."""

import asyncio
import contextlib
import inspect
import multiprocessing
import shutil

import cases
import pytest
import reference
from cryptography.exceptions import InvalidTag

import keycask
from conftest import MASTER_KEY
from keycask import compat

BOTH = pytest.mark.parametrize("module", [reference, compat], ids=["the module", "keycask.compat"])


@pytest.fixture(autouse=True)
def stores_are_closed_afterwards():
    yield
    for store in compat._stores._stores.values():
        store.close()
    compat._stores._stores.clear()


def answer(function, *arguments):
    """What a caller of the module sees: the value, or the exception that they catch."""
    try:
        return function(*arguments)
    except InvalidTag:
        return InvalidTag
    except ValueError:
        return ValueError


def expected(module, case, section):
    """What the vectors say: the module's answer, or keycask's where it differs on purpose."""
    theirs = case["reference"]
    if theirs is None or isinstance(theirs, str):
        theirs = None if theirs is None else bytes.fromhex(theirs)
    else:
        theirs = theirs["ok"] if "ok" in theirs else InvalidTag if theirs["error"] == "InvalidTag" else ValueError
    if module is reference:
        return theirs
    ours = case.get("keycask") or next((each["keycask"] for each in cases.OURS["differences"]
                                        if (each["section"], each["case"]) == (section, case["name"])), None)
    if ours is None:
        return theirs
    if "ok_hex" in ours:
        raw = bytes.fromhex(ours["ok_hex"])
        if section != "decode":
            return raw
        with contextlib.suppress(UnicodeDecodeError):
            return raw.decode()
        return ValueError
    if section != "decode":
        return None
    return InvalidTag if ours["status"] == "KC_E_AUTHENTICATION" else ValueError


@BOTH
@pytest.mark.parametrize("case", cases.GIVEN["decode"] + cases.OURS["decode"], ids=lambda case: case["name"])
def test_tokens_are_read_alike(module, case):
    assert answer(module.decrypt, case["token"], bytes.fromhex(case["key"])) == expected(module, case, "decode")


@BOTH
@pytest.mark.parametrize("case", cases.GIVEN["master_key_env"] + cases.OURS["master_key_env"], ids=lambda case: case["name"])
def test_master_keys_are_read_alike(module, case, monkeypatch, caplog):
    if case["value"] is not None:
        if "\0" in case["value"]:
            pytest.skip("no environment variable holds a NUL")
        monkeypatch.setenv("API_KEY_MASTER_KEY", case["value"])
    found = expected(module, case, "master_key_env")
    assert module.resolve_master_key() == found
    assert bool(caplog.records) == (found is None)
    assert not case["value"] or case["value"].strip() not in caplog.text or len(case["value"].strip()) < 20


@BOTH
def test_tokens_pool_keys_and_hashes_are_alike(module):
    for key, plaintext, token in cases.tokens():
        assert module.decrypt(token, key) == plaintext.decode()
        assert reference.decrypt(module.encrypt(plaintext.decode(), key), key) == plaintext.decode()
        assert compat.decrypt(module.encrypt(plaintext.decode(), key), key) == plaintext.decode()
    for case in cases.GIVEN["pool"]:
        assert module.get_pool_key(bytes.fromhex(case["master_key"])).hex() == case["pool_key"]
    for case in cases.GIVEN["hashes"]:
        assert module.api_key_hash(case["api_key"]) == case["hex"]
    different = {each["case"]: each["keycask"]["encrypted"] for each in cases.OURS["differences"] if each["section"] == "is_encrypted"}
    for case in cases.GIVEN["is_encrypted"]:
        ours = different.get(case["value"], case["encrypted"])
        assert module.is_encrypted(case["value"]) == (case["encrypted"] if module is reference else ours)


def test_the_names_signatures_and_constants_are_alike():
    for name in ("get_or_create_user_key", "encrypt", "decrypt", "get_pool_key", "resolve_master_key", "is_encrypted", "api_key_hash"):
        theirs, ours = getattr(reference, name), getattr(compat, name)
        assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters)
        assert inspect.iscoroutinefunction(ours) == inspect.iscoroutinefunction(theirs)
    assert (compat.ENCRYPTED_PREFIX, compat.POOL_KEY_SALT) == (reference.ENCRYPTED_PREFIX, reference.POOL_KEY_SALT)


@BOTH
def test_wrong_arguments_are_value_errors_alike(module):
    for wrong in (lambda: module.encrypt("sk", b"short"), lambda: module.decrypt("v2:AAAA", bytes(32)), lambda: module.decrypt("", bytes(32)),
                  lambda: module.encrypt("half a pair: \udc00", bytes(32))):
        with pytest.raises(ValueError):
            wrong()
    with pytest.raises(InvalidTag):
        module.decrypt(module.encrypt("sk", bytes(32)), MASTER_KEY)


@BOTH
def test_the_modules_store_gives_its_keys(module, tmp_path):
    given = cases.GIVEN["reference_db"]
    path = str(tmp_path / "keys.db")
    shutil.copy(cases.VECTORS / given["file"], path)
    for user in given["users"]:
        key = asyncio.run(module.get_or_create_user_key(user["user_id"], path, cases.MASTER_KEY))
        assert key.hex() == user["key"] and module.decrypt(user["token"], key) == user["plaintext"]


def test_what_the_module_leaves_to_luck_is_refused(tmp_path):
    path = str(tmp_path / "keys.db")
    shutil.copy(cases.VECTORS / "reference.db", path)

    async def key(user, master_key):
        return await compat.get_or_create_user_key(user, path, master_key)

    for wrong in (("new", cases.OTHER_MASTER_KEY), ("", cases.MASTER_KEY), ("new", b"short")):
        with pytest.raises(ValueError) as caught:
            asyncio.run(key(*wrong))
        assert isinstance(caught.value, keycask.Error)
    with pytest.raises(OSError):
        asyncio.run(compat.get_or_create_user_key("new", str(tmp_path), cases.MASTER_KEY))


def test_a_service_lives_through_a_rotation(path, monkeypatch):
    old, new = keycask.generate_master_key(), keycask.generate_master_key()
    raw_old, raw_new = keycask.decode_master_key(old), keycask.decode_master_key(new)
    before = asyncio.run(compat.get_or_create_user_key("alice", path, raw_old))
    monkeypatch.setenv("API_KEY_MASTER_KEY_PREVIOUS", old)
    assert asyncio.run(compat.get_or_create_user_key("alice", path, raw_new)) == before
    with keycask.open(path, master_key=[new, old]) as store:
        for _ in store.rewrap():
            pass
    monkeypatch.delenv("API_KEY_MASTER_KEY_PREVIOUS")
    assert asyncio.run(compat.get_or_create_user_key("alice", path, raw_new)) == before


def test_stores_stay_open_and_are_bounded(tmp_path):
    async def ask():
        for _ in range(3):
            for number in range(10):
                await compat.get_or_create_user_key("alice", str(tmp_path / f"{number}.db"), MASTER_KEY)

    before = keycask.handle_count()
    asyncio.run(ask())
    assert keycask.handle_count() == before + 8


def work(module, path, number, keys):
    async def ask():
        return await asyncio.gather(*(module.get_or_create_user_key(f"user {user}", path, MASTER_KEY) for user in range(40)))

    keys.put((number, asyncio.run(ask())))


def test_both_in_eight_processes_end_with_one_key_for_each_user(path):
    """Half of them are the module, and in each process of keycask's own the module works on the same file at once."""
    asyncio.run(compat.get_or_create_user_key("first", path, MASTER_KEY))
    context = multiprocessing.get_context("fork")
    keys = context.Queue()
    processes = [context.Process(target=work, args=(module, path, number, keys))
                 for number, module in enumerate([reference, compat] * 4)]
    for process in processes:
        process.start()

    async def at_once():
        async def each(module):
            return [await module.get_or_create_user_key(f"user {user}", path, MASTER_KEY) for user in range(40)]

        return await asyncio.gather(each(reference), each(compat), each(reference), each(compat))

    here = asyncio.run(at_once())
    found = [keys.get()[1] for _ in processes]
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert all(each == here[0] for each in [*here, *found]) and len(set(here[0])) == 40
