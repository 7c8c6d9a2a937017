#!/usr/bin/env python3
"""What a program that was compiled against include/keycask.h has taken from it, as the lists in abi/: names, numbers, layout.

    scripts/abi.py          compares the lists with the header, as this machine's C compiler understands it
    scripts/abi.py --write  writes them; for a new function, status or field. What is in a list already never changes.
"""

import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
HEADER = (ROOT / "include/keycask.h").read_text()
CODE = re.sub(r"/\*.*?\*/", "", HEADER, flags=re.S)


def symbols():
    """The exported functions."""
    return sorted(set(re.findall(r"\b(kc_\w+)\(", CODE)))


def constants():
    """The constants' names. _INIT macros are code."""
    return [name for name in re.findall(r"#define (KC_\w+) \S", CODE) if not re.search(r"_INIT$|^KC_MUST_USE$", name)]


def structs():
    """Each public struct's fields."""
    return {
        name: re.findall(r"(\w+)(?:\[\d+\])?;", body)
        for body, name in re.findall(r"typedef struct \w+ \{(.*?)\} (\w+);", CODE, re.S)
    }


def measured():
    """The value of each constant; of each struct its size, and of each field the offset and size: what C says they are."""
    shown = [f'printf("{name} %lld\\n", (long long)({name}));' for name in constants()]
    for struct, fields in structs().items():
        shown.append(f'printf("{struct} %zu\\n", sizeof({struct}));')
        for field in fields:
            shown.append(
                f'printf("{struct}.{field} %zu %zu\\n", offsetof({struct}, {field}), sizeof((({struct} *)0)->{field}));'
            )
    with tempfile.TemporaryDirectory() as folder:
        source, program = pathlib.Path(folder, "abi.c"), pathlib.Path(folder, "abi")
        source.write_text("#include <keycask.h>\n#include <stdio.h>\nint main(void) {\n" + "\n".join(shown) + "\n}\n")
        subprocess.run(["gcc", "-std=c99", f"-I{ROOT}/include", source, "-o", program], check=True)
        return subprocess.run([program], check=True, capture_output=True, text=True).stdout.splitlines()


def lists():
    lines = measured()
    status = [line for line in lines if re.match(r"KC_(OK|STALE|END|E_\w+) ", line)]
    return {
        "symbols.txt": symbols(),
        "status.txt": status,
        "constants.txt": [line for line in lines if line.startswith("KC_") and line not in status],
        "layout.txt": [line for line in lines if line.startswith("kc_")],
    }


def main():
    differ = 0
    for name, made in lists().items():
        path = ROOT / "abi" / name
        if sys.argv[1:] == ["--write"]:
            path.write_text("\n".join(made) + "\n")
            continue
        kept = path.read_text().splitlines()
        for line in [f"-{line}" for line in kept if line not in made] + [f"+{line}" for line in made if line not in kept]:
            print(f"abi/{name} and the header differ: {line}")
            differ = 1
    sys.exit(differ)


main()
