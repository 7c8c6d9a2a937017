#!/usr/bin/env python3
"""Makes keycask.json, the vectors of our own, beside this file.

    make.py           writes keycask.json
    make.py --check   compares it with what would be written, and fails where they differ

Keys and nonces are fixed, so every run gives the same file. The 'reference' answers are not written by hand: the
Python module's own rule is run for each case (`module_decrypt`, `module_master_key`). The 'keycask' and 'strict'
answers are stated case by case, from docs/format.md, and are what the tests hold keycask to.

Needs the `cryptography` package, and a Python whose base64 decoder stops at complete padding, as every Python did
until gh-145264 changed it early in 2026. A later one is refused: it would write other reference answers.
"""

import base64
import hashlib
import hmac
import json
import pathlib
import sys

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

HERE = pathlib.Path(__file__).resolve().parent
KEY = bytes(range(32))
# One nonce for all: these are test vectors under a published key, and nothing else may do so. It begins with the bits
# of '+', '/', '+', '/', so that every token shows which alphabet it is in.
NONCE = bytes.fromhex("fbffbf000102030405060708")
MASTER_KEY = bytes.fromhex("fbffbf" + "".join(f"{n:02x}" for n in range(29)))

WHITE_SPACE = {"space": " ", "tab": "\t", "line feed": "\n", "vertical tab": "\v", "form feed": "\f",
               "carriage return": "\r"}
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

FORMAT = {"status": "KC_E_FORMAT"}
AUTHENTICATION = {"status": "KC_E_AUTHENTICATION"}
UNSUPPORTED = {"status": "KC_E_UNSUPPORTED"}
INVALID = {"status": "KC_E_MASTER_KEY_INVALID"}
MISSING = {"status": "KC_E_MASTER_KEY_MISSING"}


# The module's rules, re-run.

def module_decrypt(key, token):
    try:
        data = base64.urlsafe_b64decode(token[3:] if token.startswith("v2:") else token)
        if len(data) < 28:
            raise ValueError("Encrypted data too short")
        return {"ok": AESGCM(key).decrypt(data[:12], data[12:], None).decode()}
    except Exception as error:
        return {"error": type(error).__name__, "message": str(error)}


def module_master_key(value):
    if value is None or not value.strip():
        return None
    try:
        key = base64.urlsafe_b64decode(value.strip())
        if len(key) != 32:
            raise ValueError("not 32 bytes")
        return key.hex()
    except Exception:
        return None


# Texts to vary.

def seal(plaintext):
    return NONCE + AESGCM(KEY).encrypt(NONCE, plaintext, None)


def url_safe(data):
    return base64.urlsafe_b64encode(data).decode()


def standard(data):
    return base64.b64encode(data).decode()


def mixed(data):
    """'+' and '_' where there is a choice at the start, the url-safe alphabet after it."""
    text = url_safe(data)
    return text[:4].replace("-", "+") + text[4:]


def with_trailing_bits(text, bits):
    """The same text with `bits` set among those of its last character that belong to no byte."""
    data = text.rstrip("=")
    last = ALPHABET[ALPHABET.index(data[-1]) | bits]
    return data[:-1] + last + text[len(data):]


def decode_cases():
    def ok(plaintext):
        return {"ok_hex": plaintext.hex()}

    none, one, two = b"hello, acme", b"hello acme", b"hello, acme!"       # how many '=' each ends in
    text0, text1, text2 = url_safe(seal(none)), url_safe(seal(one)), url_safe(seal(two))
    data1, data2 = text1.rstrip("="), text2.rstrip("=")
    assert (text0[-1] != "=", text1, text2) == (True, data1 + "=", data2 + "==")
    assert text1.startswith("-_-_") and standard(seal(one)).startswith("+/+/")

    cases = []

    def case(name, token, keycask, strict=FORMAT):
        cases.append({"name": name, "key": KEY.hex(), "token": token, "reference": module_decrypt(KEY, token),
                      "keycask": keycask, "strict": strict})

    for count, plaintext, text in (("no", none, text0), ("one", one, text1), ("two", two, text2)):
        case(f"canonical, {count} =", "v2:" + text, ok(plaintext), ok(plaintext))
    case("canonical, empty plaintext (28 bytes)", "v2:" + url_safe(seal(b"")), ok(b""), ok(b""))

    case("standard alphabet", "v2:" + standard(seal(one)), ok(one))
    case("mixed alphabets", "v2:" + mixed(seal(one)), ok(one))
    case("url-safe, without prefix", text1, ok(one))
    case("standard alphabet, without prefix", standard(seal(one)), ok(one))
    case("mixed alphabets, without prefix", mixed(seal(one)), ok(one))

    case("trailing bits beside one =, lowest", "v2:" + with_trailing_bits(text1, 1), ok(one))
    case("trailing bits beside one =, all", "v2:" + with_trailing_bits(text1, 3), ok(one))
    case("trailing bits beside two =, lowest", "v2:" + with_trailing_bits(text2, 1), ok(two))
    case("trailing bits beside two =, all", "v2:" + with_trailing_bits(text2, 15), ok(two))
    case("trailing bits without padding", "v2:" + with_trailing_bits(data1, 3), ok(one))

    case("no padding where one = belongs", "v2:" + data1, ok(one))
    case("no padding where two = belong", "v2:" + data2, ok(two))
    case("no padding, without prefix", data2, ok(two))
    case("no padding, standard alphabet, without prefix", standard(seal(one)).rstrip("="), ok(one))
    case("one = where two belong", "v2:" + data2 + "=", FORMAT)
    case("two = where one belongs", "v2:" + text1 + "=", FORMAT)
    case("three = where two belong", "v2:" + text2 + "=", FORMAT)
    case("four = where two belong", "v2:" + text2 + "==", FORMAT)
    case("three = where one belongs", "v2:" + text1 + "==", FORMAT)
    case("one = where none belongs", "v2:" + text0 + "=", FORMAT)
    case("two = where none belongs", "v2:" + text0 + "==", FORMAT)
    case("four = where none belongs", "v2:" + text0 + "====", FORMAT)
    case("= in front", "v2:=" + text1, FORMAT)
    case("= in the middle, quad position 2", "v2:" + text1[:22] + "=" + text1[22:], FORMAT)
    case("= in the middle, quad position 3", "v2:" + text1[:23] + "=" + text1[23:], FORMAT)
    case("= between two groups", "v2:" + text1[:24] + "=" + text1[24:], FORMAT)
    case("text behind the padding", "v2:" + text1 + "AAAA", FORMAT)
    case("one character behind the padding", "v2:" + text2 + "A", FORMAT)
    case("one character between two =", "v2:" + data2 + "=A=", FORMAT)
    case("text behind padding and white space", "v2:" + text1 + " AAAA", FORMAT)
    case("a second token behind the first", "v2:" + text1 + "v2:" + text1, FORMAT)
    case("data length 1 mod 4", "v2:" + text0 + "A", FORMAT)
    case("data length 1 mod 4, padded with three =", "v2:" + text0 + "A===", FORMAT)

    for name, char in WHITE_SPACE.items():
        case(f"{name} after the prefix", "v2:" + char + text1, ok(one))
        case(f"{name} inside", "v2:" + text1[:21] + char + text1[21:], ok(one))
        case(f"{name} between two =", "v2:" + data2 + "=" + char + "=", ok(two))
        case(f"{name} behind the padding", "v2:" + text1 + char, ok(one))
        case(f"{name} before the prefix", char + "v2:" + text1, FORMAT)
        case(f"{name} inside the prefix", "v2" + char + ":" + text1, FORMAT)
    case("white space before the padding", "v2:" + data2 + "\r\n==", ok(two))
    case("white space without padding", "v2:" + data1[:30] + "\n" + data1[30:] + "\n", ok(one))
    case("white space in front, without prefix", "\n " + text1, ok(one))
    case("white space between all characters", "v2:" + " ".join(text1), ok(one))
    case("line break every 20 characters",
         "v2:" + "\r\n".join(text1[i:i + 20] for i in range(0, len(text1), 20)) + "\r\n", ok(one))

    for name, char in (("NUL", "\0"), (".", "."), ("!", "!"), (":", ":"), ("backslash", "\\"),
                       ("file separator (U+001C)", "\x1c"), ("delete (U+007F)", "\x7f"),
                       ("non-ASCII letter", "é"), ("no-break space", "\u00a0"),
                       ("zero width no-break space", "\ufeff")):
        case(f"{name} inside", "v2:" + text1[:21] + char + text1[21:], FORMAT)
    case("NUL behind the padding", "v2:" + text1 + "\0", FORMAT)
    case("no-break space behind the padding", "v2:" + text1 + "\u00a0", FORMAT)
    case("U+FEFF in front of the prefix", "\ufeffv2:" + text1, FORMAT)
    case("in double quotes", f'"v2:{text1}"', FORMAT)

    case("v3", "v3:" + text1, UNSUPPORTED, UNSUPPORTED)
    case("v3, empty", "v3:", UNSUPPORTED, UNSUPPORTED)
    case("white space before v3", " v3:" + text1, FORMAT)
    case("v2 before v3", "v2:v3:" + text1, FORMAT)

    case("27 bytes", "v2:" + url_safe(seal(b"")[:27]), FORMAT)
    case("27 bytes, without prefix", url_safe(seal(b"")[:27]), FORMAT)
    case("27 bytes and white space", "v2:" + url_safe(seal(b"")[:27]) + " " * 28, FORMAT)
    case("28 bytes, not sealed under this key", "v2:" + url_safe(NONCE + bytes(16)), AUTHENTICATION, AUTHENTICATION)
    case("28 bytes, without padding", "v2:" + url_safe(seal(b"")).rstrip("="), ok(b""))
    case("prefix and white space", "v2: \t\n\v\f\r", FORMAT)
    case("white space alone", " \n", FORMAT)
    case("padding alone", "v2:====", FORMAT)
    return cases


def master_key_cases():
    ok = {"ok_hex": MASTER_KEY.hex()}
    text, bare = url_safe(MASTER_KEY), url_safe(MASTER_KEY).rstrip("=")
    assert text.startswith("-_-_") and text == bare + "=" and len(text) == 44
    other = bytes(range(32))
    assert not set("-_+/") & set(url_safe(other))
    # All that Python's str.strip() takes away.
    blank = "\t\n\v\f\r\x1c\x1d\x1e\x1f \u0085\u00a0\u1680" + "".join(map(chr, range(0x2000, 0x200b)))
    blank += "\u2028\u2029\u202f\u205f\u3000"
    assert set(blank) == {chr(c) for c in range(sys.maxunicode + 1) if chr(c).isspace()}
    cases = []

    def case(name, value, keycask):
        cases.append({"name": name, "value": value, "reference": module_master_key(value), "keycask": keycask})

    case("url-safe, with - and _", text, ok)
    case("standard alphabet, with + and /", standard(MASTER_KEY), ok)
    case("mixed alphabets", mixed(MASTER_KEY), ok)
    case("no character of either alphabet's own", url_safe(other), {"ok_hex": other.hex()})
    for bits in (1, 2, 3):
        case(f"trailing bits {bits:02b}", with_trailing_bits(text, bits), ok)

    case("in double quotes", f'"{text}"', ok)
    case("in single quotes", f"'{text}'", ok)
    case("an opening quote alone", f'"{text}', ok)
    case("in quotes, white space inside them", f'" {text} "', ok)
    case("comment behind the padding", text + " # the production key", ok)
    case("letters behind the padding", text + "abcd", ok)
    case("a second key behind the padding", text + url_safe(other), ok)
    case("two =", text + "=", ok)
    case("padding of another line behind the padding", text + "\n====\n", ok)
    case("a whole assignment", "API_KEY_MASTER_KEY=" + text, INVALID)

    case("43 characters without padding", bare, ok)
    case("without padding, white space around", f"\n{bare}\r\n", ok)
    case("without padding, in double quotes", f'"{bare}"', ok)
    case("without padding, standard alphabet", standard(MASTER_KEY).rstrip("="), ok)
    case("without padding, trailing bits", with_trailing_bits(bare, 3), ok)
    case("without padding, comment behind", bare + " # the production key", INVALID)
    case("without padding, comment of one letter behind", bare + " # k", INVALID)
    case("without padding, comment without letters behind", bare + " # !", ok)

    for name, char in (("no-break space", "\u00a0"), ("ideographic space (U+3000)", "\u3000"),
                       ("next line (U+0085)", "\u0085"), ("line separator (U+2028)", "\u2028"),
                       ("file separator (U+001C)", "\x1c"), ("unit separator (U+001F)", "\x1f")):
        case(f"{name} around", char + text + char, ok)
        case(f"{name} around, without padding", char + bare + char, ok)
    case("every white space of Unicode around", blank + text + blank, ok)
    for name, char in WHITE_SPACE.items():
        case(f"{name} around", char + text + char, ok)
        case(f"{name} inside", text[:21] + char + text[21:], ok)
    case("line break inside (CR LF)", text[:22] + "\r\n" + text[22:], ok)
    case("line break before the padding", bare + "\n=", ok)
    case("file separator (U+001C) inside", text[:21] + "\x1c" + text[21:], ok)
    case("control characters inside", "\x01" + text[:21] + "\x7f" + text[21:], ok)

    case("no-break space inside", text[:21] + "\u00a0" + text[21:], INVALID)
    case("no-break space inside quotes", f'"\u00a0{text}"', INVALID)
    case("non-ASCII letter inside", text[:21] + "é" + text[21:], INVALID)
    case("non-ASCII comment behind the padding", text + " # ключ", INVALID)
    case("typographic quotes", f"\u201c{text}\u201d", INVALID)
    case("U+FEFF in front", "\ufeff" + text, INVALID)
    case("zero width space (U+200B) around", f"\u200b{text}\u200b", INVALID)

    case("blank: no-break spaces", "\u00a0\u00a0", MISSING)
    case("blank: every white space of Unicode", blank, MISSING)
    case("U+FEFF alone", "\ufeff", INVALID)
    case("quotes alone", '""', INVALID)
    case("one = alone", "=", INVALID)
    case("four = alone", "====", INVALID)
    case("a comment alone", "# none yet", INVALID)

    case("= at quad position 0", "=" + text, ok)
    case("== at quad position 0", text[:20] + "==" + text[20:], ok)
    case("= at quad position 1", text[:21] + "=" + text[21:], ok)
    case("=== at quad position 1", text[:21] + "===" + text[21:], ok)
    case("one = at quad position 2, data behind", text[:22] + "=" + text[22:], ok)
    case("one = at quad position 2, data behind, without padding", bare[:22] + "=" + bare[22:], ok)
    case("one = at quad position 2 in every group", "=".join([bare[:2]] + [bare[i:i + 4] for i in range(2, 43, 4)]),
         ok)
    case("two = at quad position 2: complete early", text[:22] + "==" + text[22:], INVALID)
    case("two = with a quote between, at quad position 2: complete early", text[:22] + '="=' + text[22:], INVALID)
    case("one = at quad position 3: complete early", text[:23] + "=" + text[23:], INVALID)
    case("complete early, 32 bytes behind it", "AAA=" + text, INVALID)
    case("one = at quad position 2 and one at 3", text[:22] + "=" + text[22] + "=" + text[23:], INVALID)

    for size in (16, 24):
        case(f"{size} bytes", url_safe(MASTER_KEY[:size]), INVALID)
    case("31 bytes without padding", url_safe(MASTER_KEY[:31]).rstrip("="), INVALID)
    case("31 bytes, one = where two belong", url_safe(MASTER_KEY[:31]).rstrip("=") + "=", INVALID)
    case("33 bytes", url_safe(MASTER_KEY + b"!"), INVALID)
    case("34 bytes without padding", url_safe(MASTER_KEY + b"!!").rstrip("="), INVALID)
    case("41 characters", bare[:41], INVALID)
    case("45 characters", bare + "AA", INVALID)
    case("one character", "A", INVALID)
    case("hex in upper case", MASTER_KEY.hex().upper(), INVALID)
    return cases


def master_key_ids():
    """Public: what keycask_master.id holds for a master key."""
    keys = (MASTER_KEY, bytes(32), bytes(range(100, 132)))
    return [{"master_key": key.hex(), "id": hmac.digest(key, b"keycask master key id", hashlib.sha256)[:16].hex()}
            for key in keys]


DIFFERENCES = [
    {"section": "decode", "case": "without padding", "keycask": {"ok_hex": b"hello acme".hex()},
     "reason": "Padding carries nothing, so a token without any is read."},
    {"section": "decode", "case": "plaintext is not UTF-8", "keycask": {"ok_hex": "fffefd"},
     "reason": "A plaintext is bytes; only the module insists on UTF-8."},
    {"section": "master_key_env", "case": "without padding",
     "keycask": {"ok_hex": "4617347e6626de0c6d35ceffd2d1ca8d4cf6e688b6e67fc5c25775dd85af5171"},
     "reason": "Padding carries nothing, so a master key without any is read."},
    {"section": "is_encrypted", "case": "v3:abc", "keycask": {"encrypted": True},
     "reason": "v3: is reserved for tokens of a later version, which must not be taken for plaintext."},
]


def document():
    return {
        "about": "Made by make.py. 'reference' holds what the Python module's rule answers when it is run; 'keycask' "
                 "what keycask answers; 'strict' what it answers to KC_STRICT. 'differences' lists the cases of "
                 "vectors.json in which keycask answers otherwise on purpose.",
        "decode": decode_cases(),
        "master_key_env": master_key_cases(),
        "master_key_id": master_key_ids(),
        "differences": DIFFERENCES,
    }


def check(made):
    """What can be checked without a second implementation."""
    for section in ("decode", "master_key_env"):
        names = [case["name"] for case in made[section]]
        assert len(names) == len(set(names)), f"{section}: a name stands twice"
    for case in made["decode"]:
        # Reading strictly is reading less; what the module reads and keycask reads too, both read alike.
        assert case["strict"] in (case["keycask"], FORMAT), case["name"]
        if "ok" in case["reference"] and "ok_hex" in case["keycask"]:
            assert case["reference"]["ok"].encode().hex() == case["keycask"]["ok_hex"], case["name"]
    for case in made["master_key_env"]:
        if case["reference"] is not None:
            assert case["keycask"] == {"ok_hex": case["reference"]}, case["name"]
    given = json.loads((HERE / "vectors.json").read_text())
    for difference in made["differences"]:
        key = "value" if difference["section"] == "is_encrypted" else "name"
        assert any(case[key] == difference["case"] for case in given[difference["section"]]), difference["case"]


def main():
    if base64.b64decode(b"AA==AAAA") != b"\0":
        sys.exit("make.py: this Python's base64 reads on behind complete padding (gh-145264), so the module's rule "
                 "gives other answers here; run it under Python 3.12 or older")
    made = document()
    check(made)
    text = json.dumps(made, indent=1) + "\n"
    path = HERE / "keycask.json"
    if "--check" in sys.argv[1:]:
        if path.read_text() != text:
            sys.exit("make.py: keycask.json is not what make.py makes; run it and look at the difference")
    else:
        path.write_text(text)


if __name__ == "__main__":
    main()
