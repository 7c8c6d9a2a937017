"""Runs every ```python block of the README, each in a folder of its own."""

import pathlib
import re
import subprocess
import sys
import tempfile

import os

import keycask

text = pathlib.Path(__file__).parents[1].joinpath("README.md").read_text()
blocks = re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)
assert len(blocks) == 3
for block in blocks:
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "API_KEY_MASTER_KEY": keycask.generate_master_key()}
        subprocess.run([sys.executable, "-W", "error", "-c", block], cwd=folder, env=environment, check=True)
