"""joblib: worker processes that stay alive, and get small tasks in batches."""

import os
import time

from joblib import Parallel, delayed

import work


def who():
    time.sleep(0.1)
    return os.getpid()


def nothing(n):
    return n


class Engine:
    def __init__(self, settings):
        self.pool = Parallel(n_jobs=settings["workers"])
        self.count = settings["workers"]

    def workers(self):
        pids = sorted(set(self.pool(delayed(who)() for _ in range(2 * self.count))))
        return {f"worker-{n}": pid for n, pid in enumerate(pids, 1)}

    def images(self, paths, to, at_least):
        return self.pool(delayed(work.thumbnail)(path, to, at_least) for path in paths)

    def stations(self, files):
        return work.merged(self.pool(delayed(work.station_table)(file) for file in files))

    def empty(self, count):
        return sum(self.pool(delayed(nothing)(n) for n in range(count)))
