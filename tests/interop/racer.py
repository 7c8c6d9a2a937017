"""One of two processes that make users' keys in one store at the same moment.

    racer.py python|keycask STORE OWN_TOKENS PEER_TOKENS SECONDS

Both get the same starting time on standard input. Time is cut into slots, and each slot is a new user, so both
processes reach for the key of the same user together. Each writes its tokens to OWN_TOKENS, a JSON list a line, and
opens all that its peer writes to PEER_TOKENS. The last line on standard output counts what was done, as JSON.

`python` knows format.py and nothing of keycask; `keycask` knows the library and nothing else.
"""

import json
import pathlib
import sqlite3
import sys
import time

MASTER_KEY = bytes(range(32))
# SQLite sleeps for multiples of 25 ms before it tries again; in shorter slots, on a slow disk, it could meet the other side's
# transaction each time.
SLOTS_A_SECOND = 20
ENOUGH = 11


def python_side(path):
    import format

    def patiently(function, user):
        # SQLite's own waiting is not fair; who was passed over too often tries again.
        while True:
            try:
                return function(path, MASTER_KEY, user)
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise

    return (lambda user, secret: format.encrypt(patiently(format.get_or_create_user_key, user), secret),
            lambda user, token: format.decrypt(patiently(format.user_key, user), token))


def keycask_side(path):
    import capi

    store = capi.Store(path, MASTER_KEY)
    return store.encrypt, store.decrypt


def main():
    side, path, own, peer, seconds = sys.argv[1:]
    encrypt, decrypt = {"python": python_side, "keycask": keycask_side}[side](path)
    pathlib.Path(own).touch()
    print("ready", flush=True)
    start = float(sys.stdin.readline())
    while not pathlib.Path(peer).exists():
        time.sleep(0.01)

    made = opened = 0
    with open(own, "w", encoding="utf-8") as out, open(peer, encoding="utf-8") as incoming:
        unread, slot = "", -1
        # On a busy machine one side may have few turns in that time; it is given those that the test needs.
        while (now := time.time()) < start + float(seconds) or min(made, opened) < ENOUGH:
            current = int((now - start) * SLOTS_A_SECOND)
            if now < start or current == slot:
                time.sleep(max(start + (slot + 1) / SLOTS_A_SECOND - now, 0))
                continue
            slot = current
            user, secret = f"racer {slot}", f"{side}'s secret in slot {slot}"
            out.write(json.dumps([user, secret, encrypt(user, secret.encode())]) + "\n")
            out.flush()
            made += 1

            *lines, unread = (unread + incoming.read()).split("\n")
            for user, secret, token in map(json.loads, lines):
                if decrypt(user, token) != secret.encode():
                    sys.exit(f"{side}: the token of {user} opens to something else")
                opened += 1
    print(json.dumps({"made": made, "opened": opened}))


if __name__ == "__main__":
    main()
