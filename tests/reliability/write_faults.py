"""Every system call of the first-key path failing in turn, and a full disk.

    KEYCASK_LIBRARY=… write_faults.py [--short] [--wal]

A process makes users: by a store that is open, by one that it opens, and in one that does not exist yet. Meanwhile strace
lets the Nth write, sync, truncation, removal or opening fail (once, and then all from the Nth on), for N from 1 until a run
has met no fault. After each: the status is a documented one, what was acknowledged opens, the file is whole, and the same
process does what had failed. At last a small file system, of which keycask takes all. --short: each call fails once alone.
"""

import argparse
import json
import mmap
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from common import MASTER_KEY, capi, finish, integrity, lost, make_store, mode, skip

ALLOWED = {"KC_E_IO", "KC_E_BUSY", "KC_E_READ_ONLY"}
FAULTS = [(call, "EIO") for call in ("write", "pwrite64", "fsync", "fdatasync", "ftruncate", "unlink", "rename", "openat",
                                     "mkdir", "fchmod", "pread64")]
FAULTS += [(call, "ENOSPC") for call in ("write", "pwrite64", "ftruncate", "openat", "mkdir")] + [("openat", "EMFILE")]
MOST = 200  # Of one call in one run: more means that the walk does not end.
ENOUGH = 256 * 1024


def attempt(work):
    """A token, or the status and message of the error."""
    try:
        return work()
    except capi.KeycaskError as error:
        return [error.status, error.message]


def opened(path, user):
    with capi.Store(path, MASTER_KEY, busy_timeout_ms=2000) as store:
        return store.encrypt(user, user.encode())


def worker(folder, flag):
    """Reads a number, does its work under the fault, raises the flag; reads on, and does again what had failed."""
    path = os.path.join(folder, "keys.db")
    with open(flag, "r+b") as file, capi.Store(path, MASTER_KEY, busy_timeout_ms=2000) as store:
        done = mmap.mmap(file.fileno(), 1)
        print("ready", flush=True)
        for line in sys.stdin:
            number = line.strip()
            works = {"open": (path, lambda: store.encrypt(f"open {number}", f"open {number}".encode())),
                     "opened": (path, lambda: opened(path, f"opened {number}"))}
            fresh = os.path.join(folder, f"folder {number}", "keys.db")
            works["new"] = (fresh, lambda: opened(fresh, f"new {number}"))
            first = {name: attempt(work) for name, (_, work) in works.items()}
            done[0] = 1
            sys.stdin.readline()
            again = {name: attempt(work) for name, (_, work) in works.items()}
            print(json.dumps([[works[name][0], f"{name} {number}", first[name], again[name]] for name in works]), flush=True)


class Worker:
    def __init__(self, folder):
        self.flag = os.path.join(folder, "flag")
        with open(self.flag, "wb") as file:
            file.write(b"\0")
        with open(self.flag, "r+b") as file:
            self.done = mmap.mmap(file.fileno(), 1)
        self.process = subprocess.Popen([sys.executable, __file__, "--worker", folder, self.flag], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.process.stdout.readline()

    def say(self, line):
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def run(self, number, fault):
        """One run under a fault. Answers how many calls failed, and what came of each piece of work."""
        strace = subprocess.Popen(["strace", "-qq", "-o", self.flag + ".trace", "-p", str(self.process.pid), "-e",
                                   f"trace={fault.split(':')[0]}", "-e", f"inject={fault}"], stderr=subprocess.DEVNULL)
        while b"TracerPid:\t0" in open(f"/proc/{self.process.pid}/status", "rb").read():
            if strace.poll() is not None:
                skip("write_faults", "strace cannot attach to a process")
            time.sleep(0.001)
        self.done[0] = 0
        self.say(number)
        while not self.done[0] and self.process.poll() is None:
            time.sleep(0.0005)
        strace.send_signal(signal.SIGTERM)
        strace.wait()
        with open(self.flag + ".trace", encoding="utf-8", errors="replace") as file:
            met = file.read().count("(INJECTED)")
        self.say("again")
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the process died under {fault} (status {self.process.wait()})")
        return met, json.loads(answer)


class Tally:
    def __init__(self):
        self.runs = self.acknowledged = 0
        self.statuses, self.tokens, self.lost, self.wrong = {}, {}, {}, []

    def take(self, what, answer):
        """Checks what came of one run, and that all of it opens now."""
        self.runs += 1
        for path, user, first, again in answer:
            if isinstance(first, list):
                self.statuses[first[0]] = self.statuses.get(first[0], 0) + 1
                if first[0] not in ALLOWED:
                    self.wrong.append(f"{what}: {user}: {first[0]}: {first[1]}")
            if isinstance(again, list):
                self.wrong.append(f"{what}: {user}, when the fault was gone: {again[0]}: {again[1]}")
            tokens = [token for token in (first, again) if isinstance(token, str)]
            self.acknowledged += len(tokens)
            for token in tokens:
                self.lost.update(lost(path, {user: token}))
                self.tokens.setdefault(path, {})[user] = token
            if tokens and (whole := integrity(path)) != "ok":
                self.wrong.append(f"{what}: {path}: {whole}")


def walk(folder, tally, short):
    """Lets each call fail in turn. Answers how many did."""
    path, number, faults = os.path.join(folder, "keys.db"), 0, 0
    process = Worker(folder)
    for call, error in FAULTS:
        for onward in ("",) if short else ("", "+"):
            for when in range(1, MOST):
                number += 1
                fault = f"{call}:error={error}:when={when}{onward}"
                met, answer = process.run(number, fault)
                tally.take(fault, answer)
                faults += met
                if met == 0:
                    break
            else:
                tally.wrong.append(f"{call} failed {MOST} times, and the walk has not ended")
    tally.lost.update(lost(path, tally.tokens[path]))
    process.process.stdin.close()
    process.process.wait()
    return faults


def fill(folder, wal):
    """In a process of its own, which a full file system must not kill: takes all of a small one, and then gets some back."""
    path, ballast, tokens, wrong, refused = os.path.join(folder, "keys.db"), os.path.join(folder, "ballast"), {}, [], 0
    with open(ballast, "wb") as file:
        file.write(bytes(ENOUGH // 2))
    make_store(path, wal)

    def make(store, turn):
        """Whether a user could be made."""
        user = f"user {turn} {len(tokens)}"
        answer = attempt(lambda: store.encrypt(user, user.encode()))
        if isinstance(answer, str):
            tokens[user] = answer
        elif answer[0] != "KC_E_IO":
            wrong.append(f"full: {answer[0]}: {answer[1]}")
        return isinstance(answer, str)

    with capi.Store(path, MASTER_KEY) as store:
        for turn in range(2):
            while make(store, turn):
                pass
            refused += 1
            with open(ballast + str(turn), "wb", buffering=0) as file:
                try:
                    while file.write(bytes(512)):
                        pass
                except OSError:
                    pass
            another = attempt(lambda: opened(path, f"another {turn}"))
            if isinstance(another, str):
                tokens[f"another {turn}"] = another
            elif another[0] != "KC_E_IO":
                wrong.append(f"full, opening: {another[0]}: {another[1]}")
            refused += isinstance(another, list)
            os.unlink(ballast + str(turn))
            if turn == 0:
                os.unlink(ballast)
                if not make(store, "afterwards"):
                    wrong.append("there is room again, and no user can be made")
    print(json.dumps([len(tokens), refused, wrong, lost(path, tokens), integrity(path)]))


def full_disk(wal, tally):
    """Answers what to say of it."""
    with tempfile.TemporaryDirectory() as folder:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ENOUGH}", "tmpfs", folder], capture_output=True,
                                 check=False)
        if mounted.returncode != 0:
            return "skipped the full disk: a tmpfs cannot be mounted here"
        try:
            filled = subprocess.run([sys.executable, __file__, "--fill", folder] + ["--wal"] * wal, capture_output=True,
                                    text=True, check=False)
        finally:
            subprocess.run(["umount", folder], check=True)
    if filled.returncode != 0:
        tally.wrong.append(f"a full disk ended the process with {filled.returncode}: {filled.stderr[-500:]}")
        return "full disk: the process died"
    users, refused, wrong, gone, whole = json.loads(filled.stdout)
    tally.wrong += wrong + ([] if whole == "ok" else [f"full disk: {whole}"])
    tally.lost.update(gone)
    return f"full disk: {users} users made, {refused} calls refused"


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--short", action="store_true")
    arguments.add_argument("--wal", action="store_true")
    arguments.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    arguments.add_argument("--fill", help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.worker:
        return worker(*options.worker)
    if options.fill:
        return fill(options.fill, options.wal)
    if not shutil.which("strace"):
        skip("write_faults", "strace is not installed")
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        make_store(os.path.join(folder, "keys.db"), options.wal)
        faults = walk(folder, tally, options.short)
    disk = full_disk(options.wal, tally)
    statuses = ", ".join(f"{status} {times}" for status, times in sorted(tally.statuses.items()))
    finish(f"{mode(options.wal)}: {tally.runs} runs, {faults} calls failed; refused: {statuses}; {tally.acknowledged} users "
           f"acknowledged, {len(tally.lost)} lost; {len(tally.wrong)} wrong statuses; {disk}", tally.lost, tally.wrong)


if __name__ == "__main__":
    main()
