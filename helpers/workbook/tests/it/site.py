"""The site as a reader sees it, in headless Chromium. Called by site.rs.

Arguments: the site's folder, the notebooks' folder, the browser, a folder for screenshots.
"""

import functools
import http.server
import json
import sys
import threading
from pathlib import Path
from urllib.parse import unquote, urldefrag

from playwright.sync_api import sync_playwright

SITE, NOTEBOOKS, SCREENSHOTS = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[4])
CHAPTERS = sorted(path.stem for path in NOTEBOOKS.glob("[0-9][0-9]*-*.ipynb") if ".edited-" not in path.name)
WORD = "oversubscription"
# A noisy machine may be slow; what is waited for comes or does not.
PATIENCE = 180_000
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1300, "height": 900}


class Quiet(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        # Browsers ask every server for this; it is no part of a page.
        if self.path == "/favicon.ico":
            self.send_response(204)
            return self.end_headers()
        super().do_GET()

    def log_message(self, *_):
        pass


def cells(chapter):
    return json.loads((NOTEBOOKS / f"{chapter}.ipynb").read_text("utf-8"))["cells"]


def look_at(page, base, name):
    """Opens a page, and says what is in it."""
    page.goto(base + name)
    return page.evaluate(
        """() => ({
            links: [...document.querySelectorAll('a[href]')].map(a => a.href),
            ids: [...document.querySelectorAll('[id]')].map(e => e.id),
            images: [...document.images].map(i => [i.alt, i.complete && i.naturalWidth > 0]),
            next: document.querySelector('a.next-page')?.href,
            prev: document.querySelector('a.prev-page')?.href,
            rust: document.querySelectorAll('.cell_input .highlight-rust').length,
            coloured: document.querySelectorAll('.cell_input .highlight-rust .k').length,
            folds: [...document.querySelectorAll('details.hide')].map(d => d.open),
            formulas: document.querySelectorAll('math').length,
        })"""
    )


def links_lead_somewhere(base, seen):
    checked = 0
    for name, page in seen.items():
        for link in page["links"]:
            if not link.startswith(base):
                assert link.startswith("http"), f"{name} links to {link}"
                continue
            target, part = urldefrag(link.removeprefix(base))
            target = target or "index.html"
            assert (SITE / unquote(target)).is_file(), f"{name}: {link} is not there"
            if part and target in seen:
                assert unquote(part) in seen[target]["ids"], f"{name}: {link} has no such place"
            checked += 1
    assert checked > 100, checked
    print(f"✓ {checked} links within the site lead to a page and a place in it")


def chapters_are_whole(base, seen):
    names = [f"notebooks/{chapter}.html" for chapter in CHAPTERS]
    for number, (chapter, name) in enumerate(zip(CHAPTERS, names)):
        page = seen[name]
        before = names[number - 1] if number else "index.html"
        after = [*names, "notebooks/glossary.html"][number + 1]
        assert (page["prev"], page["next"]) == (base + before, base + after), name
        code = [cell for cell in cells(chapter) if cell["cell_type"] == "code"]
        assert page["rust"] == len(code) and page["coloured"] > 10, f"{name}: {page['rust']}"
        hidden = [cell for cell in code if cell["metadata"].get("jupyter", {}).get("source_hidden")]
        assert page["folds"] == [False] * len(hidden), f"{name}: {page['folds']}"
        figures = sum(json.dumps(cell["outputs"]).count("<img ") for cell in code)
        assert figures and len(page["images"]) == figures, f"{name}: {len(page['images'])}"
        for alternative, shown in page["images"]:
            assert shown and len(alternative) > 20, f"{name}: {alternative!r}"
        formulas = sum("".join(cell["source"]).count("$$") for cell in cells(chapter))
        assert page["formulas"] >= formulas // 2, f"{name}: {page['formulas']} formulas"
    print(f"✓ {len(names)} chapters, one after the other, with their cells, folds and figures")


def word_is_found(page, base):
    with_it = {c for c in CHAPTERS if any(WORD in "".join(cell["source"]).lower() for cell in cells(c))}
    assert with_it and len(with_it) < len(CHAPTERS), with_it
    page.goto(f"{base}notebooks/{CHAPTERS[0]}.html")
    page.locator("input.sidebar-search").fill(WORD)
    page.keyboard.press("Enter")
    page.wait_for_selector("ul.search li a")
    page.wait_for_function("!document.querySelector('#search-progress')?.innerText.trim()")
    links = page.eval_on_selector_all("ul.search li a", "all => all.map(a => a.href)")
    found = {Path(link.split("?")[0].split("#")[0]).stem for link in links}
    assert with_it <= found and found & set(CHAPTERS) == with_it, f"{found}, not {with_it}"
    page.screenshot(path=SCREENSHOTS / "site-search.png")
    print(f"✓ the search finds “{WORD}” in {', '.join(sorted(with_it))}")


def fits_a_phone(page, base, names):
    page.set_viewport_size(PHONE)
    for name in names:
        page.goto(base + name)
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        # The theme's page never scrolls; what it has room for is asked of the column of text.
        wide = page.evaluate(
            """() => [document.scrollingElement, document.querySelector('.content')]
                .map(part => part.scrollWidth)"""
        )
        assert wide == [PHONE["width"]] * 2, f"{name} scrolls sideways: {wide}"
        if name.endswith(f"{CHAPTERS[0]}.html"):
            page.screenshot(path=SCREENSHOTS / "site-phone.png")
    page.set_viewport_size(DESK)
    print(f"✓ no page scrolls sideways where it is {PHONE['width']} pixels wide")


def goes_dark(page, base):
    light = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.goto(f"{base}notebooks/{CHAPTERS[0]}.html")
        page.locator(".cell_output img").first.scroll_into_view_if_needed()
        page.screenshot(path=SCREENSHOTS / f"site-{scheme}.png")
        for part in ("body", ".cell_input pre", ".cell_output pre"):
            colours = page.evaluate(
                """part => { const style = getComputedStyle(document.querySelector(part));
                const shade = colour => colour.match(/[0-9.]+/g).slice(0, 3).reduce((a, b) => a + +b, 0);
                return [shade(style.color), style.backgroundColor, shade(style.backgroundColor)]; }""",
                part,
            )
            letters, ground, shade = colours
            # What is transparent shows the ground of what is behind it.
            shade = light[scheme] if ground == "rgba(0, 0, 0, 0)" else shade
            light.setdefault(scheme, shade)
            assert abs(letters - shade) > 300, f"{scheme}, {part}: {colours}"
    assert light["light"] > 600 and light["dark"] < 150, light
    print("✓ the ground follows the reader's theme, and letters stand out from it")


def main():
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=SITE)
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}/"
    names = sorted(path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html"))
    names = [name for name in names if not name.startswith("_")]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=sys.argv[3], args=FLAGS, timeout=PATIENCE)
        page = browser.new_page(viewport=DESK)
        page.set_default_timeout(PATIENCE)
        wrong = []
        page.on("pageerror", lambda error: wrong.append(f"{page.url}: {error}"))
        page.on("console", lambda said: said.type == "error" and wrong.append(f"{page.url}: {said}"))
        page.on(
            "request",
            lambda asked: asked.url.startswith((base, "data:")) or wrong.append(f"{page.url} loads {asked.url}"),
        )
        seen = {name: look_at(page, base, name) for name in names}
        links_lead_somewhere(base, seen)
        chapters_are_whole(base, seen)
        word_is_found(page, base)
        fits_a_phone(page, base, names)
        goes_dark(page, base)
        assert not wrong, "\n".join(wrong)
        print(f"✓ {len(names)} pages without a script error, and none loads anything from elsewhere")
        browser.close()


main()
