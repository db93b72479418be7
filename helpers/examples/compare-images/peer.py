"""Keeps one image library ready. Requests and answers are JSON, a line each.

The first request names library and files, the answer is the library's version. Then "run" resizes
all files and answers with wall and CPU seconds, "thumbnails" with the pixels of the last run.
"""

import json
import signal
import sys
import time


def pillow():
    import PIL
    from PIL import Image

    def resize(path):
        return Image.open(path).convert("L").resize((64, 64))

    return f"Pillow {PIL.__version__}", resize, Image.Image.tobytes


def draft():
    from PIL import Image

    def resize(path):
        image = Image.open(path)
        image.draft("L", (64, 64))
        return image.convert("L").resize((64, 64))

    return pillow()[0], resize, Image.Image.tobytes


def opencv():
    import cv2

    cv2.setNumThreads(1)
    flags = cv2.IMREAD_REDUCED_GRAYSCALE_8 | cv2.IMREAD_IGNORE_ORIENTATION

    def resize(path):
        return cv2.resize(cv2.imread(path, flags), (64, 64), interpolation=cv2.INTER_AREA)

    return f"OpenCV {cv2.__version__}", resize, lambda image: image.tobytes()


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


def main():
    # Ctrl-C ends all processes; a traceback from each would only hide why.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    request = json.loads(sys.stdin.readline())
    libraries = {"pillow": pillow, "draft": draft, "opencv": opencv, "libvips": libvips}
    version, resize, to_bytes = libraries[request["library"]]()
    files = request["files"]

    def resize_or_none(path):
        try:
            return resize(path)
        except Exception:
            return None

    reply(version)
    made = []
    for line in sys.stdin:
        if json.loads(line) == "run":
            made = None
            start, start_cpu = time.perf_counter(), time.process_time()
            made = [resize_or_none(path) for path in files]
            reply([time.perf_counter() - start, time.process_time() - start_cpu])
        else:
            reply([None if image is None else list(to_bytes(image)) for image in made])


def reply(answer):
    print(json.dumps({"answer": answer}), flush=True)


try:
    main()
except ModuleNotFoundError as error:
    print(json.dumps({"error": f"the Python package {error.name} is not installed"}), flush=True)
except Exception as error:
    print(json.dumps({"error": f"{type(error).__name__}: {error}"}), flush=True)
