"""All engines on the same work in one run: what `cargo workbook compare engines` shows.

Two workers each. Reads a request from standard input: X-rays, a folder of readings, places, the machine.
"""

import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import supervise
import work

WORKERS = 2
EMPTY = 1_000
# So long each X-ray takes at least where one worker is killed, so that there is a middle.
AT_LEAST = 0.02


class Supervised:
    """An engine behind one of the two supervisors."""

    # How often each X-ray is handed in where a worker is killed.
    copies = 1

    def __init__(self, request, line):
        self.request = request
        self.process = subprocess.Popen(
            [*line, "--owned", "--runs", request["runs"]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        first = self.process.stdout.readline()
        if not first:
            raise RuntimeError(self.process.stderr.read().strip().removeprefix("error: "))
        self.state = json.loads(first)

    def journal(self):
        try:
            lines = Path(self.state["folder"], "journal.jsonl").read_text().splitlines()
        except FileNotFoundError:
            return []
        items = [json.loads(line) for line in lines if line.endswith("}")]
        return [item["item"] for item in items if item["event"] == "begun"]

    def memory(self):
        """Of all its processes; what they share is counted for each."""
        return memory_below(self.process.pid)

    def kill(self):
        members = supervise.read(Path(self.state["folder"]))["members"]
        pids = {member["name"]: member["pid"] for member in members}
        name = next(n for n in ["worker-1", "executor-1", "driver"] if n in pids)
        os.kill(pids[name], signal.SIGKILL)
        return name

    def end(self):
        self.process.stdin.close()
        self.process.wait()


class FromPython(Supervised):
    tables = True

    def __init__(self, request, engine):
        line = [sys.executable, "-IB", str(HERE / "supervise.py"), "up", "--engine", engine]
        self.engine = engine
        super().__init__(request, [*line, "--workers", str(WORKERS)])

    def ask(self, **what):
        reply = supervise.ask(self.state["driver_port"], what, None)
        if "error" in reply:
            raise RuntimeError(reply["error"])
        return reply

    def images(self, paths, to, at_least=0.0):
        return self.ask(do="images", paths=paths, to=to, at_least=at_least)["digest"]

    def stations(self, folder):
        return self.ask(do="stations", folder=folder)["digest"]

    def empty(self, count):
        return self.ask(do="empty", count=count)["seconds"]

    def kill(self):
        if self.engine != "joblib":
            return super().kill()
        pid = next(iter(self.pids.values()))
        os.kill(pid, signal.SIGKILL)
        return "a worker process"

    def prepare_to_kill(self):
        # Asked before, as its workers are busy meanwhile.
        self.pids = self.ask(do="workers") if self.engine == "joblib" else {}


class Apalis(Supervised):
    tables = False

    def __init__(self, request):
        line = [request["cluster"], "up", "--executors", "0", "--workers", str(WORKERS)]
        super().__init__(request, line)
        self.port = ["--redis-port", str(self.state["redis_port"])]

    def images(self, paths, to, at_least=0.0):
        submit = [self.request["cluster"], "submit", *self.port, "--to", to]
        lines = "".join(f"{path}\n" for path in paths)
        said([*submit, "--at-least", str(at_least)], lines)
        while True:
            counts = json.loads(said([self.request["cluster"], "tasks", *self.port]))
            if counts["waiting"] + counts["running"] == 0:
                return digest_of(to, paths)
            time.sleep(0.02)

    def empty(self, count):
        """Its program has no task that does nothing; this is the least that it can do."""
        from PIL import Image

        folder = Path(fresh(self.request, "smallest"))
        for n in range(count):
            Image.new("L", (64, 64)).save(folder / f"{n}.png", compress_level=0)
        paths = [str(path) for path in folder.glob("*.png")]
        seconds, _ = timed(self.images, paths, fresh(self.request, "smaller"))
        return seconds

    def prepare_to_kill(self):
        pass


class Ballista(Supervised):
    tables = True

    def __init__(self, request):
        line = [request["cluster"], "up", "--executors", str(WORKERS), "--workers", "0"]
        super().__init__(request, line)

    def sql(self, statements, *more):
        port = ["--scheduler-port", str(self.state["scheduler_port"])]
        return json.loads(said([self.request["cluster"], "sql", *port, *more, statements]))["rows"]

    def images(self, paths, to, at_least=0.0):
        # A query has no pauses, so where there is to be a middle it makes each several times.
        self.copies = 10 if at_least else 1
        given = paths * self.copies
        with tempfile.TemporaryDirectory(dir=self.request["scratch"]) as folder:
            for n in range(16):
                lines = "".join(json.dumps({"path": path}) + "\n" for path in given[n::16])
                Path(folder, f"{n}.jsonl").write_text(lines)
            # Sorted, which is a second stage: a lost first one is made again. The client fetches the
            # last one's results from the executors themselves, and fails where one is gone.
            query = "SELECT path, shrink(path) AS image FROM xrays ORDER BY path"
            rows = self.sql(f"{external('xrays', folder)}; {query}")
        self.made = {path: hashlib.sha256(bytes.fromhex(image)).hexdigest() for path, image in rows}
        return work.digest(list(self.made.values()))

    def empty(self, count):
        """A query of so many tasks, each of which counts the one line of a file."""
        folder = fresh(self.request, "lines")
        for n in range(count):
            Path(folder, f"{n}.jsonl").write_text('{"n": 1}\n')
        seconds, rows = timed(
            self.sql,
            f"{external('lines', folder)}; SELECT count(*) FROM lines",
            "--partitions",
            str(count),
        )
        if rows != [[count]]:
            raise RuntimeError("the results are wrong")
        return seconds

    def stations(self, folder):
        tenths = "CAST(round(celsius * 10) AS BIGINT)"
        rows = self.sql(
            f"{external('readings', folder)}; SELECT station, count(*), min({tenths}), max({tenths}),"
            f" sum({tenths}) FROM readings GROUP BY station"
        )
        return work.digest([tuple(row) for row in rows])

    def prepare_to_kill(self):
        self.made = {}


class GnuParallel:
    """No process waits for work: each job starts one. So nothing has to start, and nothing is kept."""

    tables = False
    copies = 1

    def __init__(self, request):
        self.request = request
        self.log = Path(request["scratch"], "parallel.log")
        self.log.write_text("")

    def parallel(self, command, lines):
        jobs = ["parallel", "--will-cite", "--jobs", str(WORKERS), "--retries", "3", command]
        return said(jobs, "".join(f"{line}\n" for line in lines))

    def images(self, paths, to, at_least=0.0):
        pause = f"sleep {at_least}; " if at_least else ""
        resize = f"echo $$ {{}} >> '{self.log}'; {pause}exec '{self.request['resize']}' '{to}' {{}}"
        self.parallel(resize, paths)
        return digest_of(to, paths)

    def empty(self, count):
        return timed(self.parallel, "true", range(count))[0]

    def journal(self):
        return [line.split(" ", 1)[1] for line in self.log.read_text().splitlines()]

    def memory(self):
        """Nothing of it is there when it has nothing to do."""
        return None

    def prepare_to_kill(self):
        pass

    def kill(self):
        """The job that began last; it wrote its process number down."""
        for _ in range(1000):
            try:
                os.kill(int(self.log.read_text().splitlines()[-1].split()[0]), signal.SIGKILL)
                return "a job"
            except ProcessLookupError:
                # It was over already.
                time.sleep(0.002)
        raise RuntimeError("no job could be killed")

    def end(self):
        pass


def external(name, folder):
    kind, pattern = ("PARQUET", "*.parquet") if any(Path(folder).glob("*.parquet")) else ("JSON", "*.jsonl")
    place = f"{folder}/{pattern}".replace("'", "''")
    return f"CREATE EXTERNAL TABLE {name} STORED AS {kind} LOCATION '{place}'"


def said(line, given=""):
    done = subprocess.run(line, input=given, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip().removeprefix("error: ") or f"{line[0]} failed")
    return done.stdout


def digest_of(folder, paths):
    """Of the small images in a folder: as the engines from Python answer it themselves."""
    from PIL import Image

    def pixels(path):
        with Image.open(Path(folder, Path(path).stem + ".png")) as image:
            return hashlib.sha256(image.tobytes()).hexdigest()

    return work.digest([pixels(path) for path in paths])


def processes():
    for line in said(["ps", "-A", "-o", "pid=,ppid=,rss="]).splitlines():
        yield tuple(map(int, line.split()))


def memory_below(root):
    """Megabytes of a process and of all that it has started."""
    found = list(processes())
    family = {root}
    while more := {pid for pid, parent, _ in found if parent in family} - family:
        family |= more
    return sum(rss for pid, _, rss in found if pid in family) / 1024


ENGINES = [
    ("Python threads", None, lambda request: FromPython(request, "threads")),
    ("joblib", "joblib", lambda request: FromPython(request, "joblib")),
    ("Celery", "celery", lambda request: FromPython(request, "celery")),
    ("Celery, late", "celery", lambda request: FromPython(request, "celery-late")),
    ("apalis", "apalis", Apalis),
    ("Dask", "distributed", lambda request: FromPython(request, "dask")),
    ("Ballista", "ballista", Ballista),
    ("PySpark", "pyspark", lambda request: FromPython(request, "pyspark")),
    ("GNU parallel", "parallel", GnuParallel),
]


def installed(program):
    if not shutil.which(program):
        mend = f"`sudo apt install {program}`, or `conda install -c conda-forge {program}`"
        raise RuntimeError(f"{program} is not installed: {mend}")


def built(program, what):
    if not os.path.exists(program):
        raise RuntimeError(f"{what} not built: `cargo workbook setup --cluster`")


def version(needs, request):
    """The version; an error says what is missing."""
    if needs is None:
        return sys.version.split()[0]
    if needs in ["apalis", "ballista"]:
        built(request["cluster"], "the cluster's programs are")
        if needs == "apalis":
            installed("redis-server")
        locked = (HERE.parents[1] / "cluster" / "Cargo.lock").read_text()
        return re.search(rf'name = "{needs}"\nversion = "(.*)"', locked)[1]
    if needs == "parallel":
        installed("parallel")
        built(request["resize"], "resize-files is")
        return said(["parallel", "--version"]).split("\n")[0].split()[-1]
    try:
        return importlib.metadata.version(needs)
    except importlib.metadata.PackageNotFoundError:
        raise RuntimeError("it is not installed: `cargo workbook setup --cluster`") from None


def timed(function, *arguments):
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result


def measure(name, needs, start, request):
    """Everything of one engine."""
    found = {"name": name, "version": version(needs, request), "start": None, "empty": None}
    seconds, engine = timed(start, request)
    try:
        if not isinstance(engine, GnuParallel):
            found["start"] = seconds
        paths, folder = request["xrays"], fresh(request, "images")
        found["first"], _ = timed(engine.images, paths[:1], folder)
        # The first ones, in each worker, also import what they need.
        engine.images(paths[:20], fresh(request, "first"))
        engine.empty(10)
        found["empty"] = engine.empty(EMPTY) / EMPTY
        found["images"], found["images_digest"] = timed(engine.images, paths, folder)
        if engine.tables:
            # Once before, as pandas takes a while to import.
            engine.stations(request["readings"])
            found["table"], found["table_digest"] = timed(engine.stations, request["readings"])
        found["memory_mb"] = engine.memory()
        found["killed"] = measure_kill(engine, request)
    finally:
        engine.end()
    return found


def measure_kill(engine, request):
    """One worker is killed with SIGKILL when a third of the X-rays is begun."""
    paths = request["xrays"][: len(request["xrays"]) // 2]
    undisturbed, _ = timed(engine.images, paths, fresh(request, "undisturbed"), AT_LEAST)
    folder = fresh(request, "killed")
    engine.prepare_to_kill()
    earlier = len(engine.journal())
    outcome = {}

    def hand_in():
        try:
            outcome["seconds"], _ = timed(engine.images, paths, folder, AT_LEAST)
        except Exception as error:
            outcome["error"] = str(error).strip().split("\n")[0][:90]

    working = threading.Thread(target=hand_in)
    working.start()
    third = len(paths) * engine.copies // 3
    while len(engine.journal()) < earlier + third and working.is_alive():
        time.sleep(0.002)
    was_busy = working.is_alive()
    killed = engine.kill()
    working.join()
    made = {file.stem for file in Path(folder).glob("*.png")}
    made |= {Path(path).stem for path in getattr(engine, "made", {})}
    begun = engine.journal()[earlier:]
    return {
        "who": killed,
        "in_the_middle": was_busy,
        "undisturbed": undisturbed,
        "seconds": outcome.get("seconds"),
        "error": outcome.get("error"),
        "lost": len(paths) - len(made),
        "of": len(paths),
        "repeated": sum(max(0, times - engine.copies) for times in Counter(begun).values()),
    }


def fresh(request, name):
    folder = Path(request["scratch"], name)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return str(folder)


def table(document):
    """The figures, one engine a line."""
    head = ["", "start", "first", "empty task", "images", "table", "memory", "killed", "lost", "twice"]
    lines = [head]
    for one in document["engines"]:
        kill = one["killed"]
        lines.append([
            f"{one['name']} {one['version']}",
            shown(one["start"], "s"),
            shown(one["first"], "s"),
            shown(one["empty"] and one["empty"] * 1e3, "ms"),
            shown(one["images"], "s"),
            shown(one.get("table"), "s"),
            shown(one["memory_mb"], "MB", 0),
            f"{shown(kill['seconds'], 's')} ({kill['undisturbed']:.1f})",
            f"{kill['lost']} of {kill['of']}",
            str(kill["repeated"]),
        ])
    widths = [max(map(len, column)) for column in zip(*lines)]
    text = [document["machine"], ""]
    for line in lines:
        first, *rest = (cell.rjust(width) for cell, width in zip(line, widths))
        text.append("  ".join([line[0].ljust(widths[0]), *rest]).rstrip())
    text += [
        "",
        f"{WORKERS} workers each, {document['xrays']} X-rays, one run. “start”: until every worker",
        f"answers. “empty task”: of {EMPTY:,} (apalis: a 64 × 64 PNG each; Ballista: a file of one line).",
        "“killed”: a worker is killed with SIGKILL in the middle of",
        f"{document['xrays'] // 2} X-rays that take {AT_LEAST * 1e3:.0f} ms more each (Ballista: each ten times); in brackets",
        "the time without that. “lost”: no image. “twice”: begun more than once. Without a time: gave up.",
        "Nobody says that Celery’s tasks are lost: its time ends with 6 s in which nothing came (late: 15 s).",
    ]
    for one in document["engines"]:
        if one["killed"]["error"]:
            text.append(f"  {one['name']}: {one['killed']['error']}")
    text += ["", *(f"– {line}" for line in document["missing"])]
    text += [f"{mark} {line}" for mark, line in document["same"] if mark]
    text.append(f"It took {document['took']:.0f} s.")
    return "\n".join(text)


def shown(number, unit, digits=2):
    return "–" if number is None else f"{number:.{digits}f} {unit}"


def same(engines, key, names):
    """Whether those that make the same with the same library have the same digest."""
    digests = {one["name"]: one[key] for one in engines if one["name"] in names and one.get(key)}
    what = "thumbnails" if key == "images_digest" else "tables"
    mark = "✓" if len(set(digests.values())) == 1 else "✗"
    return [
        mark if len(digests) > 1 else "",
        f"the same {what} from {', '.join(digests)}",
    ]


def main():
    request, as_json = json.load(sys.stdin), "--json" in sys.argv
    started = time.monotonic()
    engines, missing = [], []
    with tempfile.TemporaryDirectory() as scratch:
        request["scratch"] = scratch
        for name, needs, start in ENGINES:
            print(f"… {name}", file=sys.stderr, flush=True)
            try:
                engines.append(measure(name, needs, start, request))
            except (RuntimeError, OSError) as error:
                missing.append(f"{name}: {error}")
    from_python = ["Python threads", "joblib", "Celery", "Celery, late", "Dask", "PySpark"]
    document = {
        "machine": request["machine"],
        "workers": WORKERS,
        "xrays": len(request["xrays"]),
        "engines": engines,
        "missing": missing,
        # Pillow and this workbook's `resize` round pixels differently; a table is a table.
        "same": [
            same(engines, "images_digest", from_python),
            same(engines, "images_digest", ["apalis", "Ballista", "GNU parallel"]),
            same(engines, "table_digest", [*from_python, "Ballista"]),
        ],
        "took": time.monotonic() - started,
    }
    document["table"] = table(document)
    print(json.dumps(document) if as_json else document["table"])


if __name__ == "__main__":
    main()
