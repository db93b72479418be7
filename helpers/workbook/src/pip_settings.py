"""Prints what stays of the reader's configuration files for pip, as variables for pip.

pip itself is asked, as it knows where they are and which of them wins. What the shell sets comes before
them. The arguments are the names of the settings that stay.
"""

import ast
import json
import os
import subprocess
import sys

run = subprocess.run(
    [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True
)
if run.returncode:
    sys.exit(run.stderr)
found = {}
for line in run.stdout.splitlines():
    # Such as `install.index-url='…'`, the value as Python writes it.
    name, _, value = line.partition("=")
    section, _, key = name.rpartition(".")
    if section in ("global", "install"):
        found.setdefault(section, {})[key.replace("_", "-")] = str(ast.literal_eval(value))
settings = {}
for name, value in (found.get("global", {}) | found.get("install", {})).items():
    variable = "PIP_" + name.upper().replace("-", "_")
    if name in sys.argv[1:] and variable not in os.environ:
        settings[variable] = value
print(json.dumps(settings))
