"""Celery: the broker keeps messages; a message names a task, and every worker has the code."""

import os
import time

from celery import Celery, group
from celery.exceptions import TimeoutError
from redis.exceptions import ConnectionError

import work

# Redis has numbered databases: apalis's tasks are in 0, Celery's here.
redis = os.environ.get("WORKBOOK_REDIS", "redis://127.0.0.1:6379")
app = Celery("with_celery", broker=f"{redis}/1", backend=f"{redis}/2")
app.conf.broker_connection_retry_on_startup = True
if os.environ.get("WORKBOOK_LATE"):
    # Crossed off when it is done, not when it begins; and not when the process has died under it;
    # and a worker holds no tasks that it has not begun.
    app.conf.task_acks_late = True
    app.conf.task_reject_on_worker_lost = True
    app.conf.worker_prefetch_multiplier = 1
    # Handed to others after 5 s, where Celery's own setting is an hour. Longer than any task here:
    # one that takes longer would be begun twice although nobody has died.
    app.conf.broker_transport_options = {
        "visibility_timeout": 5,
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
    }
    # A result that Redis does not take while it is away is offered again for some 15 s. Otherwise the
    # task, which is done, would count as failed.
    app.conf.result_backend_always_retry = True
    app.conf.result_backend_max_retries = 60
    app.conf.result_backend_max_sleep_between_retries_ms = 500


@app.task
def thumbnail(path, to, at_least):
    return work.thumbnail(path, to, at_least)


@app.task
def station_table(file):
    return work.station_table(file)


@app.task
def nothing(n):
    return n


class Engine:
    def __init__(self, settings):
        self.count = settings["workers"]

    def workers(self):
        answers = app.control.inspect(timeout=1, limit=self.count).stats() or {}
        return {name.split("@")[0]: stats["pid"] for name, stats in answers.items()}

    def images(self, paths, to, at_least):
        return collect(group(thumbnail.s(path, to, at_least) for path in paths)())

    def stations(self, files):
        return work.merged(group(station_table.s(file) for file in files)().get())

    def empty(self, count):
        return sum(group(nothing.s(n) for n in range(count))().get())


def collect(results):
    """The results; `None` for a task that was lost: nobody says so, there is only no more news."""
    # What is acknowledged late comes back after 5 s; other tasks not within the hour.
    patience = 15 if app.conf.task_acks_late else 6
    done, since = 0, time.monotonic()
    while time.monotonic() - since < patience:
        try:
            now_done = results.completed_count()
            if now_done > done:
                done, since = now_done, time.monotonic()
            if results.ready():
                break
            results.get(timeout=0.2, propagate=False)
        except TimeoutError:
            pass
        except ConnectionError:
            # Redis is away, and the results with it: they are asked for again.
            time.sleep(0.2)
    return [result.get() if result.ready() else None for result in results]
