"""What a browser makes of the figures' labels. Called by figures.rs.

Arguments: the browser, and a folder of SVG files. Prints each fault as a line: the file, what is
wrong, and the labels, with tabs between them.
"""

import pathlib
import sys

from playwright.sync_api import sync_playwright

BROWSER, FOLDER = sys.argv[1:3]
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]

# Boxes have a font's whole height, the ink of most letters has less. So much may two boxes have in
# common, or one lie outside, in pixels of the page.
PLAY = 2

# In a notebook a figure is an <img>, into which scripts cannot look; here it is in the page itself,
# at the same size.
FIND_FAULTS = """
(play) => {
  const svg = document.querySelector('svg');
  const card = svg.getBoundingClientRect();
  const labels = [...svg.querySelectorAll('text')]
    .map((node) => ({ text: node.textContent.trim(), box: node.getBoundingClientRect() }))
    .filter((label) => label.text !== '');
  const faults = [];
  labels.forEach(({ text, box }, place) => {
    const out = Math.max(card.left - box.left, card.top - box.top,
                         box.right - card.right, box.bottom - card.bottom);
    if (out > play) faults.push(['leaves the picture', text]);
    for (const other of labels.slice(place + 1)) {
      const wide = Math.min(box.right, other.box.right) - Math.max(box.left, other.box.left);
      const high = Math.min(box.bottom, other.box.bottom) - Math.max(box.top, other.box.top);
      if (wide > play && high > play) faults.push(['overlap', text, other.text]);
    }
  });
  return [labels.length, faults];
}
"""


def main():
    labels = 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        for file in sorted(pathlib.Path(FOLDER).glob("*.svg")):
            svg = file.read_text(encoding="utf-8")
            page.set_content(f"<style>body > svg {{ max-width: 760px; height: auto }}</style>{svg}")
            found, faults = page.evaluate(FIND_FAULTS, PLAY)
            labels += found
            for fault in faults:
                print("\t".join([file.stem, *fault]))
        browser.close()
    print(f"{labels} labels", file=sys.stderr)


main()
