"""Operations on a disk that fills up in the middle.

    KEYCASK_LIBRARY=… full_disk.py [--wal]

On a small file system of its own, with ever less room, a store is rewrapped, its users erased and rotated, and backed up.
Whatever is refused is refused as documented and loses nothing; a backup that failed is not there; and when there is room
again, the work ends. Needs root, and a kernel that mounts.
"""

import argparse
import contextlib
import os
import subprocess
import tempfile

from common import capi, finish, integrity, master_key, mode, reliability, sql

SIZE = 16 << 20
USERS = 1000


@contextlib.contextmanager
def small_disk(folder):
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", folder], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        reliability.skip("full_disk", f"no file system of its own: {error}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def free(folder):
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--wal", action="store_true")
    options = arguments.parse_args()
    troubles, refused, done = [], 0, 0
    with tempfile.TemporaryDirectory() as folder, small_disk(folder):
        path, filler = os.path.join(folder, "keys.db"), os.path.join(folder, "filler")
        with capi.Store(path, master_key(0)) as store:
            if options.wal:
                sql(path, "PRAGMA journal_mode = WAL")
            tokens = {f"user {number}": store.encrypt(f"user {number}", b"secret") for number in range(USERS)}
        erased = set()

        def tried(what, work):
            nonlocal refused, done
            try:
                work()
                done += 1
                return True
            except capi.KeycaskError as error:
                refused += 1
                if error.status not in ("KC_E_IO", "KC_E_BUSY"):
                    troubles.append(f"{what}: {error}")
                return False

        for number, room in enumerate((0, 4096, 16 << 10, 64 << 10, 128 << 10, 256 << 10, 1 << 20), start=1):
            with capi.Store(path, master_key(number), master_key(number - 1)) as store:
                with open(filler, "wb") as file:
                    file.write(bytes(max(0, free(folder) - room)))
                user = f"user {number}"
                copy = os.path.join(folder, "copy.db")
                if not tried("backup", lambda: store.backup(copy)) and os.path.exists(copy):
                    troubles.append("a backup that failed is there")
                tried("rotate", lambda: store.rotate_user(f"user {number + 100}"))
                # Refused, they may be erased or not; asked again when there is room, they are.
                tried("erase", lambda: store.erase_user(user))
                tried("rewrap", lambda: store.rewrap(USERS * 2))
                os.remove(filler)
                with contextlib.suppress(FileNotFoundError):
                    os.remove(copy)
                if left := [name for name in os.listdir(folder) if "backup" in name]:
                    troubles.append(f"left behind: {left}")
                store.erase_user(user)
                erased.add(user)
                while store.rewrap(USERS)[1]:
                    pass
                store.backup(copy)
                os.remove(copy)
                report = store.check()
                if report.damaged or report.unopened or report.damaged_others or report.findings:
                    troubles.append(f"the store is damaged: {report.finding.decode()}")
        with capi.Store(path, master_key(7)) as store:
            for user, token in tokens.items():
                try:
                    if store.decrypt(user, token) != b"secret" or user in erased:
                        troubles.append(f"{user} opens")
                except capi.KeycaskError as error:
                    if user not in erased or error.status != "KC_E_USER_DESTROYED":
                        troubles.append(f"{user}: {error}")
        whole = integrity(path)
    finish(f"{mode(options.wal)}: 7 disks with little room: {done} operations done there, {refused} refused; {USERS} users, "
           f"{len(erased)} erased, {len(troubles)} troubles; integrity {whole}", troubles, [] if whole == "ok" else [whole])


if __name__ == "__main__":
    main()
