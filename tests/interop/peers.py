"""Programs in several languages at one store: they open each other's tokens, also while all make the same users' keys.

    peers.py NAME=PROGRAM…      besides the independent Python implementation (format.py), which is always one of them

A peer takes the store's location as its argument and the master key from API_KEY_MASTER_KEY. Each line that it reads is a
call, `encrypt`, a user and the plaintext in hex, or `decrypt`, a user and a token, with tabs between. It answers a line: the
token, the plaintext in hex, or `! ` and why not.
"""

import base64
import os
import shlex
import sqlite3
import subprocess
import sys
import tempfile
import threading

import format

MASTER_KEY = bytes(range(32))
USERS = 60


class Program:
    """A peer in a process of its own."""

    def __init__(self, command, path):
        environment = {**os.environ, "API_KEY_MASTER_KEY": base64.urlsafe_b64encode(MASTER_KEY).decode()}
        self.process = subprocess.Popen([*shlex.split(command), path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)

    def call(self, *words):
        self.process.stdin.write("\t".join(words) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().rstrip("\n") or f"! it ended with {self.process.wait()}"

    def encrypt(self, user, plaintext):
        return self.call("encrypt", user, plaintext.encode().hex())

    def decrypt(self, user, token):
        answer = self.call("decrypt", user, token)
        return answer if answer.startswith("!") else bytes.fromhex(answer).decode()

    def end(self):
        self.process.stdin.close()
        return self.process.wait()


class Python:
    """format.py, which knows nothing of keycask."""

    def __init__(self, path):
        self.path = path

    def patiently(self, function, user):
        # SQLite's own waiting is not fair; who was passed over too often tries again.
        while True:
            try:
                return function(self.path, MASTER_KEY, user)
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise

    def encrypt(self, user, plaintext):
        return format.encrypt(self.patiently(format.get_or_create_user_key, user), plaintext.encode())

    def decrypt(self, user, token):
        return format.decrypt(self.patiently(format.user_key, user), token).decode()

    def end(self):
        return 0


def at_once(peers, work):
    """What `work` answers for each peer, all of them running at the same time."""
    answers, begin = {}, threading.Barrier(len(peers))

    def run(name):
        begin.wait()
        answers[name] = work(name)

    threads = [threading.Thread(target=run, args=(name,)) for name in peers]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return answers


def main():
    programs = dict(each.split("=", 1) for each in sys.argv[1:])
    failures, checked = [], 0
    for wal in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/keys.db"
            peers = {name: Program(command, path) for name, command in programs.items()}
            first = next(iter(peers))
            peers[first].encrypt("first", "the store is made")
            if wal:
                sqlite3.connect(path).execute("PRAGMA journal_mode = WAL")
            peers["Python module"] = Python(path)
            users = [f"user {number}" for number in range(USERS)]
            secret = "{}'s secret of {}".format
            tokens = at_once(peers, lambda name: {user: peers[name].encrypt(user, secret(name, user)) for user in users})
            opened = at_once(peers, lambda name: {
                (maker, user): peers[name].decrypt(user, token) for maker, made in tokens.items() for user, token in made.items()
            })
            for name, answers in opened.items():
                for (maker, user), answer in answers.items():
                    checked += 1
                    if answer != secret(maker, user):
                        failures.append(f"{name} opens {user}'s token by {maker} to {answer!r}")
            for name, peer in peers.items():
                if peer.end() != 0:
                    failures.append(f"{name} ended with an error")
    if failures:
        print(*failures[:10], sep="\n")
    print(f"{len(peers)} peers at one store, in two journal modes: {checked} tokens opened, {len(failures)} of them wrongly")
    sys.exit(bool(failures))


main()
