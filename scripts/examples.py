#!/usr/bin/env python3
"""Compiles and runs the examples of the documents: every ```c block of the README, of docs/ and of SECURITY.md, and the
header's first page. Runs every ```lua block and ```cpp block, and every ```sh block in the project's folder.

A C block without a `main` is the body of one, behind an open `store`, an `error`, a `token` and a `secret`, unless it
declares those itself. A program is well when it ends with 0, has said nothing on standard error and has left no handle
open.
"""

import base64
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIBRARY = ROOT / "target/release"
FLAGS = "-std=c99 -Wall -Wextra -Wpedantic -Wstrict-prototypes -Wconversion -Werror -Wno-unused".split()

HEAD = "#include <keycask.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n\nint main(void) {\n"
OPENING = """\
kc_error error;
kc_store *store;
char token[256] = "", secret[256] = "";
if (kc_open(":memory:", KC_NUL_TERMINATED, NULL, KC_FROM_ENVIRONMENT, NULL, &store, &error) != KC_OK) return 1;
"""
CLOSING = "if (kc_free(store) != KC_OK) return 2;\n"
TAIL = "return kc_handle_count() == 0 ? 0 : 3;\n}\n"


def blocks(path, language):
    """The fenced blocks of a language, each with the line it begins at."""
    text = path.read_text()
    for match in re.finditer(rf"^```{language}\n(.*?)^```$", text, re.M | re.S):
        yield f"{path.relative_to(ROOT)}:{text[: match.start()].count(chr(10)) + 2}", match[1]


def header_example():
    text = (ROOT / "include/keycask.h").read_text()
    first_page = text[: text.index("*/")]
    example = first_page[first_page.index("The whole use:") :]
    lines = [line[len(" *     ") :] for line in example.splitlines() if line.startswith(" *     ")]
    yield "include/keycask.h", "\n".join(lines[: next(i for i, line in enumerate(lines) if "kc_free" in line) + 1]) + "\n"


def program(block):
    if "int main(" in block:
        return block
    if "kc_store *store;" in block:
        return HEAD + block + TAIL
    return HEAD + OPENING + block + CLOSING + TAIL


def run(command, folder):
    key = base64.urlsafe_b64encode(os.urandom(32)).decode()
    environment = {**os.environ, "API_KEY_MASTER_KEY": key, "LD_LIBRARY_PATH": str(LIBRARY)}
    done = subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True)
    if done.stderr:
        raise subprocess.SubprocessError(f"it complained: {done.stderr}")


def run_lua(block, folder):
    (folder / "example.lua").write_text(block)
    run(["luajit", "example.lua"], folder)


def run_c(block, folder):
    source, binary = folder / "example.c", folder / "example"
    source.write_text(program(block))
    link = [f"-I{ROOT}/include", f"-L{LIBRARY}", "-lkeycask"]
    subprocess.run(["gcc", *FLAGS, source, "-o", binary, *link], check=True, capture_output=True, text=True)
    run([binary], folder)


def run_cpp(block, folder):
    source, binary = folder / "example.cpp", folder / "example"
    source.write_text("#include <keycask.hpp>\n\nint main() {\n" + block + "}\n")
    flags = ["-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{ROOT}/include", f"-L{LIBRARY}", "-lkeycask"]
    subprocess.run(["g++", source, "-o", binary, *flags], check=True, capture_output=True, text=True)
    run([binary], folder)


def run_sh(block, _):
    # The test command is what is running now.
    commands = "\n".join(line for line in block.splitlines() if line != "scripts/test.sh")
    subprocess.run(["bash", "-ec", commands], cwd=ROOT, check=True, capture_output=True, text=True)


def main():
    documents = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]
    examples = [(place, block, run_c) for place, block in header_example()]
    for document in documents:
        examples += [(place, block, run_c) for place, block in blocks(document, "c")]
        examples += [(place, block, run_cpp) for place, block in blocks(document, "cpp")]
        examples += [(place, block, run_lua) for place, block in blocks(document, "lua")]
        examples += [(place, block, run_sh) for place, block in blocks(document, "sh")]
    failed = 0
    for place, block, try_out in examples:
        with tempfile.TemporaryDirectory() as folder:
            try:
                try_out(block, pathlib.Path(folder))
                print(f"  ok      the example at {place} works")
            except subprocess.SubprocessError as error:
                failed += 1
                print(f"  FAILED  the example at {place}: {error}\n{getattr(error, 'stderr', '') or ''}")
    print(f"{len(examples) - failed} passed, {failed} failed")
    sys.exit(failed != 0)


main()
