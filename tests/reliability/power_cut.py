"""The power cut while users are made, for real: on a file system of its own, which is shut down without a flush.

    KEYCASK_LIBRARY=… power_cut.py [--rounds N] [--wal] [--processes N]

In each round processes create users on a loop-mounted ext4; at a random moment it stops as if the power were gone, and
nothing reaches the image any more. It is mounted again: every acknowledged user's token must open, with keycask and with
the independent Python implementation, and the file be whole. Needs root, and a kernel that mounts images.
"""

import argparse
import contextlib
import fcntl
import os
import random
import selectors
import signal
import struct
import subprocess
import tempfile
import time

from common import MASTER_KEY, capi, finish, integrity, lost, make_store, mode, skip

import format

FS_IOC_SHUTDOWN, WITHOUT_FLUSH = 0x8004587D, 2
LONGEST_ROUND = 0.25  # Seconds.


def create_users(path, out):
    try:
        with capi.Store(path, MASTER_KEY) as store:
            while True:
                user = f"{os.getpid()}-{time.monotonic_ns()}"
                os.write(out, f"{user} {store.encrypt(user, user.encode())}\n".encode())
    except BaseException as error:  # noqa: BLE001
        os.write(out, f"! {error!r}\n".encode())


@contextlib.contextmanager
def mounted(image, folder):
    subprocess.run(["mount", "-o", "loop", image, folder], check=True, capture_output=True)
    try:
        yield
    finally:
        for _ in range(100):
            if subprocess.run(["umount", folder], check=False, capture_output=True).returncode == 0:
                return
            time.sleep(0.05)
        subprocess.run(["umount", folder], check=True)


def shut_down(folder):
    descriptor = os.open(folder, os.O_RDONLY)
    fcntl.ioctl(descriptor, FS_IOC_SHUTDOWN, struct.pack("I", WITHOUT_FLUSH))
    os.close(descriptor)


def cut(folder, path, processes):
    """Creates users until the power is gone. Answers tokens, and errors of before the cut."""
    pipes, living = [], []
    selector = selectors.DefaultSelector()
    for _ in range(processes):
        output, out = os.pipe()
        living.append(os.fork())
        if living[-1] == 0:
            create_users(path, out)
            os._exit(0)
        os.close(out)
        pipes.append([output, b""])
        selector.register(output, selectors.EVENT_READ, pipes[-1])

    def read(seconds):
        for key, _ in selector.select(seconds):
            data = os.read(key.fd, 65536)
            key.data[1] += data
            if not data:
                selector.unregister(key.fd)
                os.close(key.fd)

    until = time.monotonic() + random.uniform(0.02, LONGEST_ROUND)
    while (left := until - time.monotonic()) > 0:
        read(left)
    before = [pipe[1].count(b"!") for pipe in pipes]
    shut_down(folder)
    time.sleep(0.01)
    for each in living:
        os.kill(each, signal.SIGKILL)
        os.waitpid(each, 0)
    while selector.get_map():
        read(None)
    lines = [line.decode().split(" ", 1) for _, data in pipes for line in data.split(b"\n")[:-1]]
    errors = [text for user, text in lines if user == "!"] if any(before) else []
    return {user: token for user, token in lines if user != "!"}, errors


def lost_to_python(path, tokens):
    gone = {}
    for user, token in tokens.items():
        try:
            if format.decrypt(format.user_key(path, MASTER_KEY, user) or bytes(32), token) != user.encode():
                gone[user] = f"{user}: to Python the token opens to something else"
        except format.FormatError as error:
            gone[user] = f"{user}: to Python: {error}"
    return gone


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rounds", type=int, default=10)
    arguments.add_argument("--processes", type=int, default=2)
    arguments.add_argument("--wal", action="store_true")
    options = arguments.parse_args()
    tokens, gone, errors, whole = {}, {}, [], []
    with tempfile.TemporaryDirectory() as scratch:
        image, folder = os.path.join(scratch, "image"), os.path.join(scratch, "disk")
        path = os.path.join(folder, "keys.db")
        os.mkdir(folder)
        try:
            with open(image, "wb") as file:
                file.truncate(64 * 1024 * 1024)
            subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True, capture_output=True)
            with mounted(image, folder):
                make_store(path, options.wal)
        except (OSError, subprocess.CalledProcessError) as error:
            skip("power_cut", f"no file system of its own: {error}")
        for number in range(options.rounds):
            with mounted(image, folder):
                made, troubles = cut(folder, path, options.processes)
            with mounted(image, folder):
                gone.update(lost(path, made))
                gone.update(lost_to_python(path, made))
                if (state := integrity(path)) != "ok":
                    whole.append(f"round {number}: {state}")
            tokens.update(made)
            errors += troubles
        with mounted(image, folder):
            gone.update(lost(path, tokens))
    finish(f"{mode(options.wal)}: the power was cut {options.rounds} times, {len(tokens)} users acknowledged, {len(gone)} "
           f"lost; {len(whole)} times not whole; {len(errors)} errors before the cut", gone, whole, errors)


if __name__ == "__main__":
    main()
