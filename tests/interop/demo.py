#!/usr/bin/env python3
"""A Python program at a keycask store, with the `cryptography` package and sqlite3 alone.

    demo.py read STORE USER TOKEN      prints the secret that the token holds
    demo.py write STORE USER SECRET    prints a token that holds the secret, made under the user's key

The master key comes from the environment, as the C program's does.
"""

import os
import sys

import format


def read(store, master_key, user, token):
    key = format.user_key(store, master_key, user)
    if key is None:
        sys.exit(f"demo.py: {store} has no key for the user '{user}'")
    return format.decrypt(key, token).decode()


def write(store, master_key, user, secret):
    key = format.get_or_create_user_key(store, master_key, user)
    return format.encrypt(key, secret.encode())


def main():
    actions = {"read": read, "write": write}
    if len(sys.argv) != 5 or sys.argv[1] not in actions:
        sys.exit(__doc__)
    _, action, store, user, value = sys.argv
    if not os.path.exists(store):
        sys.exit(f"demo.py: there is no store at {store}")
    try:
        print(actions[action](store, format.master_key_from_environment(), user, value))
    except format.FormatError as error:
        sys.exit(f"demo.py: {error}")


if __name__ == "__main__":
    main()
