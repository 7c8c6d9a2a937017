"""The cases of tests/vectors, in one shape for every implementation, and values of our own to exchange."""

import json
import pathlib
import random

VECTORS = pathlib.Path(__file__).resolve().parent.parent / "vectors"
GIVEN = json.loads((VECTORS / "vectors.json").read_text(encoding="utf-8"))
OURS = json.loads((VECTORS / "keycask.json").read_text(encoding="utf-8"))
FAILURES = json.loads((VECTORS / "failures.json").read_text(encoding="utf-8"))

MASTER_KEY = bytes.fromhex(GIVEN["reference_db"]["master_key"])
OTHER_MASTER_KEY = bytes.fromhex(GIVEN["reference_db"]["wrong_master_key"])
DAMAGED_USERS = {"short", "flipped", "other-master", "wrong-length-key"}


def _differences(section):
    return {entry["case"]: entry["keycask"] for entry in OURS["differences"] if entry["section"] == section}


def decode():
    """(name, key, token, answer): the `decode` cases of both files, with what keycask answers."""
    different = _differences("decode")
    for case in GIVEN["decode"]:
        name, reference = case["name"], case["reference"]
        if "ok" in reference:
            answer = {"ok_hex": reference["ok"].encode().hex()}
        elif reference["error"] == "InvalidTag":
            answer = {"status": "KC_E_AUTHENTICATION"}
        else:
            answer = {"status": "KC_E_FORMAT"}
        yield name, bytes.fromhex(case["key"]), case["token"], different.get(name, answer)
    for case in OURS["decode"]:
        yield case["name"], bytes.fromhex(case["key"]), case["token"], case["keycask"]


def decode_strictly():
    """(name, key, token, answer): what is answered when only the canonical form is read."""
    for case in OURS["decode"]:
        yield case["name"], bytes.fromhex(case["key"]), case["token"], case["strict"]


def master_key_texts():
    """(name, value, answer): the `master_key_env` cases of both files, with what keycask answers."""
    different = _differences("master_key_env")
    for case in GIVEN["master_key_env"]:
        name, value, reference = case["name"], case["value"], case["reference"]
        if reference is not None:
            answer = {"ok_hex": reference}
        elif value is None or not value.strip():
            answer = {"status": "KC_E_MASTER_KEY_MISSING"}
        else:
            answer = {"status": "KC_E_MASTER_KEY_INVALID"}
        yield name, value, different.get(name, answer)
    for case in OURS["master_key_env"]:
        yield case["name"], case["value"], case["keycask"]


def is_encrypted():
    """(value, answer)"""
    different = _differences("is_encrypted")
    for case in GIVEN["is_encrypted"]:
        yield case["value"], different.get(case["value"], {"encrypted": case["encrypted"]})["encrypted"]


def tokens():
    """(key, plaintext, token): every token that the module wrote and that opens, under users' and pool keys."""
    for case in GIVEN["tokens"] + GIVEN["reference_db"]["users"]:
        yield bytes.fromhex(case["key"]), case["plaintext"].encode(), case["token"]
    for pool in GIVEN["pool"]:
        for case in pool["tokens"]:
            yield bytes.fromhex(pool["pool_key"]), case["plaintext"].encode(), case["token"]


NAMES = ["a", "user with spaces", "  spaces around  ", "o'brien; DROP TABLE encryption_keys;--", '"quoted"', "`tick`",
         "пользователь", "用户", "مستخدم", "🔑", "👩‍👩‍👧", "e\u0301", "\u00e9", "NUL\0inside", "NUL", "line\nbreak", "%", "_",
         "A", "../../etc/passwd", "NULL", "0", "00", "\ufeff", "\U0010ffff", "u" * 4096, "й" * 2048, "🔑" * 1024]


def users_and_secrets(count):
    """So many (user, secret), always the same: names of many kinds, secrets that are empty, long, no text, …"""
    source = random.Random(count)
    users = NAMES + [f"user {n}" for n in range(count - len(NAMES))]
    secrets = [b"", b"\0", "ключ 🔑".encode(), bytes(range(256)), bytes(100_000)]
    secrets += [source.randbytes(source.randrange(1, 120)) for _ in range(count - len(secrets))]
    source.shuffle(secrets)
    return list(zip(users, secrets))
