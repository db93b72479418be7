"""Starts a kernel program as Jupyter does, and prints the version that it says it has.

The arguments: the program, and for how many seconds its answer is waited for.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time

from jupyter_client import BlockingKernelClient, write_connection_file

with tempfile.TemporaryDirectory() as folder:
    file, _ = write_connection_file(os.path.join(folder, 'connection.json'))
    environment = dict(os.environ, EVCXR_TMPDIR=folder, EVCXR_CONFIG_DIR=folder)
    kernel = subprocess.Popen(
        [sys.argv[1], '--control_file', file], env=environment, cwd=folder, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        client = BlockingKernelClient(connection_file=file)
        client.load_connection_file()
        client.start_channels()
        deadline = time.monotonic() + float(sys.argv[2])
        content = None
        while content is None and kernel.poll() is None and time.monotonic() < deadline:
            try:
                content = client.kernel_info(reply=True, timeout=2)['content']
            except TimeoutError:
                pass
        if content and content['implementation'] == 'evcxr_jupyter':
            print(content['implementation_version'])
        client.stop_channels()
    finally:
        try:
            os.killpg(kernel.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        kernel.wait()
