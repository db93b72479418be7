"""Threads of one Python process: what every other engine is compared with."""

import os
from concurrent.futures import ThreadPoolExecutor

import work


class Engine:
    def __init__(self, settings):
        self.pool = ThreadPoolExecutor(settings["workers"])

    def workers(self):
        return {"driver": os.getpid()}

    def images(self, paths, to, at_least):
        return list(self.pool.map(lambda path: work.thumbnail(path, to, at_least), paths))

    def stations(self, files):
        return work.merged(self.pool.map(work.station_table, files))

    def empty(self, count):
        return sum(self.pool.map(lambda n: n, range(count)))
