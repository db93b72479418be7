"""Keeps one library ready. Requests and answers are JSON, a line each.

The first request says what to be: an image library and its files, or a pool of processes, or both,
or an HTTP client. The answer is the library's version. What comes then is told at `Images`, `Pool`
and `Network`.
"""

import json
import operator
import signal
import sys
import time


def pillow(gap=None):
    import PIL
    from PIL import Image

    def resize(path):
        return Image.open(path).convert("L").resize((64, 64), reducing_gap=gap)

    return f"Pillow {PIL.__version__}", resize, Image.Image.tobytes


def draft():
    from PIL import Image

    def resize(path):
        image = Image.open(path)
        # It decodes whole blocks, and the image ends within the last ones.
        _, box = image.draft("L", (64, 64)) or (None, None)
        return image.convert("L").resize((64, 64), box=box)

    return pillow()[0], resize, Image.Image.tobytes


def opencv():
    import cv2

    cv2.setNumThreads(1)
    reduced = cv2.IMREAD_REDUCED_GRAYSCALE_8 | cv2.IMREAD_IGNORE_ORIENTATION
    whole = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION

    def resize(path):
        image = cv2.imread(path, reduced)
        if min(image.shape) < 64:
            image = cv2.imread(path, whole)
        return cv2.resize(image, (64, 64), interpolation=cv2.INTER_AREA)

    return f"OpenCV {cv2.__version__}", resize, lambda image: image.tobytes()


def simplejpeg():
    """libjpeg-turbo called directly: of the sizes that it can decode, the smallest that is enough."""
    import importlib.metadata

    import simplejpeg
    from PIL import Image

    def resize(path):
        with open(path, "rb") as file:
            jpeg = file.read()
        if not simplejpeg.is_jpeg(jpeg):
            return Image.open(path).convert("L").resize((64, 64))
        small = simplejpeg.decode_jpeg(jpeg, "GRAY", min_height=64, min_width=64)
        return Image.fromarray(small[:, :, 0]).resize((64, 64))

    version = importlib.metadata.version("simplejpeg")
    return f"simplejpeg {version}", resize, Image.Image.tobytes


def libvips():
    import pyvips

    # It would keep the last results and hand them out again.
    pyvips.cache_set_max(0)

    def resize(path):
        image = pyvips.Image.thumbnail(path, 64, height=64, size="force", no_rotate=True)
        if image.bands >= 3:
            # Pillow's weights; they cost nothing at this size.
            image = image[:3].recomb([[0.299, 0.587, 0.114]]).rint().cast("uchar")
        return image[0].write_to_memory()

    version = ".".join(str(pyvips.version(i)) for i in range(3))
    return f"libvips {version}", resize, bytes


LIBRARIES = {
    "pillow": pillow,
    "reducing_gap": lambda: pillow(gap=2.0),
    "draft": draft,
    "opencv": opencv,
    "simplejpeg": simplejpeg,
    "libvips": libvips,
}


def pillow_in_a_worker(path):
    """What the workers of a pool run: the pixels, as that is what has to travel."""
    from PIL import Image

    try:
        return Image.open(path).convert("L").resize((64, 64)).tobytes()
    except Exception:
        return None


class Executor:
    """Python's own pool, started in the way that this Python takes to be the best."""

    def __init__(self, workers):
        from concurrent.futures import ProcessPoolExecutor

        self.executor = ProcessPoolExecutor(workers)

    @staticmethod
    def version():
        import multiprocessing
        import platform

        method = multiprocessing.get_context().get_start_method()
        return f"Python {platform.python_version()} (ProcessPoolExecutor starts workers by {method})"

    def map(self, function, items, chunk):
        return list(self.executor.map(function, items, chunksize=chunk))

    def end(self):
        self.executor.shutdown()


class Joblib:
    def __init__(self, workers):
        self.workers = workers

    @staticmethod
    def version():
        import joblib

        return f"joblib {joblib.__version__} (loky)"

    def map(self, function, items, chunk):
        from joblib import Parallel, delayed

        parallel = Parallel(n_jobs=self.workers, batch_size=chunk)
        return parallel(delayed(function)(item) for item in items)

    def end(self):
        from joblib.externals.loky import get_reusable_executor

        get_reusable_executor().shutdown()


POOLS = {"executor": Executor, "joblib": Joblib}


class Images:
    """"run" resizes all files and answers with wall and CPU seconds (of this process only),
    "thumbnails" with the pixels of the last run."""

    def __init__(self, request):
        self.version, self.resize, self.to_bytes = LIBRARIES[request["library"]]()
        self.files = request["files"]
        self.pool = None
        if "pool" in request:
            pool = POOLS[request["pool"]]
            self.version = pool.version()
            self.pool = pool(request["workers"])
            self.to_bytes = bytes
        self.made = []

    def resize_or_none(self, path):
        try:
            return self.resize(path)
        except Exception:
            return None

    def answer(self, request):
        if request == "thumbnails":
            return [None if image is None else list(self.to_bytes(image)) for image in self.made]
        self.made = None
        start, start_cpu = time.perf_counter(), time.process_time()
        if self.pool is None:
            self.made = [self.resize_or_none(path) for path in self.files]
        else:
            self.made = self.pool.map(pillow_in_a_worker, self.files, 1)
        return [time.perf_counter() - start, time.process_time() - start_cpu]

    def end(self):
        if self.pool is not None:
            self.pool.end()


class Pool:
    """Each request is a task: "start" makes a pool and waits for two results, "end" ends it, and
    the others are a map over so many items. The answer is the seconds that it took."""

    def __init__(self, request):
        self.kind, self.workers, self.pool = POOLS[request["pool"]], request["workers"], None
        self.version = self.kind.version()
        # Workers that are forked have it then; whoever uses arrays has imported it.
        import numpy

        # Functions that any process can import, so that only their names travel.
        self.tasks = {
            "start": (operator.neg, lambda results: results == [0, -1]),
            "negate": (operator.neg, lambda results: results == [-n for n in range(len(results))]),
            "bytes": (bytes, lambda results: all(len(r) == 10_000_000 for r in results)),
            "floats": (numpy.ones, lambda results: all(r.nbytes == 10_000_000 for r in results)),
        }

    def answer(self, request):
        task, count, chunk = request["task"], request["items"], request["chunk"]
        items = {"bytes": [10_000_000] * count, "floats": [1_250_000] * count}
        start = time.perf_counter()
        if task == "end":
            self.end()
            return time.perf_counter() - start
        if task == "start":
            self.pool = self.kind(self.workers)
        function, is_right = self.tasks[task]
        results = self.pool.map(function, items.get(task, range(count)), chunk)
        took = time.perf_counter() - start
        assert len(results) == count and is_right(results), "the results are wrong"
        return took

    def end(self):
        if self.pool is not None:
            self.pool.end()
        self.pool = None


def readings(day):
    return sum(len(item["readings"]) for item in day["items"])


def requests_in_threads():
    from concurrent.futures import ThreadPoolExecutor

    import requests

    def fetch(urls, in_flight):
        with requests.Session() as session, ThreadPoolExecutor(in_flight) as executor:
            # No proxies.
            session.trust_env = False
            session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=in_flight))

            def fetch_one(url):
                response = session.get(url, timeout=30)
                response.raise_for_status()
                return readings(response.json())

            return list(executor.map(fetch_one, urls))

    return f"requests {requests.__version__}", fetch


def httpx_client():
    import asyncio

    import httpx

    async def fetch(urls, in_flight):
        limits = httpx.Limits(max_connections=in_flight)
        async with httpx.AsyncClient(limits=limits, timeout=30, trust_env=False) as client:

            async def fetch_one(url):
                response = await client.get(url)
                response.raise_for_status()
                return readings(response.json())

            return await asyncio.gather(*map(fetch_one, urls))

    return f"httpx {httpx.__version__}", lambda *args: asyncio.run(fetch(*args))


def aiohttp_client():
    import asyncio

    import aiohttp

    async def fetch(urls, in_flight):
        connector = aiohttp.TCPConnector(limit=in_flight)
        async with aiohttp.ClientSession(connector=connector, raise_for_status=True) as session:

            async def fetch_one(url):
                async with session.get(url) as response:
                    return readings(await response.json())

            return await asyncio.gather(*map(fetch_one, urls))

    return f"aiohttp {aiohttp.__version__}", lambda *args: asyncio.run(fetch(*args))


class Network:
    """Each request has the address of a day without its date, dates, and how many to ask for at a
    time. The answer is the seconds that it took, and how many readings came."""

    def __init__(self, request):
        clients = {
            "requests": requests_in_threads,
            "httpx": httpx_client,
            "aiohttp": aiohttp_client,
        }
        self.version, self.fetch = clients[request["client"]]()

    def answer(self, request):
        urls = [request["url"] + date for date in request["dates"]]
        start = time.perf_counter()
        counts = self.fetch(urls, request["in_flight"])
        return [time.perf_counter() - start, sum(counts)]

    def end(self):
        pass


def kind(request):
    if "client" in request:
        return Network
    return Images if "library" in request else Pool


def main():
    # Ctrl-C ends all processes; a traceback from each would only hide why.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    request = json.loads(sys.stdin.readline())
    peer = kind(request)(request)
    reply(peer.version)
    try:
        for line in sys.stdin:
            reply(peer.answer(json.loads(line)))
    finally:
        # Python complains about pools that are left to end by themselves.
        peer.end()


def reply(answer):
    print(json.dumps({"answer": answer}), flush=True)


# The workers of a pool may read this file too.
if __name__ == "__main__":
    try:
        main()
    except ModuleNotFoundError as error:
        why = f"the Python package {error.name} is not installed"
        print(json.dumps({"error": why}), flush=True)
    except Exception as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}), flush=True)
