"""Runs one snippet of a notebook; the request is JSON on standard input, the answer on output."""

import contextlib
import io
import json
import sys
import time
import traceback
import types

SHORTEST_RUN_SECONDS = 0.002


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


def answer(request):
    # As in a notebook, the snippet is the main module: that is where multiprocessing looks for its
    # functions.
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    names = vars(main)
    printed = io.StringIO()
    facts = {}
    with contextlib.redirect_stdout(printed):
        exec(compile(request["code"], "<this cell's Python>", "exec"), names)
        if request["runs"]:
            if "work" not in names:
                raise NameError("the snippet must define a function work()")
            result, wall, cpu, calls = time_work(names["work"], request["runs"])
            facts = {"wall": wall, "cpu": cpu, "calls": calls, "peak_memory": peak_memory()}
            check = names.get("check")
            facts["check"] = check(result) if check else None
            if hasattr(facts["check"], "item"):
                facts["check"] = facts["check"].item()
    return {**facts, "printed": printed.getvalue()}


def report():
    """The traceback without this harness's own frames."""
    kind, value, trace = sys.exc_info()
    frames = traceback.extract_tb(trace)
    own = [frame for frame in frames if frame.filename == "<this cell's Python>"]
    lines = ["Traceback (most recent call last):\n"] if own else []
    for frame in own:
        lines.append(f"  line {frame.lineno}, in {frame.name}\n")
    return "".join(lines + traceback.format_exception_only(kind, value))


try:
    reply = answer(json.load(sys.stdin))
except ModuleNotFoundError as error:
    reply = {"missing": error.name}
except BaseException:
    reply = {"error": report()}
print(json.dumps(reply))
