"""PySpark: a driver and executors on the JVM, which start Python processes for Python functions."""

import json
import urllib.request

from pyspark.sql import SparkSession, functions as f

import work


class Engine:
    def __init__(self, settings):
        self.settings = settings
        session = SparkSession.builder.master(f"spark://127.0.0.1:{settings['scheduler_port']}")
        for name, value in {
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.memory": "512m",
            "spark.executor.memory": "512m",
            "spark.executor.cores": "1",
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.sql.shuffle.partitions": str(settings["workers"]),
        }.items():
            session = session.config(name, value)
        self.spark = session.getOrCreate()
        self.context = self.spark.sparkContext
        # A worker that dies takes whole parts with it, so they are to be small.
        self.parts = 8 * settings["workers"]

    def workers(self):
        """Those that the master counts on, and of which this driver has an executor."""
        url = f"http://127.0.0.1:{self.settings['page_port']}/json/"
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=2) as page:
            workers = [w for w in json.load(page)["workers"] if w["state"] == "ALIVE"]
        names = {port: name for name, port in self.settings["ports"].items()}
        executors = self.context._jsc.sc().getExecutorMemoryStatus().size() - 1
        known = {names[w["port"]]: 0 for w in workers if w["port"] in names}
        return known if executors >= len(known) else {}

    def images(self, paths, to, at_least):
        paths = self.context.parallelize(paths, min(len(paths), self.parts))
        return paths.map(lambda path: work.thumbnail(path, to, at_least)).collect()

    def stations(self, files):
        read = self.spark.read
        readings = read.parquet(*files) if files[0].endswith(".parquet") else read.json(files)
        tenths = f.round(f.col("celsius") * 10).cast("long")
        table = readings.groupBy("station").agg(
            f.count(tenths), f.min(tenths), f.max(tenths), f.sum(tenths)
        )
        return [tuple(row) for row in table.collect()]

    def empty(self, count):
        return self.context.parallelize(range(count), count).map(lambda n: n).sum()
