"""What a user's earlier keys cost.

    KEYCASK_LIBRARY=… versions.py [--versions N]

The time to decrypt a current token of a user with one key, and of one with N earlier ones, in turns. Also that a token under
the very first of them opens.
"""

import argparse
import statistics
import time

from common import capi, finish, master_key

TURNS, CALLS = 60, 2000


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--versions", type=int, default=10_000)
    options = arguments.parse_args()
    times, troubles = {"one": [], "many": []}, []
    with capi.Store(":memory:", master_key(1)) as store:
        first = store.encrypt("many", b"first")
        for _ in range(options.versions):
            store.rotate_user("many")
        tokens = {user: store.encrypt(user, bytes(51)) for user in times}
        plaintext, size = capi.ctypes.create_string_buffer(100), capi.c_size_t()
        for _ in range(TURNS):
            for user, token in tokens.items():
                name, text = user.encode(), token.encode()
                begun = time.perf_counter()
                for _ in range(CALLS):
                    capi.LIBRARY.kc_decrypt(store.value, name, len(name), text, len(text), None, plaintext, 100, size, None)
                times[user].append((time.perf_counter() - begun) / CALLS)
        begun = time.perf_counter()
        if store.decrypt("many", first) != b"first":
            troubles.append("the first token opens to something else")
        oldest = time.perf_counter() - begun
        kept = store.check().versions
    if kept != options.versions:
        troubles.append(f"{kept} versions are kept")
    one, many = statistics.median(times["one"]), statistics.median(times["many"])
    finish(f"{kept} earlier keys: a current token costs {many / one:.2f} times what it costs with one key ({1e9 * one:.0f} ns); one "
           f"under the very first key {1e3 * oldest:.1f} ms", troubles)


if __name__ == "__main__":
    main()
