#!/usr/bin/env python3
"""That the comment of every function in include/keycask.h says what a caller has to know: the most bytes that it writes to
a buffer of the caller's, its errors by name, and threads where they differ from the rule of the first page; and that
docs/reference.md has a task for each.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
HEADER = (ROOT / "include/keycask.h").read_text()
STATUSES = {line.split()[0] for line in (ROOT / "abi/status.txt").read_text().splitlines()}
# A call that others on the same handle may be in, and one that reads the environment.
THREADS_DIFFER = {"kc_free": "threads", "kc_open": "getenv"}


def functions():
    """Each function's name, parameters and comment."""
    for match in re.finditer(r"/\*\*((?:(?!\*/).)*)\*/\n(?:KC_MUST_USE\n)?[\w *]*?\b(kc_\w+)\(([^)]*)\);", HEADER, re.S):
        yield match[2], match[3], " ".join(re.sub(r"^ \* ?", "", match[1], flags=re.M).split())


def faults(name, parameters, comment):
    if re.search(r"(char|void) \*\w+,\s*size_t \w*capacity", parameters) and "ost bytes written: " not in comment:
        yield "does not say how many bytes it writes"
    errors = re.search(r"Errors: (.*)", comment)
    if "kc_error *error" in parameters and not errors:
        yield "names no errors"
    unknown = set(re.findall(r"\bKC_E_\w+", comment)) - STATUSES
    if unknown:
        yield f"names errors that are none: {', '.join(sorted(unknown))}"
    others = errors and "those of kc_" in errors[1]
    if errors and not others and "KC_E_HANDLE" not in errors[1] and re.search(r"kc_(store|key) \*\w", parameters):
        yield "takes a handle and does not name KC_E_HANDLE"
    if name in THREADS_DIFFER and THREADS_DIFFER[name] not in comment:
        yield f"does not say what is different of threads ({THREADS_DIFFER[name]})"


def main():
    known = {name: list(faults(name, parameters, comment)) for name, parameters, comment in functions()}
    symbols = set((ROOT / "abi/symbols.txt").read_text().split())
    for name in symbols - set(known):
        known[name] = ["has no comment"]
    tasks = set(re.findall(r"\b(kc_\w+)\(\)", (ROOT / "docs/reference.md").read_text()))
    for name in tasks ^ symbols:
        known.setdefault(name, []).append("is in docs/reference.md or in the header, and not in both")
    wrong = [f"{name} {fault}" for name, found in known.items() for fault in found]
    print(f"{len(known)} functions, {len(wrong)} faults", *wrong, sep="\n")
    sys.exit(bool(wrong))


main()
