#!/usr/bin/env python3
"""Makes failures.json and good.db, beside this file: cases that differ from a good one in a single thing, and the status of each.

    make_failures.py           writes both; good.db is left as it is where it is there
    make_failures.py --check   compares failures.json with what would be written

Keys and nonces are fixed. The statuses are stated, from docs/format.md and the header, not found out. Needs `cryptography`.
"""

import base64
import hashlib
import hmac
import json
import pathlib
import shutil
import sqlite3
import sys
import tempfile

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from make import MASTER_KEY, NONCE

HERE = pathlib.Path(__file__).resolve().parent
KEY = bytes(range(32))
PLAINTEXT = b"sk-acme-1"
USER = "alice"
CREATED = "2026-01-01T00:00:00.000000+00:00"


def flipped(data, at, bit=0):
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


def sealed(key=KEY, plaintext=PLAINTEXT, nonce=NONCE):
    return nonce + AESGCM(key).encrypt(nonce, plaintext, None)


def token(data):
    return "v2:" + base64.urlsafe_b64encode(data).decode()


GOOD = token(sealed())
MASTER_TEXT = base64.urlsafe_b64encode(MASTER_KEY).decode()


def tokens():
    """sentence, token, key, flags, status"""
    good, body = sealed(), GOOD[3:]

    def case(sentence, text, status, key=KEY, flags=()):
        return {"sentence": sentence, "token": text, "key": key.hex(), "flags": list(flags), "status": status}

    for at in range(len(good)):
        part = "nonce" if at < 12 else "ciphertext" if at < 12 + len(PLAINTEXT) else "tag"
        yield case(f"one bit of the {part} is another (byte {at})", token(flipped(good, at, at % 8)), "KC_E_AUTHENTICATION")
    for at in (0, 15, 31):
        yield case(f"one bit of the key is another (byte {at})", GOOD, "KC_E_AUTHENTICATION", flipped(KEY, at, at % 8))
    yield case("a byte of the ciphertext is missing", token(good[:12] + good[13:]), "KC_E_AUTHENTICATION")
    yield case("a byte follows the tag", token(good + b"\0"), "KC_E_AUTHENTICATION")
    yield case("the last byte of the tag is missing", token(good[:-1]), "KC_E_AUTHENTICATION")
    yield case("it is sealed with associated data", token(NONCE + AESGCM(KEY).encrypt(NONCE, PLAINTEXT, b"x")), "KC_E_AUTHENTICATION")
    yield case("two bytes of the ciphertext have changed places", token(good[:12] + good[13:11:-1] + good[14:]), "KC_E_AUTHENTICATION")
    yield case("the tag stands in front", token(good[:12] + good[-16:] + good[12:-16]), "KC_E_AUTHENTICATION")
    for length in (0, 1, 12, 27):
        yield case(f"it holds {length} bytes, where 28 are the least", token(good[:length]), "KC_E_FORMAT")
    for name, char in (
        ("an exclamation mark", "!"), ("a full stop", "."), ("a comma", ","), ("a NUL", "\0"), ("a percent sign", "%"), ("a colon", ":"),
        ("a letter outside ASCII", "é"), ("a zero-width space", "\u200b"), ("a backslash", "\\"), ("a quotation mark", '"'), ("a DEL", "\x7f"),
    ):
        yield case(f"{name} stands in the middle", GOOD[:20] + char + GOOD[20:], "KC_E_FORMAT")
        yield case(f"{name} stands in place of a character", GOOD[:20] + char + GOOD[21:], "KC_E_FORMAT")
    yield case("a character is missing", GOOD[:20] + GOOD[21:].rstrip("="), "KC_E_FORMAT")
    yield case("a character comes twice", GOOD[:20] + GOOD[19:].rstrip("="), "KC_E_AUTHENTICATION")
    two = token(sealed(plaintext=b"sk-acme-12"))  # 38 bytes, so that one '=' belongs
    yield case("its one '=' comes twice", two + "=", "KC_E_FORMAT")
    yield case("an '=' stands in the middle", GOOD[:20] + "=" + GOOD[21:], "KC_E_FORMAT")
    yield case("text follows the padding", two + "A", "KC_E_FORMAT")
    yield case("white space stands before the prefix", " " + GOOD, "KC_E_FORMAT")
    yield case("a byte order mark stands before the prefix", "\ufeff" + GOOD, "KC_E_FORMAT")
    yield case("the prefix comes twice", "v2:" + GOOD, "KC_E_FORMAT")
    for prefix in ("v1:", "V2:", "v2;", "v4:", "v2 :"):
        yield case(f"the prefix is '{prefix}'", prefix + body, "KC_E_FORMAT")
    yield case("the prefix is that of a format to come", "v3:" + body, "KC_E_UNSUPPORTED")
    yield case("nothing follows the prefix", "v2:", "KC_E_FORMAT")
    yield case("it is empty", "", "KC_E_FORMAT")
    yield case("it is plaintext from before tokens", "sk-acme-1", "KC_E_FORMAT")
    strict = ("KC_STRICT",)
    yield case("strictly, the prefix is missing", body, "KC_E_FORMAT", flags=strict)
    standard = GOOD[:3] + body.replace("-", "+").replace("_", "/")
    yield case("strictly, it is in the standard alphabet", standard, "KC_E_FORMAT", flags=strict)
    yield case("strictly, its padding is missing", two[:-1], "KC_E_FORMAT", flags=strict)
    for name, char in (("a space", " "), ("a line feed", "\n"), ("a tab", "\t")):
        yield case(f"strictly, {name} follows it", GOOD + char, "KC_E_FORMAT", flags=strict)
        yield case(f"strictly, {name} stands in it", GOOD[:20] + char + GOOD[20:], "KC_E_FORMAT", flags=strict)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    loose = two[:-2] + alphabet[alphabet.index(two[-2]) | 1] + "="
    yield case("strictly, a bit behind the last byte is set", loose, "KC_E_FORMAT", flags=strict)


def master_keys():
    """The text of a master key, given to kc_master_key_decode."""

    def case(sentence, text, status):
        return {"sentence": sentence, "text": text, "status": status}

    def encoded(data):
        return base64.urlsafe_b64encode(data).decode()

    invalid = "KC_E_MASTER_KEY_INVALID"
    for length in (1, 16, 24, 31, 33, 48, 64):
        yield case(f"it is of {length} bytes", encoded((MASTER_KEY * 2)[:length]), invalid)
    yield case("its first character is missing", MASTER_TEXT[1:], invalid)
    yield case("four characters are missing", MASTER_TEXT[4:], invalid)
    yield case("four characters follow", MASTER_TEXT.rstrip("=")[:-3] + "AAAA" + MASTER_TEXT.rstrip("=")[-3:], invalid)
    yield case("it is in hexadecimal", MASTER_KEY.hex(), invalid)
    yield case("it is cut in the middle", MASTER_TEXT[:22], invalid)
    yield case("complete padding stands in the middle", MASTER_TEXT[:22] + "==" + MASTER_TEXT[22:], invalid)
    yield case("it is padding alone", "====", invalid)
    yield case("it is quotation marks alone", '""', invalid)
    yield case("it is one character", "A", invalid)
    yield case("it is a letter outside ASCII", "é" + MASTER_TEXT, invalid)
    yield case("it is a sentence", "correct horse battery staple", invalid)
    for name, text in (("empty", ""), ("a space", " "), ("a line feed", "\n"), ("a tab and a space", "\t ")):
        yield case(f"it is {name}", text, invalid)


def wrapped(under=MASTER_KEY, key=KEY):
    return NONCE + AESGCM(under).encrypt(NONCE, key, None)


def make_good_store(path):
    connection = sqlite3.connect(path)
    connection.executescript(
        "PRAGMA page_size = 512; PRAGMA auto_vacuum = NONE;"
        "CREATE TABLE encryption_keys (user_id TEXT PRIMARY KEY, encrypted_key BLOB NOT NULL, created_at TEXT NOT NULL);"
        "CREATE TABLE keycask_meta(name TEXT PRIMARY KEY, value);"
        "CREATE TABLE keycask_master(id BLOB PRIMARY KEY, state TEXT, created_at TEXT);"
    )
    connection.execute("INSERT INTO encryption_keys VALUES (?, ?, ?)", (USER, wrapped(), CREATED))
    connection.executemany("INSERT INTO keycask_meta VALUES (?, ?)", [("store_id", bytes(16)), ("must_read", 0), ("must_write", 0)])
    connection.execute("INSERT INTO keycask_master VALUES (?, 'active', ?)", (hmac.digest(MASTER_KEY, b"keycask master key id", hashlib.sha256)[:16], CREATED))
    connection.commit()
    connection.close()


def stores(good):
    """A copy of good.db with some bytes changed, and a call that opens it with the good master key."""
    data = good.read_bytes()

    def altered(*statements):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "altered.db"
            shutil.copy(good, path)
            connection = sqlite3.connect(path, isolation_level=None)
            connection.execute("PRAGMA journal_mode = OFF")
            for statement, *values in statements:
                connection.execute(statement, values)
            connection.close()
            now = path.read_bytes()
            return now[:96] + data[96:100] + now[100:]  # the number of the SQLite that wrote it

    def case(sentence, now, call, status):
        patches, at = [], 0
        while at < max(len(now), 0):
            if at >= len(data) or now[at] != data[at]:
                end = at
                while end < len(now) and (end >= len(data) or now[end] != data[end]):
                    end += 1
                patches.append({"at": at, "bytes": now[at:end].hex()})
                at = end
            else:
                at += 1
        return {"sentence": sentence, "length": len(now), "patches": patches, "call": call, "status": status}

    key_row = "UPDATE encryption_keys SET encrypted_key = ?"
    for at in (0, 11, 12, 43, 44, 59):
        yield case(f"one bit of the wrapped key is another (byte {at})", altered((key_row, flipped(wrapped(), at))), "decrypt", "KC_E_CORRUPT")
    for length in (0, 12, 28, 59):
        yield case(f"the wrapped key has {length} bytes", altered((key_row, wrapped()[:length])), "decrypt", "KC_E_CORRUPT")
    yield case("the wrapped key has a byte more", altered((key_row, wrapped() + b"\0")), "decrypt", "KC_E_CORRUPT")
    yield case("the wrapped key is text", altered((key_row, "A" * 60)), "decrypt", "KC_E_CORRUPT")
    yield case("the wrapped key is a number", altered((key_row, 7)), "decrypt", "KC_E_CORRUPT")
    yield case("the wrapped key holds 16 bytes", altered((key_row, wrapped(key=KEY[:16]))), "decrypt", "KC_E_CORRUPT")
    yield case("the key is wrapped under another master key", altered((key_row, wrapped(under=KEY))), "decrypt", "KC_E_CORRUPT")
    yield case("a key that is damaged is not made anew", altered((key_row, b"")), "encrypt", "KC_E_CORRUPT")
    yield case("the user holds another key", altered((key_row, wrapped(key=MASTER_KEY))), "decrypt", "KC_E_AUTHENTICATION")
    yield case("the user has no row", altered(("DELETE FROM encryption_keys",)), "decrypt", "KC_E_UNKNOWN_USER")
    yield case("the user's name is in capitals", altered(("UPDATE encryption_keys SET user_id = 'ALICE'",)), "decrypt", "KC_E_UNKNOWN_USER")
    yield case("the user's name is bytes", altered(("UPDATE encryption_keys SET user_id = x'616c696365'",)), "decrypt", "KC_E_UNKNOWN_USER")
    state = "UPDATE keycask_master SET state = ?"
    yield case("the master key is retiring, and makes no key", altered((state, "retiring"), ("DELETE FROM encryption_keys",)), "open", "KC_E_MASTER_KEY_WRONG")
    yield case("the master key is retired", altered((state, "retired")), "open", "KC_E_MASTER_KEY_WRONG")
    yield case("the master key is in a state that nobody knows", altered((state, "asleep")), "open", "KC_E_CORRUPT")
    yield case("another master key is registered", altered(("UPDATE keycask_master SET id = ?", bytes(16))), "open", "KC_E_MASTER_KEY_WRONG")
    yield case("the registered master key's name is short", altered(("UPDATE keycask_master SET id = ?", bytes(15))), "open", "KC_E_CORRUPT")
    meta = "UPDATE keycask_meta SET value = ? WHERE name = ?"
    yield case("readers must know something that this release does not", altered((meta, 1 << 40, "must_read")), "open", "KC_E_UNSUPPORTED")
    yield case("writers must know something that this release does not", altered((meta, 1 << 40, "must_write"), ("DELETE FROM encryption_keys",)), "encrypt", "KC_E_UNSUPPORTED")
    yield case("what readers must know is text", altered((meta, "none", "must_read")), "open", "KC_E_CORRUPT")
    yield case("what readers must know is missing", altered(("DELETE FROM keycask_meta WHERE name = 'must_read'",)), "open", "KC_E_CORRUPT")
    yield case("the key table has a column more", altered(("ALTER TABLE encryption_keys ADD COLUMN note TEXT",)), "open", "KC_E_UNSUPPORTED")
    yield case("the key table has another name", altered(("ALTER TABLE encryption_keys RENAME TO keys",)), "open", "KC_E_UNSUPPORTED")
    yield case("the file does not begin as an SQLite database", flipped(data, 0), "open", "KC_E_CORRUPT")
    yield case("the file is text", b"sk-acme\n" * 64, "open", "KC_E_CORRUPT")
    yield case("the file ends in the middle", data[: len(data) // 2], "decrypt", "KC_E_CORRUPT")


def calls():
    """A call on an open store in memory that has the user; what is not named is as in the good call."""

    def case(sentence, call, status, **given):
        return {"sentence": sentence, "call": call, "given": given, "status": status}

    for call in ("encrypt", "decrypt", "user_key"):
        yield case("the user is empty", call, "KC_E_ARGUMENT", user_hex="")
        yield case("the user is no UTF-8", call, "KC_E_ARGUMENT", user_hex="616cff")
        yield case("the user is cut in the middle of a character", call, "KC_E_ARGUMENT", user_hex="616cc3")
        yield case("the user is a surrogate", call, "KC_E_ARGUMENT", user_hex="eda080")
        yield case("the user has 4,097 bytes", call, "KC_E_LIMIT", user_hex="61" * 4097)
        yield case("the user is not cached, and only what is may be used", call, "KC_E_WOULD_BLOCK", user_hex="626f62", flags=["KC_CACHED_ONLY"])
    yield case("the user is unknown", "decrypt", "KC_E_UNKNOWN_USER", user_hex="626f62")
    yield case("the user is unknown, and has to exist", "encrypt", "KC_E_UNKNOWN_USER", user_hex="626f62", flags=["KC_EXISTING"])
    yield case("the user is unknown, and has to exist", "user_key", "KC_E_UNKNOWN_USER", user_hex="626f62", flags=["KC_EXISTING"])
    yield case("the token is another user's", "decrypt", "KC_E_AUTHENTICATION", token=GOOD)
    for length in (0, 16, 31, 33):
        yield case(f"the key to import has {length} bytes", "key_import", "KC_E_ARGUMENT", raw_hex=(bytes(length)).hex())
    for length in (0, 31, 33):
        status = "KC_E_MASTER_KEY_MISSING" if length == 0 else "KC_E_MASTER_KEY_INVALID"
        yield case(f"the master keys have {length} bytes", "open", status, master_keys_hex=bytes(length).hex())
    yield case("there are 17 master keys", "open", "KC_E_LIMIT", master_keys_hex=(bytes(range(17)) * 32).hex())
    for sentence, location, status in (
        ("the location is empty", "", "KC_E_ARGUMENT"),
        ("the location has a scheme that this release does not know", "redis://host/0", "KC_E_UNSUPPORTED"),
        ("the location is a URL of a file", "file:keys.db", "KC_E_UNSUPPORTED"),
        ("the location has 4,097 bytes", "x" * 4097, "KC_E_LIMIT"),
        ("the location holds a NUL", "keys\0.db", "KC_E_ARGUMENT"),
        ("the location is a folder", "/", "KC_E_IO"),
        ("the location is a device", "/dev/null", "KC_E_UNSUPPORTED"),
    ):
        yield case(sentence, "open", status, location=location)


def made():
    good = HERE / "good.db"
    if not good.exists():
        make_good_store(good)
    return {
        "about": "Made by make_failures.py: each case differs from a good one in a single thing. README.md beside it says how they are run.",
        "good": {"key": KEY.hex(), "plaintext": PLAINTEXT.decode(), "token": GOOD, "master_key": MASTER_KEY.hex(), "master_key_text": MASTER_TEXT, "store": "good.db", "user": USER},
        "tokens": list(tokens()),
        "master_keys": list(master_keys()),
        "stores": list(stores(good)),
        "calls": list(calls()),
    }


def main():
    text = json.dumps(made(), ensure_ascii=False, indent=1) + "\n"
    path = HERE / "failures.json"
    if sys.argv[1:] == ["--check"]:
        if path.read_text(encoding="utf-8") != text:
            sys.exit("failures.json is not what make_failures.py makes: run it")
    else:
        path.write_text(text, encoding="utf-8")


main()
