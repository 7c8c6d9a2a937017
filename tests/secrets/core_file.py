"""A core file, taken while a store is open and after its keys were used, holds none of them: not as bytes, not as base64.

    core_file.py PROGRAM: the built core_file.c

It is taken by gdb's gcore, which leaves out what the kernel leaves out (MADV_DONTDUMP).
"""

import base64
import pathlib
import secrets
import subprocess
import sys
import tempfile

with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    master_key = secrets.token_bytes(32)
    (folder / "key").write_text(base64.b64encode(master_key).decode())
    program = subprocess.Popen([sys.argv[1], folder / "keys.db", folder / "key"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               text=True)
    keys = {"master": master_key}
    for line in program.stdout:
        if line == "ready\n":
            break
        name, inverted = line.split()
        keys[name] = bytes(byte ^ 0xFF for byte in bytes.fromhex(inverted))
    subprocess.run(["gcore", "-o", folder / "core", str(program.pid)], check=True, capture_output=True)
    core = (folder / f"core.{program.pid}").read_bytes()
    program.communicate("\n")

assert sorted(keys) == ["control", "master", "pool", "user"] and program.returncode == 0, keys.keys()
control = keys.pop("control")
found = []
for name, key in keys.items():
    forms = {"bytes": key}
    for encode in base64.b64encode, base64.urlsafe_b64encode:
        # Without the last group, of which padding or what follows may be a part.
        forms[encode.__name__] = encode(key)[:40]
    found += [f"the {name} key is in it, as {form}" for form, text in forms.items() if text in core]
# AES-256 begins with the key's halves as its first two round keys: one of them may be left where the cipher's frame was.
halves = sum(half in core for key in keys.values() for half in (key[:16], key[16:]))
if control not in core:
    found.append("what must be found is not found: the search does not work")
print(f"a core file of {len(core) >> 10} KiB: {len(found)} places where a user's, the pool's or the master key was found; "
      f"{halves} halves of one, apart from each other")
print("\n".join(found))
sys.exit(bool(found))
