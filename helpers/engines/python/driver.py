"""The side of an engine that hands out work: a process that keeps the connection to the engine, or is
the engine. Requests come on a port of this machine, JSON, a line each, one for each connection."""

import importlib
import json
import os
import socketserver
import sys
import time
from pathlib import Path

import work


def answer(engine, request):
    what = request.pop("do")
    if what == "workers":
        return engine.workers()
    start = time.perf_counter()
    if what == "images":
        rows = engine.images(**request)
        seconds = time.perf_counter() - start
        done = [row for row in rows if row is not None]
        lost = [path for path, row in zip(request["paths"], rows) if row is None]
        return {"seconds": seconds, "items": len(done), "lost": lost, "digest": work.digest(done)}
    if what == "stations":
        rows = engine.stations(files_in(request["folder"]))
        return answered(start, len(rows), work.digest(rows))
    if what == "empty":
        total = engine.empty(request["count"])
        if total != sum(range(request["count"])):
            raise RuntimeError("the results are wrong")
        return answered(start, request["count"], str(total))
    raise ValueError(f"nobody knows how to do {what}")


def answered(start, items, digest):
    return {"seconds": time.perf_counter() - start, "items": items, "lost": [], "digest": digest}


def files_in(folder):
    for pattern in ["*.parquet", "*.jsonl"]:
        files = sorted(str(file) for file in Path(folder).glob(pattern))
        if files:
            return files
    raise FileNotFoundError(f"there are no readings (*.parquet, *.jsonl) in {folder}")


class Requests(socketserver.StreamRequestHandler):
    def handle(self):
        line = self.rfile.readline()
        if not line:
            return
        try:
            reply = answer(self.server.engine, json.loads(line))
        except Exception as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            reply = {"error": f"{type(error).__name__}: {str(error).strip()[:2000]}"}
        self.wfile.write((json.dumps(reply) + "\n").encode())


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


if __name__ == "__main__":
    settings = json.loads(sys.argv[1])
    engine = importlib.import_module(f"with_{settings['engine']}").Engine(settings)
    with Server(("127.0.0.1", settings["driver_port"]), Requests) as server:
        server.engine = engine
        server.serve_forever()
