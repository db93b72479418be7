"""JupyterLab as a reader sees it, in headless Chromium. Called by browser.rs.

Arguments: the address that `cargo workbook` printed, the browser, a folder for screenshots, the file
name of a notebook that `cargo workbook new` has made. On standard input: cells that end in many ways, each with the words that it must show, as JSON.
Nothing is saved: autosave is off, and the chapter's file stays as it is.
"""

import json
import re
import sys
import time
import urllib.request
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import sync_playwright

ADDRESS, BROWSER, SCREENSHOTS, OWN = sys.argv[1:5]
PARTS = urlsplit(ADDRESS)
BASE = f"{PARTS.scheme}://{PARTS.netloc}"
TOKEN = parse_qs(PARTS.query)["token"][0]
CHAPTER = PARTS.path.rsplit("/", 1)[1]
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# A noisy machine may be slow; what is waited for comes or does not.
PATIENCE = 180
RUN_ALL_PATIENCE = 900

# The notebook that is open, as JupyterLab itself knows it. Cells outside the window are not in
# the page, so questions about all cells go to the model.
NOTEBOOK = "const panel = window.jupyterapp.shell.currentWidget; const notebook = panel.content;"


def ask_server(path, method="GET", body=None):
    request = urllib.request.Request(
        BASE + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"token {TOKEN}", "Content-Type": "application/json"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=PATIENCE) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def change_setting(plugin, settings):
    ask_server(f"/lab/api/settings/{plugin}", "PUT", {"raw": json.dumps(settings)})


def done(what):
    print(f"✓ {what}", flush=True)


class Lab:
    def __init__(self, page):
        self.page = page

    def ask(self, script, argument=None):
        return self.page.evaluate(f"async (argument) => {{ {NOTEBOOK} {script} }}", argument)

    def wait(self, what, script, argument=None, patience=PATIENCE):
        start = time.monotonic()
        answer = None
        while time.monotonic() - start < patience:
            try:
                answer = self.ask(script, argument)
            except Exception as error:  # The page is still loading.
                answer = None
                last = error
            if answer:
                return answer
            self.page.wait_for_timeout(250)
        self.screenshot("failed")
        raise AssertionError(f"after {patience} s still not: {what}")

    def wait_for_kernel(self):
        self.wait(
            "the kernel is idle",
            """
            const kernel = panel.context.isReady && panel.sessionContext.session?.kernel;
            if (!kernel || kernel.name !== 'rust') return null;
            // JupyterLab can miss the first word of a kernel that starts on a busy machine, and
            // then shows "Unknown" until the kernel is spoken to; running a cell does that too.
            if (kernel.status === 'unknown') kernel.requestKernelInfo().catch(() => null);
            return kernel.status === 'idle';
            """,
        )

    def expect_no_questions(self):
        """No dialog, no notification: a new user sees the chapter and nothing else."""
        for selector in (".jp-Dialog", ".Toastify__toast", ".jp-Notification-Toast"):
            found = self.page.locator(selector)
            assert found.count() == 0, f"{selector}: {found.first.inner_text()}"

    def screenshot(self, name):
        self.page.screenshot(path=f"{SCREENSHOTS}/{name}.png")

    def show_figure(self, index):
        """Scrolls to a cell and returns its figure's natural and shown sizes."""
        return self.wait(
            f"the figure of cell {index} is shown",
            """
            notebook.activeCellIndex = argument;
            await notebook.scrollToItem(argument, 'center');
            const image = notebook.widgets[argument].node.querySelector('.jp-OutputArea img');
            if (!image || !image.complete || image.naturalWidth === 0) return null;
            image.scrollIntoView({ block: 'center' });
            const box = image.getBoundingClientRect();
            return { naturalWidth: image.naturalWidth, width: box.width, height: box.height,
                     source: image.src.slice(0, 26) };
            """,
            index,
        )

    def open_numbers(self, index):
        """Opens the table below a cell's figure and returns whether it is open, and its text."""
        return self.ask(
            """
            const details = notebook.widgets[argument].node.querySelector('.jp-OutputArea details');
            if (!details) return null;
            details.querySelector('summary').click();
            const text = details.querySelector('pre').textContent;
            return { open: details.open, high: details.querySelector('pre').clientHeight, text };
            """,
            index,
        )

    def figures(self):
        """The cells that hold a figure."""
        return self.ask(
            """
            return notebook.widgets.flatMap((cell, index) =>
                cell.model.type === 'code'
                && JSON.stringify(cell.model.sharedModel.outputs).includes('<img') ? [index] : []);
            """
        )

    def run_all(self):
        self.page.locator(".lm-MenuBar-itemLabel", has_text="Run").first.click()
        self.page.locator("li[data-command='runmenu:run-all']").click()
        self.wait(
            "every cell has run",
            """
            return notebook.widgets.every(cell => cell.model.type !== 'code'
                || !cell.model.sharedModel.source.trim()
                || (cell.model.executionCount !== null && cell.model.executionState !== 'running'))
                && panel.sessionContext.session.kernel.status === 'idle';
            """,
            patience=RUN_ALL_PATIENCE,
        )

    def unexpected_errors(self):
        return self.ask(
            """
            return notebook.widgets.flatMap((cell, index) => {
                if (cell.model.type !== 'code') return [];
                const tags = cell.model.getMetadata('tags') ?? [];
                const wrong = cell.model.sharedModel.outputs.filter(output =>
                    (output.output_type === 'error' && !tags.includes('raises-exception'))
                    || (output.name === 'stderr' && !tags.includes('allow-stderr')
                        && !tags.includes('raises-exception')));
                return wrong.map(output => `cell ${index}: ${JSON.stringify(output)}`);
            });
            """
        )

    def type_cell(self, source):
        """Replaces the active cell's source by typing, and runs it as a reader would."""
        keyboard = self.page.keyboard
        keyboard.press("Enter")
        keyboard.press("Control+a")
        keyboard.insert_text(source)
        typed = self.ask("return notebook.activeCell.model.sharedModel.source")
        assert typed == source, f"typed {source!r}, the cell holds {typed!r}"
        # Control, so that the cell stays the active one.
        keyboard.press("Control+Enter")

    def run_typed(self, source):
        """Runs the active cell with another source; returns all the text that it then shows."""
        before = self.ask("return notebook.activeCell.model.executionCount")
        self.page.keyboard.press("Escape")
        self.type_cell(source)
        self.wait(
            f"it has run: {source}",
            """
            const count = notebook.activeCell.model.executionCount;
            return count !== null && count !== argument
                && panel.sessionContext.session.kernel.status === 'idle';
            """,
            before,
        )
        # What the process said last may come a moment after its end.
        self.page.wait_for_timeout(200)
        return self.ask(
            """
            const text = output => [output.text, output.evalue, output.traceback,
                Object.values(output.data ?? {})].flat(2).join('');
            return notebook.activeCell.model.sharedModel.outputs.map(text).join('');
            """
        )

    def expect_output(self, index, expected):
        self.wait(
            f"cell {index} shows {expected!r}",
            """
            const area = notebook.widgets[argument.index].node.querySelector('.jp-OutputArea');
            return area && area.innerText.includes(argument.expected);
            """,
            {"index": index, "expected": expected},
        )


def open_as_a_new_user(lab, requests):
    lab.page.goto(ADDRESS)
    lab.wait("the chapter is open", "return panel && notebook.widgets.length > 0")
    opened = lab.ask("return panel.context.path")
    assert opened == CHAPTER, opened
    lab.wait_for_kernel()
    # The question about news comes some time after the start.
    lab.page.wait_for_timeout(5000)
    lab.expect_no_questions()
    asked = [url for url in requests if "/lab/api/news" in url or "/lab/api/update" in url]
    assert not asked, asked
    # A chapter that counts as changed when it is merely opened would be saved over and over.
    changed = lab.ask("return panel.context.model.dirty && panel.context.model.toJSON().metadata")
    assert not changed, f"opening the chapter changes it: {changed}"
    lab.screenshot("light-opened")
    done(f"{CHAPTER} opens without a question, and its kernel is idle")


def see_saved_figures(lab):
    """Before anything has run, the chapter is not trusted: this reader has never signed it."""
    cells = ask_server(f"/api/contents/{CHAPTER}?content=1")["content"]["cells"]
    with_outputs = [cell for cell in cells if cell.get("outputs")]
    assert with_outputs, "the chapter is saved without outputs"
    assert not any(cell["metadata"].get("trusted") for cell in with_outputs)
    figures = lab.figures()
    assert figures, "the chapter is saved without a figure"
    for index in figures:
        size = lab.show_figure(index)
        assert size["source"].startswith("data:image/"), size
    tables = [found for found in map(lab.open_numbers, figures) if found]
    assert tables, "no figure has its numbers below it"
    for table in tables:
        assert table["open"] and table["high"] > 20 and "\n" in table["text"], table
    lab.screenshot("light-untrusted-figure")
    done(f"{len(figures)} figure(s) show although the notebook is not trusted")


def run_everything(lab):
    lab.ask("await window.jupyterapp.commands.execute('editmenu:clear-all')")
    lab.wait(
        "the outputs are cleared",
        "return notebook.widgets.every(cell => cell.model.type !== 'code'"
        " || cell.model.sharedModel.outputs.length === 0)",
    )
    lab.run_all()
    errors = lab.unexpected_errors()
    assert not errors, "\n".join(errors)
    figures = lab.figures()
    assert figures, "no figure after Run All"
    for index in figures:
        size = lab.show_figure(index)
        assert size["width"] > 200 and size["height"] > 50, size
    lab.screenshot("light-figure")
    done(f"Run All ran every cell, and {len(figures)} figure(s) show")


def edit_a_cell(lab):
    index = lab.ask(
        """
        notebook.activeCellIndex = notebook.widgets.length - 1;
        await window.jupyterapp.commands.execute('notebook:insert-cell-below');
        await notebook.scrollToItem(notebook.activeCellIndex, 'end');
        notebook.mode = 'command';
        notebook.activate();
        return notebook.activeCellIndex;
        """
    )
    lab.type_cell('println!("it says {}", 1000 + 42);')
    lab.expect_output(index, "it says 1042")
    lab.page.keyboard.press("Escape")
    lab.type_cell('println!("it says {}", 2000 + 42);')
    lab.expect_output(index, "it says 2042")
    done("an edited cell shows its new result")
    return index


def see_what_it_costs(lab):
    """The machine's use at the top, alive, and below a cell its time."""
    lab.ask(
        """
        window.usage = [];
        setInterval(() => window.usage.push(document.querySelector('#jp-top-bar').innerText), 500);
        """
    )
    lab.run_typed(
        "let until = Instant::now() + Duration::from_secs(8); while Instant::now() < until {}"
    )
    shown = [" ".join(text.split()) for text in lab.ask("return window.usage")]
    found = [re.search(r"CPU: (\d+)% .*Mem: ([\d.]+) [MG]B", text) for text in shown]
    assert all(found), shown
    assert max(int(usage[1]) for usage in found) > 30, f"a core was busy, and this shown: {shown}"
    assert len({usage[1] for usage in found}) > 1 and float(found[-1][2]) > 0, shown
    time_below = lab.ask("return notebook.activeCell.node.querySelector('.execute-time')?.innerText")
    seconds = re.search(r"Last executed in ([\d.]+)s", time_below or "")
    assert seconds and float(seconds[1]) >= 8, time_below
    lab.screenshot("light-usage")
    done("processors, memory and the cell's time are shown")


def complete_and_ask(lab):
    """Tab completes, Shift-Tab explains: names of helpers, and the reader's own."""
    lab.run_typed("/// Thrice as much.\nfn thrice_as_much(n: u64) -> u64 { 3 * n }\nlet kopi_count = 1_u64;")
    keyboard = lab.page.keyboard
    for begun, whole in (
        ("machin", "machine"), ("Comparis", "Comparison"),
        ("thrice_a", "thrice_as_much"), ("kopi_c", "kopi_count"),
    ):
        for attempt in range(3):
            keyboard.press("Escape")
            keyboard.press("Escape")
            lab.ask("notebook.mode = 'command'; notebook.activate();")
            keyboard.press("Enter")
            keyboard.press("Control+a")
            keyboard.type(begun)
            keyboard.press("Tab")
            try:
                lab.wait(
                    f"{begun} is completed to {whole}",
                    """
                    const offered = [...document.querySelectorAll('.jp-Completer-item')];
                    return offered.some(item => item.innerText.includes(argument))
                        || notebook.activeCell.model.sharedModel.source.includes(argument);
                    """,
                    whole,
                    patience=30,
                )
                break
            except AssertionError:
                # A first answer may come later than JupyterLab waits for it.
                if attempt == 2:
                    raise
    keyboard.press("Escape")
    # What JupyterLab asks at Shift-Tab. The kernel answers where the cursor is right behind a name.
    for name, words in (
        ("machine", "pub fn machine"), ("thrice_as_much", "fn thrice_as_much(n: u64"), ("kopi_count", "kopi_count: u64"),
    ):
        said = lab.ask(
            "const asked = { code: argument, cursor_pos: argument.length, detail_level: 0 };"
            "const reply = await panel.sessionContext.session.kernel.requestInspect(asked);"
            "return JSON.stringify(reply.content);",
            name,
        )
        assert words in said, f"{name} is explained with {said}, not with {words!r}"
    done("Tab completes and Shift-Tab explains names of helpers and of one's own")


def open_ones_own(lab):
    lab.ask("await window.jupyterapp.commands.execute('docmanager:open', { path: argument })", OWN)
    lab.wait("it is open", "return panel?.context?.path === argument && panel.context.isReady", OWN)
    lab.wait_for_kernel()
    changed = lab.ask("return panel.context.model.dirty && panel.context.model.toJSON()")
    assert not changed, f"opening it changes it: {changed}"
    lab.run_all()
    assert not lab.unexpected_errors(), lab.unexpected_errors()
    lab.ask(
        "notebook.activeCellIndex = notebook.widgets.length - 1;"
        "notebook.mode = 'command'; notebook.activate();"
    )
    said = lab.run_typed('println!("{} cores", cores());')
    assert re.fullmatch(r"\d+ cores\n", said), said
    lab.screenshot("light-own")
    lab.ask("await panel.sessionContext.shutdown(); panel.context.model.dirty = false; panel.close();")
    done("a notebook of one's own opens and runs")


def edit_a_function_of_a_pool(lab, index):
    """The pool stays in its variable; when the next cell is stopped, its workers have to go too."""
    lab.page.keyboard.press("Escape")
    lab.type_cell('let helping = helpers::pool::ProcessPool::new(2)?;\nprintln!("{} processes", helping.workers());')
    lab.expect_output(index, "2 processes")
    for work, expected in (("n + 1000", "[1000, 1001, 1002]"), ("n * 2000", "[0, 2000, 4000]")):
        lab.page.keyboard.press("Escape")
        lab.type_cell(
            f"fn work(n: u64) -> u64 {{ {work} }}\n"
            'println!("they say {:?}", helping.try_map(work, 0..3)?);'
        )
        lab.expect_output(index, f"they say {expected}")
    done("a function that is edited and run again gives a pool's new results")


def interrupt_a_cell(lab, index):
    lab.page.keyboard.press("Escape")
    lab.type_cell("loop { std::thread::sleep(std::time::Duration::from_millis(50)); }")
    lab.wait("the cell runs", "return panel.sessionContext.session.kernel.status === 'busy'")
    lab.page.wait_for_timeout(3000)
    lab.page.locator("[data-jp-item-name='interrupt'] >> visible=true").first.click()
    lab.wait_for_kernel()
    lab.expect_output(index, "The process of the cells has ended")
    lab.page.keyboard.press("Escape")
    lab.type_cell('println!("it goes on: {}", 3000 + 42);')
    lab.expect_output(index, "it goes on: 3042")
    lab.screenshot("light-edited")
    done("an endless cell can be interrupted, and the next one runs")


def end_cells_in_many_ways(lab, index, endings):
    """However a cell ends, its words are below it, and the next one works."""
    for number, (source, words) in enumerate(endings):
        said = lab.run_typed(source)
        for word in words:
            assert word in said, f"{source}\ndoes not show {word!r} but:\n{said}"
        assert "EVCXR_" not in said, f"{source}\nshows the kernel's words:\n{said}"
        said = lab.run_typed(f'println!("next: {{}}", 4000 + {number});')
        assert said == f"next: {4000 + number}\n", f"{source}\nand then the next cell: {said}"
    lab.screenshot("light-ended")
    done(f"after {len(endings)} ways to end a cell the next one works")


def go_dark(lab):
    change_setting("@jupyterlab/apputils-extension:themes", {"theme": "JupyterLab Dark"})
    lab.page.reload()
    lab.wait("the chapter is open again", "return panel && notebook.widgets.length > 0")
    lab.wait_for_kernel()
    lab.wait(
        "the theme is dark",
        "return document.body.dataset.jpThemeLight === 'false'",
    )
    lab.page.wait_for_timeout(1000)
    lab.screenshot("dark-opened")
    lab.show_figure(lab.figures()[0])
    lab.page.wait_for_timeout(500)
    lab.screenshot("dark-figure")
    lab.expect_no_questions()
    done("the dark theme shows the figures too")


def main():
    change_setting("@jupyterlab/docmanager-extension:plugin", {"autosave": False})
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
        page = browser.new_page(viewport={"width": 1360, "height": 900})
        # Leaving a changed notebook asks first.
        page.on("dialog", lambda dialog: dialog.accept())
        requests = []
        page.on("request", lambda request: requests.append(request.url))
        lab = Lab(page)
        open_as_a_new_user(lab, requests)
        see_saved_figures(lab)
        run_everything(lab)
        index = edit_a_cell(lab)
        see_what_it_costs(lab)
        complete_and_ask(lab)
        edit_a_function_of_a_pool(lab, index)
        interrupt_a_cell(lab, index)
        end_cells_in_many_ways(lab, index, json.load(sys.stdin))
        go_dark(lab)
        # Last: JupyterLab opens it again when the page is loaded anew, as `go_dark` does.
        open_ones_own(lab)
        browser.close()


main()
