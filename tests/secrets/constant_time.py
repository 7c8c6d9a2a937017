"""No branch and no address depends on a key, a plaintext or a master key's text: constant_time.c under valgrind, in which they are marked.

    constant_time.py PROGRAM: the built constant_time.c
"""

import re
import subprocess
import sys

# What is reported and may be: the case, the function, how many places of it at most, and why what they depend on is public.
CIPHERTEXT = "base64_simd::encode", 99, "the ciphertext, which the token is"
VERDICT = "whether the tag fits, which the caller is told"
PUBLIC = {
    "key": [CIPHERTEXT],
    "plaintext": [CIPHERTEXT],
    "decrypt": [("run_", 1, VERDICT), ("kc_key_decrypt", 1, VERDICT)],
    "text": [("text::decode", 2, "whether the text is base64, which the caller is told")],
    "hash": [],
    "export": [],
}
PLANTED = ["planted-branch", "planted-index"]


def places(case):
    """Where valgrind reports a branch or an address that depends on what is marked."""
    run = subprocess.run(["valgrind", "--error-limit=no", sys.argv[1], case], capture_output=True, text=True)
    assert run.returncode == 0, f"{case}: {run.stderr}"
    return set(re.findall(r"(?:Conditional jump|Use of uninit|Syscall param).*\n==\d+==    at (0x\w+: .*)", run.stderr))


found, public, troubles = 0, 0, []
for case, allowed in PUBLIC.items():
    left = places(case)
    for function, most, _ in allowed:
        here = {place for place in left if function in place}
        left -= here if len(here) <= most else set()
        public += len(here)
    troubles += [f"{case}: {place}" for place in sorted(left)]
for case in PLANTED:
    if places(case):
        found += 1
    else:
        troubles.append(f"{case} is not found: the check does not work")
print(f"{len(PUBLIC)} uses of secrets: {len(troubles)} branches or addresses depend on one, {public} on what is public; "
      f"{found} of {len(PLANTED)} planted ones found")
print("\n".join(troubles))
sys.exit(bool(troubles))
