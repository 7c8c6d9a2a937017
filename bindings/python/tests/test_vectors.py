"""tests/vectors, through the real API."""

import pathlib
import shutil

import cases
import pytest

import keycask

STATUSES = {status.name: status for status in keycask.Status}


def refused(status, call):
    with pytest.raises(keycask.Error) as caught:
        call()
    assert caught.value.status == STATUSES[status.removeprefix("KC_E_")]


def same(answer, call):
    if "status" in answer:
        refused(answer["status"], call)
    else:
        assert call().hex() == answer["ok_hex"]


def test_statuses_are_those_of_the_library():
    lines = (cases.VECTORS.parent.parent / "abi/status.txt").read_text().split("\n")
    listed = {name.removeprefix("KC_E_"): int(number) for name, number in (line.split() for line in lines if line)}
    assert {name: number for name, number in listed.items() if number < 0} == {name: int(status) for name, status in STATUSES.items()}


def test_tokens_are_read_as_the_vectors_say():
    for key, plaintext, token in cases.tokens():
        assert keycask.Key.from_bytes(key).decrypt_bytes(token, strict=True) == plaintext
    for _, key, token, answer in cases.decode():
        same(answer, lambda: keycask.Key.from_bytes(key).decrypt_bytes(token))
    for _, key, token, answer in cases.decode_strictly():
        same(answer, lambda: keycask.Key.from_bytes(key).decrypt_bytes(token, strict=True))


def test_master_keys_are_read_as_the_vectors_say():
    for _, text, answer in cases.master_key_texts():
        if text is not None:
            blank = {"status": "KC_E_MASTER_KEY_INVALID"} if answer.get("status") == "KC_E_MASTER_KEY_MISSING" else answer
            same(blank, lambda: keycask.decode_master_key(text))


def test_pool_keys_hashes_and_prefixes_are_as_the_vectors_say():
    for case in cases.GIVEN["pool"]:
        with keycask.open(":memory:", master_key=bytes.fromhex(case["master_key"])) as store:
            assert store.pool_key().export().hex() == case["pool_key"]
    for case in cases.GIVEN["hashes"]:
        assert keycask.hash_api_key(case["api_key"]) == case["hex"]
    for value, encrypted in cases.is_encrypted():
        assert keycask.is_encrypted(value) == encrypted


def test_the_modules_store_opens(path):
    given = cases.GIVEN["reference_db"]
    shutil.copy(cases.VECTORS / given["file"], path)
    with keycask.open(path, master_key=cases.MASTER_KEY) as store:
        for user in given["users"]:
            assert store.decrypt(user["user_id"], user["token"]) == user["plaintext"]
            assert store.key(user["user_id"]).export().hex() == user["key"]


def flags(case, *names):
    return {name: f"KC_{name.upper()}" in case.get("flags", []) for name in names}


def test_what_differs_in_one_thing_is_refused_for_that(tmp_path):
    failures, ran = cases.FAILURES, 0
    good = failures["good"]
    master_key = bytes.fromhex(good["master_key"])
    for case in failures["tokens"]:
        refused(case["status"], lambda: keycask.Key.from_bytes(bytes.fromhex(case["key"])).decrypt(case["token"], **flags(case, "strict")))
        ran += 1
    for case in failures["master_keys"]:
        refused(case["status"], lambda: keycask.decode_master_key(case["text"]))
        ran += 1
    whole = (cases.VECTORS / good["store"]).read_bytes()
    for number, case in enumerate(failures["stores"]):
        altered = bytearray(whole[: case["length"]].ljust(case["length"], b"\0"))
        for patch in case["patches"]:
            altered[patch["at"] : patch["at"] + len(patch["bytes"]) // 2] = bytes.fromhex(patch["bytes"])
        path = pathlib.Path(tmp_path / f"{number}.db")
        path.write_bytes(altered)

        def call():
            with keycask.open(path, master_key=master_key) as store:
                if case["call"] == "encrypt":
                    store.encrypt(good["user"], "sk")
                elif case["call"] == "decrypt":
                    store.decrypt(good["user"], good["token"])

        refused(case["status"], call)
        ran += 1
    with keycask.open(":memory:", master_key=master_key) as store:
        token = store.encrypt(good["user"], "sk-acme")
        for case in failures["calls"]:
            given = case["given"]
            try:
                user = bytes.fromhex(given["user_hex"]).decode() if "user_hex" in given else good["user"]
            except UnicodeDecodeError:
                user = bytes.fromhex(given["user_hex"]).decode(errors="surrogateescape")  # As near as a str comes to it.
            keys = bytes.fromhex(given["master_keys_hex"]) if "master_keys_hex" in given else master_key
            calls = {
                "encrypt": lambda: store.encrypt(user, "sk-acme", **flags(given, "existing", "cached_only")),
                "decrypt": lambda: store.decrypt(user, given.get("token", token), **flags(given, "strict", "cached_only")),
                "user_key": lambda: store.key(user, **flags(given, "existing", "cached_only")),
                "key_import": lambda: keycask.Key.from_bytes(bytes.fromhex(given["raw_hex"])),
                "open": lambda: keycask.open(given.get("location", ":memory:"), master_key=keys),
            }
            refused(case["status"], calls[case["call"]])
            ran += 1
    assert ran == 192
