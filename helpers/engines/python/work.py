"""The work that every engine is given: an X-ray to a thumbnail, readings to a table per station.

Each engine's own module hands it out. Answers are digests, so that engines can be compared.
"""

import hashlib
import json
import os
import time
from pathlib import Path


def thumbnail(path, to=None, at_least=0.0):
    """Makes an X-ray small and returns the digest of its pixels. With `to` it writes a PNG there,
    aside first and then renamed, so that doing it twice does no harm."""
    from PIL import Image

    with noted(path):
        time.sleep(at_least)
        with Image.open(path) as image:
            small = image.convert("L").resize((64, 64))
        if to is not None:
            target = Path(to, Path(path).stem + ".png")
            aside = target.with_name(f".{target.name}.{os.getpid()}")
            small.save(aside, "PNG")
            aside.replace(target)
        return hashlib.sha256(small.tobytes()).hexdigest()


def station_table(file):
    """One file's readings for each station: how many, and lowest, highest and sum of their tenths of
    a degree. These parts can be added in any order, which means cannot."""
    import pandas

    if str(file).endswith(".parquet"):
        readings = pandas.read_parquet(file, columns=["station", "celsius"])
    else:
        readings = pandas.read_json(file, lines=True, convert_dates=False)
    tenths = (readings.celsius * 10).round().astype("int64")
    table = tenths.groupby(readings.station).agg(["count", "min", "max", "sum"])
    return [(str(station), *map(int, row)) for station, *row in table.itertuples()]


def merged(tables):
    """The parts of several files as one table."""
    whole = {}
    for station, count, low, high, total in (row for table in tables for row in table):
        n, lowest, highest, sum_ = whole.get(station, (0, low, high, 0))
        whole[station] = (n + count, min(lowest, low), max(highest, high), sum_ + total)
    return [(station, *row) for station, row in whole.items()]


def digest(rows):
    """The same for the same rows, in whatever order they came."""
    lines = sorted(json.dumps(row) for row in rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


class noted:
    """Notes in the journal of the engines when this process began an item, and when it was done. A
    beginning without an end was cut off; an item that was begun twice was handed out again."""

    def __init__(self, item):
        self.item = item

    def __enter__(self):
        self.line("begun")

    def __exit__(self, kind, error, trace):
        self.line("done" if kind is None else "failed")

    def line(self, event):
        if "WORKBOOK_JOURNAL" not in os.environ:
            return
        name = os.environ.get("WORKBOOK_MEMBER", "?")
        entry = {"event": event, "item": self.item, "name": name, "pid": os.getpid()}
        line = json.dumps({**entry, "seconds": time.time()}) + "\n"
        # One write to the end of the file, so that lines of several processes do not mix.
        journal = os.open(os.environ["WORKBOOK_JOURNAL"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(journal, line.encode())
        finally:
            os.close(journal)
