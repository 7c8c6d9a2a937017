"""The smallest Python program that uses keycask. With a LOCATION it is a peer of tests/interop/peers.py: the master key is in
API_KEY_MASTER_KEY, and each line on standard input is a call."""

import sys

import keycask


def answer(store, verb, user, text):
    try:
        if verb == "encrypt":
            return store.encrypt_bytes(user, bytes.fromhex(text))
        return store.decrypt_bytes(user, text).hex()
    except keycask.Error as error:
        return f"! {error}"


def main():
    if len(sys.argv) < 2:
        with keycask.open(":memory:", master_key=keycask.generate_master_key()) as store:
            assert store.decrypt("alice", store.encrypt("alice", "sk-alice-1234")) == "sk-alice-1234"
        return
    with keycask.open(sys.argv[1]) as store:
        for line in sys.stdin:
            print(answer(store, *line.rstrip("\n").split("\t")), flush=True)


main()
