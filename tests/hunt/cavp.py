"""NIST's CAVP vectors of AES-256-GCM, through the C interface: those with the format's lengths of nonce and tag, and without
associated data.

    cavp.py      the library is KEYCASK_LIBRARY; the vectors are those of the package cryptography_vectors
"""

import base64
import importlib.resources
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "interop"))

import capi  # noqa: E402


def cases(name):
    """(fields, whether it must fail) of a response file."""
    text = importlib.resources.files("cryptography_vectors").joinpath(f"ciphers/AES/GCM/{name}").read_text()
    lengths, fields, fails = {}, {}, False
    for line in [*text.splitlines(), ""]:
        if line.startswith("["):
            name, _, value = line.strip("[]").partition(" = ")
            lengths[name] = int(value)
        elif line == "FAIL":
            fails = True
        elif " =" in line:
            name, _, value = line.partition(" =")
            fields[name] = value.strip()
        elif not line and "Key" in fields:
            if (lengths["IVlen"], lengths["AADlen"], lengths["Taglen"]) == (96, 0, 128):
                yield {name: bytes.fromhex(fields[name]) for name in ("Key", "IV", "CT", "Tag")}, bytes.fromhex(fields.get("PT", "")), fails
            fields, fails = {}, False


def main():
    opened = refused = 0
    wrong = []
    for name in ("gcmDecrypt256.rsp", "gcmEncryptExtIV256.rsp"):
        for given, plaintext, fails in cases(name):
            token = "v2:" + base64.urlsafe_b64encode(given["IV"] + given["CT"] + given["Tag"]).decode()
            with capi.Key.from_bytes(given["Key"]) as key:
                try:
                    answer = key.decrypt(token)
                except capi.KeycaskError as error:
                    answer = error.status
            if answer != ("KC_E_AUTHENTICATION" if fails else plaintext):
                wrong.append(f"{name}: {token}: {answer!r}")
            opened, refused = opened + (not fails), refused + fails
    print(f"CAVP, AES-256-GCM: {opened} vectors to be opened, {refused} to be refused, {len(wrong)} answered wrongly")
    print(*wrong[:5], sep="\n")
    sys.exit(bool(wrong) or opened < 100 or refused < 30)


main()
