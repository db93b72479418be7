"""Runs one program of a notebook.

Standard input is a socket: the request comes from it and the answer goes to it, both as JSON. So
both outputs belong to the program and to the processes that it starts.
"""

import ast
import importlib.metadata
import json
import linecache
import math
import os
import sys
import sysconfig
import time
import traceback
import types

SHORTEST_RUN_SECONDS = 0.002
NAME = "<this cell's Python>"
# Packages that are called otherwise than they are imported.
NAMES = {"PIL": "Pillow", "cv2": "OpenCV", "numpy": "NumPy", "polars": "Polars", "scipy": "SciPy"}


def time_work(work, runs):
    start = time.perf_counter()
    result = work()
    once = time.perf_counter() - start
    calls = 1
    if once < SHORTEST_RUN_SECONDS:
        while True:
            start = time.perf_counter()
            for _ in range(calls):
                work()
            if time.perf_counter() - start >= SHORTEST_RUN_SECONDS or calls >= 1 << 24:
                break
            calls *= 2
    wall, cpu = [], []
    for _ in range(runs):
        # The last result goes first: two of them may not fit into memory.
        result = None
        start, start_cpu = time.perf_counter(), time.process_time()
        for _ in range(calls):
            result = work()
        wall.append((time.perf_counter() - start) / calls)
        cpu.append((time.process_time() - start_cpu) / calls)
    return result, wall, cpu, calls


def peak_memory():
    try:
        # Linux counts the memory of the process that started this one into ru_maxrss, until
        # Python has replaced it; VmHWM starts anew.
        with open("/proc/self/status") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def escaped(text):
    """The text, with backslashes where it has what no encoding has, as half a surrogate pair."""
    return text.encode("utf-8", "backslashreplace").decode()


def plain(value, place):
    """The value as JSON can hold it without loss, or an error that says what to return instead."""
    kind = type(value).__name__

    def refuse(why, instead):
        raise TypeError(f"{place} returned {why}, which cannot be compared; return {instead}")

    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        if escaped(value) != value:
            refuse("text with half of a surrogate pair", "it escaped, as in ascii(text)")
        return value
    if isinstance(value, int):
        if not -(1 << 63) <= value < 1 << 64:
            refuse("a whole number of more than 64 bits", "it as text, as in str(n)")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            refuse(f"the number {value}", "it as text, as in str(x), or None")
        return float(value)
    if isinstance(value, (list, tuple)):
        # Millions of pixels are looked at together.
        kinds = set(map(type, value))
        if kinds == {int} and min(value) >= -(1 << 63) and max(value) < 1 << 64:
            return value
        return [plain(item, place) for item in value]
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                refuse(f"a dict with the key {key!r}", "one whose keys are text")
        return {key: plain(item, place) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        refuse(f"a {kind}, which has no order", "a list, as in sorted(s)")
    if isinstance(value, (bytes, bytearray, memoryview)):
        refuse(kind, "a list of numbers, as in list(b), or text, as in b.hex()")
    # NumPy's numbers and arrays, and columns of pandas and Polars, know themselves as Python's own.
    for name in ("tolist", "to_list", "item"):
        convert = getattr(value, name, None)
        if callable(convert):
            converted = convert()
            if type(converted) is not type(value):
                return plain(converted, place)
    refuse(f"a value of type {kind}", "numbers, text, or lists of them")


def versions(code):
    """Python's version, and those of the packages that the program imports."""
    python = f"Python {sys.version.split()[0]}"
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        python += " (free-threaded)"
    roots = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            roots += [name.name.split(".")[0] for name in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            roots.append(node.module.split(".")[0])
    found = [python]
    for root in dict.fromkeys(roots):
        if root in sys.stdlib_module_names or root not in sys.modules:
            continue
        package = NAMES.get(root, root)
        version = getattr(sys.modules[root], "__version__", None)
        if version is None:
            try:
                version = importlib.metadata.version(root)
            except importlib.metadata.PackageNotFoundError:
                continue
        found.append(f"{package} {version}")
    return found


def answer(request):
    # As in a notebook, the program is the main module: that is where multiprocessing looks for its
    # functions.
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    names = vars(main)
    names.update(request["inputs"])
    facts = {}
    code = request["code"]
    # So that an error shows the program's own line.
    linecache.cache[NAME] = (len(code), None, code.splitlines(keepends=True), NAME)
    exec(compile(code, NAME, "exec"), names)
    if request["runs"]:
        name = request["function"]
        work = names.get(name)
        if not callable(work):
            own = [n for n, f in names.items() if isinstance(f, types.FunctionType)]
            raise NameError(f"the program has no function {name}(); it has {own}")
        result, wall, cpu, calls = time_work(work, request["runs"])
        facts = {"wall": wall, "cpu": cpu, "calls": calls, "peak_memory": peak_memory()}
        facts["result"] = None
        if request["compared"] == "result":
            facts["result"] = plain(result, f"{name}()")
        elif "check" in names:
            facts["result"] = plain(names["check"](result), "check(result)")
        elif request["compared"] == "check":
            raise NameError("the program must define check(result)")
        facts["versions"] = versions(code)
    return facts


def report():
    """The traceback without this harness's own frames."""
    kind, value, trace = sys.exc_info()
    frames = traceback.extract_tb(trace)
    own = [frame for frame in frames if frame.filename == NAME]
    lines = ["Traceback (most recent call last):\n"] if own else []
    for frame in own:
        lines.append(f"  line {frame.lineno}, in {frame.name}\n    {frame.line}\n")
    return escaped("".join(lines + traceback.format_exception_only(kind, value)))


def reply_to(request):
    try:
        return answer(request)
    except ModuleNotFoundError as error:
        return {"missing": escaped(error.name)} if error.name else {"error": report()}
    except SystemExit as end:
        if end.code in (None, 0) and not request["runs"]:
            # A script may end so, and all is well.
            return {}
        code = "" if end.code is None else escaped(repr(end.code))
        return {"error": f"SystemExit: the program called sys.exit({code})"}
    except BaseException:
        return {"error": report()}


def main():
    with os.fdopen(os.dup(0), "r+b", buffering=0) as channel:
        request = json.loads(channel.readall())
        # A program that reads its input finds it empty.
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        for output in (sys.stdout, sys.stderr):
            output.reconfigure(encoding="utf-8", errors="backslashreplace")
        process = os.getpid()
        reply = json.dumps(reply_to(request)).encode()
        # A copy that the program made by os.fork() may come here too.
        if os.getpid() == process:
            while reply:
                reply = reply[channel.write(reply) :]


main()
