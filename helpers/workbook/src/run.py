"""Executes one notebook on its kernel and reports each cell as a line of JSON.

What counts as a failure is decided by the caller (verdict.rs); this only tells what happened.
The request comes as JSON, as the argument.
"""

import asyncio
import atexit
import contextlib
import json
import os
import queue
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError

# Output of a thread can come after its cell has ended; so long it is waited for.
LATE_OUTPUT_SECONDS = 0.05
# And so long where without more of it the cell would count as failed, and has not failed already.
MISSING_OUTPUT_SECONDS = 5
LAST_OUTPUT_SECONDS = 0.5

# Jupyter looks for free ports and leaves it to the kernel to take them. Where another program was
# faster, JupyterLab starts the kernel again with other ports, and so does this.
PORT_TAKEN = "Address already in use"
STARTS = 3

# With these words a cell says that what it needs is not on this machine, and what to do.
LEFT_OUT = "Not run here:"


def tell(event, **facts):
    print(json.dumps({"event": event, **facts}), flush=True)


def comes_each_time(line):
    """Not so a note on a noisy machine, nor what is said once: that files are made, and where."""
    return bool(line.strip()) and not line.startswith("  note: ") and ", once, in " not in line


def kinds(outputs):
    """What a reader sees of a cell's outputs each time it runs: 'text', 'html', 'figure'."""
    seen = set()
    for output in outputs:
        if output.get("metadata", {}).get("workbook") == "stamp":
            continue
        if output["output_type"] == "stream" and output["name"] == "stdout":
            if any(comes_each_time(line) for line in output["text"].splitlines()):
                seen.add("text")
        data = output.get("data", {})
        html = "".join(data.get("text/html", ""))
        if html:
            seen.add("figure" if "<img" in html else "html")
        elif data:
            seen.add("text")
    return sorted(seen)


def missing(published, outputs):
    """What the saved notebook has here and these outputs have not: 'figure', 'output' or None."""
    seen = kinds(outputs)
    if "figure" in published and "figure" not in seen:
        return "figure"
    return "output" if published and not seen else None


def left_out(outputs):
    """The sentences in which a cell says that it left something out, each once."""
    sentences = {}
    for output in outputs:
        if output["output_type"] == "stream" and output["name"] == "stdout":
            text = output["text"]
        else:
            text = "".join(output.get("data", {}).get("text/plain", ""))
        for line in text.splitlines():
            if line.startswith(LEFT_OUT):
                sentences[line.removeprefix(LEFT_OUT).strip()] = None
    return list(sentences)


class Run:
    def __init__(self, request):
        self.request = request
        if "notebook" in request:
            self.notebook = nbformat.read(request["notebook"], as_version=4)
            # As Jupyter's server does: results are kept under the notebook's name.
            os.environ["JPY_SESSION_NAME"] = request["notebook"]
        else:
            os.environ.pop("JPY_SESSION_NAME", None)
            cells = [
                nbformat.v4.new_code_cell(cell["source"], metadata={"tags": cell["tags"]})
                for cell in request["cells"]
            ]
            self.notebook = nbformat.v4.new_notebook(cells=cells)
        # Whether what the kernel said was told already.
        self.told = False
        # The message id of each execution, to give late output to the cell it came from.
        self.owners = {}

    def make_client(self):
        return NotebookClient(
            self.notebook,
            timeout=self.request["timeout"],
            startup_timeout=180,
            kernel_name="rust",
            allow_errors=True,
            record_timing=False,
            coalesce_streams=True,
            resources={"metadata": {"path": self.request["folder"]}},
        )

    async def execute(self):
        """Executes all cells; False if there was no kernel to do it."""
        started = time.monotonic()
        async with contextlib.AsyncExitStack() as stack:
            # What the kernel says goes on to this program's own standard error at its end.
            words = stack.enter_context(tempfile.TemporaryFile())
            stack.callback(self.pass_on, words)
            for attempts_left in reversed(range(STARTS)):
                self.client = self.make_client()
                try:
                    await stack.enter_async_context(self.client.async_setup_kernel(stderr=words))
                    break
                except Exception as error:
                    # nbclient ends the kernel at Ctrl-C, and then wonders why it has ended.
                    if hasattr(self.client, "_async_cleanup_kernel_future"):
                        raise KeyboardInterrupt from error
                    reason = self.last_words(words, error)
                if not attempts_left or PORT_TAKEN not in reason:
                    tell("nokernel", reason=reason)
                    self.told = True
                    return False
                # nbclient would tidy up after that kernel at the end, and complain.
                atexit.unregister(self.client._cleanup_kernel)
                words.seek(0)
                words.truncate()
            self.follow_executions()
            self.project = self.find_project()
            tell("ready", seconds=time.monotonic() - started)
            await self.describe_kernel()
            alive = True
            code_cells = [
                (index, cell)
                for index, cell in enumerate(self.notebook.cells)
                if cell.cell_type == "code" and cell.source.strip()
            ]
            for number, (index, cell) in enumerate(code_cells, 1):
                alive = await self.execute_cell(number, len(code_cells), index, cell)
                if not alive:
                    break
            if alive:
                await self.flush(code_cells)
            else:
                # Nothing more is to be had from this kernel: do not wait for it to say goodbye.
                await self.client.km.shutdown_kernel(now=True)
        return True

    @staticmethod
    def all_of(words):
        # The kernel writes through the same open file, so its place in it is not this program's.
        size = os.fstat(words.fileno()).st_size
        return os.pread(words.fileno(), size, 0).decode(errors="replace")

    def pass_on(self, words):
        if not self.told:
            sys.stderr.write(self.all_of(words))

    def last_words(self, words, error):
        """Why a kernel did not start, in one line: what it said last, or else what Jupyter says."""
        said = self.all_of(words).splitlines()
        said = [line.strip() for line in said if line.strip()]
        mark = self.request["last_words"]
        own = [line.removeprefix(mark) for line in said if line.startswith(mark)]
        lines = own or said or str(error).strip().splitlines() or [type(error).__name__]
        return lines[-1]

    async def describe_kernel(self):
        """What JupyterLab writes into a notebook that it opens. Without it a saved notebook
        counts as changed as soon as a reader has opened it."""
        message_id = self.client.kc.kernel_info()
        reply = await self.client.async_wait_for_reply(message_id)
        spec = self.client.km.kernel_spec
        self.notebook.metadata["language_info"] = reply["content"]["language_info"]
        self.notebook.metadata["kernelspec"] = {
            "display_name": spec.display_name,
            "language": spec.language,
            "name": self.client.km.kernel_name,
        }

    def follow_executions(self):
        execute = self.client.kc.execute

        def noting(*arguments, **options):
            message_id = execute(*arguments, **options)
            self.owners[message_id] = self.current
            return message_id

        self.client.kc.execute = noting

    def find_project(self):
        """The folder in which this kernel compiles, to see when a cell was compiled."""
        pid = self.client.km.provisioner.pid
        folders = list(Path(self.request["kernels"]).glob(f"{pid}-*/project/cells"))
        return folders[0] if folders else None

    def newest_cell(self):
        """When the newest compiled cell was written."""
        if self.project is None:
            return None
        times = [so.stat().st_mtime for so in self.project.glob("target/*/debug/libcode_*")]
        return max(times, default=None)

    async def execute_cell(self, number, count, index, cell):
        self.current = (cell, index)
        published = kinds(cell.outputs)
        cell.outputs = []
        tell("start", number=number, count=count, first_line=cell.source.strip().splitlines()[0])
        begun_wall, begun = time.time(), time.monotonic()
        status, details = "ok", []
        try:
            await self.client.async_execute_cell(cell, index)
        except CellTimeoutError:
            status = "timeout"
        except DeadKernelError:
            status = "dead"
        seconds = time.monotonic() - begun
        if status in ("ok", "error"):
            await self.drain(LATE_OUTPUT_SECONDS)
            missed = time.monotonic() + MISSING_OUTPUT_SECONDS
            while (
                missing(published, cell.outputs)
                and not any(output["output_type"] == "error" for output in cell.outputs)
                and time.monotonic() < missed
            ):
                await self.drain(LATE_OUTPUT_SECONDS)
        newest = self.newest_cell()
        compiled = newest - begun_wall if newest and newest >= begun_wall else None
        for output in cell.outputs:
            if output["output_type"] == "error":
                status = "error"
                details.append(f"{output['ename']}: {output['evalue']}")
                details.extend(output["traceback"])
        # The compiler's first error is the cause; later ones may only follow from it.
        detail = "\n".join(details)
        self.tell_cell("cell", number, cell, published, status, detail, seconds, compiled)
        return status not in ("timeout", "dead")

    def tell_cell(self, event, number, cell, published, status, detail, seconds, compiled):
        tell(
            event,
            number=number,
            status=status,
            detail=detail,
            stderr="".join(
                output["text"]
                for output in cell.outputs
                if output["output_type"] == "stream" and output["name"] == "stderr"
            ),
            tags=cell.metadata.get("tags", []),
            missing=missing(published, cell.outputs),
            left_out=left_out(cell.outputs),
            seconds=seconds,
            compiled=compiled,
        )

    async def drain(self, patience):
        while True:
            try:
                message = await self.client.kc.get_iopub_msg(timeout=patience)
            except queue.Empty:
                return
            owner = self.owners.get(message["parent_header"].get("msg_id"))
            if owner and message["msg_type"] in ("stream", "execute_result", "error"):
                self.client.process_message(message, *owner)

    async def flush(self, code_cells):
        """Waits for what threads print after the last cell, and counts it to that cell."""
        if not code_cells:
            return
        last = code_cells[-1][1]
        before = len(last.outputs)
        await self.drain(LAST_OUTPUT_SECONDS)
        if len(last.outputs) > before:
            self.tell_cell("late", len(code_cells), last, [], "ok", "", 0.0, None)

    def write(self, path):
        stamp = self.request["stamp"]
        self.notebook.metadata["workbook"] = {"saved_on": stamp}
        code = [cell for cell in self.notebook.cells if cell.cell_type == "code"]
        for cell in code:
            cell.metadata.pop("execution", None)
        if code:
            # Once, where a reader begins; figures name their machine themselves.
            note = (
                f"The outputs in this notebook were saved on {stamp}. "
                "Run a cell, and its output is your machine's."
            )
            code[0].outputs.append(
                nbformat.v4.new_output(
                    "display_data",
                    data={"text/html": f"<i>{note}</i>", "text/plain": note},
                    metadata={"workbook": "stamp"},
                )
            )
        nbformat.write(self.notebook, path)


def main():
    run = Run(json.loads(sys.argv[1]))
    try:
        if not asyncio.run(run.execute()):
            # nbclient tidies up at the end, and complains where no kernel ever was.
            sys.stdout.flush()
            os._exit(0)
    except KeyboardInterrupt:
        sys.exit(130)
    if run.request.get("output"):
        run.write(run.request["output"])
    tell("end")


main()
