"""Sphinx's settings for `cargo workbook site`, which puts this file beside copies of the chapters.

Nothing is executed, and no page loads anything from elsewhere: the site works without a network.
"""

import json
import os
import re
from pathlib import Path

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

README = Path(__file__).with_name("index.md").read_text("utf-8")
# GitHub's own machines set this: only there is it known where the repository can be read.
REPOSITORY = os.environ.get("GITHUB_REPOSITORY")
FILES = f"{os.environ.get('GITHUB_SERVER_URL')}/{REPOSITORY}/blob/HEAD/" if REPOSITORY else None
# What a fold is called that hides a cell of this tag.
FOLDS = {"solution": "a solution", "check": "the check's code"}

project = README.partition("\n")[0].lstrip("# ")
language = "en"
root_doc = "index"
extensions = ["myst_nb"]
html_theme = "furo"
html_title = project
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_use_index = False
html_math_renderer = "mathml"
highlight_language = "none"

nb_execution_mode = "off"
nb_merge_streams = True
# The usual way takes the compiler's messages for Python's.
nb_render_error_lexer = "myst-ansi"
# Chapters are read as JupyterLab reads them: of what MyST adds to Markdown, formulas only.
myst_enable_extensions = ["dollarmath"]
myst_disable_syntax = ["myst_role", "myst_target", "myst_line_comment", "myst_block_break"]
myst_heading_anchors = 4


def index(readme):
    """The README as far as its table of chapters, the table's section first, and the contents after it."""
    sections = re.split(r"(?m)^(?=## )", readme)
    table = re.compile(r"(?m)^\| (\d\w+) \| \[(.+?)\]\(notebooks/(.+?)\.ipynb\)")
    # By where it stands and not by its name, which the README may change.
    at = next((at for at, section in enumerate(sections) if table.search(section)), None)
    if not at:
        raise ValueError("the README has no section with a table of the chapters")
    contents = "".join(f"{number} {title} <notebooks/{name}>\n" for number, title, name in table.findall(sections[at]))
    text = sections[0] + sections[at] + "".join(sections[1:at])
    # What is not on the site is read in the repository, or is just a name.
    text = re.sub(
        r"\[([^]]+)\]\((?!https?:|notebooks/)(#?)([^)]+)\)",
        lambda link: f"[{link[1]}]({FILES}{'README.md#' if link[2] else ''}{link[3]})" if FILES else link[1],
        text,
    )
    if FILES:
        text = text.replace("<this repository>", FILES.partition("/blob/")[0])
    hidden = "\n```{toctree}\n:hidden:\n"
    return (
        f"{text}{hidden}:caption: Chapters\n\n{contents}```\n"
        f"{hidden}:caption: Beside them\n\nnotebooks/glossary\nnotebooks/teaching\n```\n"
    )


def notebook(text):
    """Folds what JupyterLab folds, and names the language as Pygments does."""
    content = json.loads(text)
    content["metadata"].setdefault("language_info", {})["pygments_lexer"] = "rust"
    for cell in content["cells"]:
        metadata = cell["metadata"]
        if metadata.get("jupyter", {}).get("source_hidden"):
            tags = metadata.setdefault("tags", [])
            what = next((FOLDS[tag] for tag in tags if tag in FOLDS), "the code")
            # Of a solution also what it prints.
            tags.append("hide-cell" if "solution" in tags else "hide-input")
            metadata["mystnb"] = {
                "code_prompt_show": f"Show {what}",
                "code_prompt_hide": f"Hide {what}",
            }
    return json.dumps(content)


def read(app, name, source):
    """Sphinx has read a file and has not looked at it yet."""
    if name == "index":
        source[0] = index(source[0])
    elif app.env.doc2path(name).suffix == ".ipynb":
        source[0] = notebook(source[0])
    else:
        source[0] = source[0].replace("](../README.md", "](../index.md")


def formula(self, node):
    """As MathML, which browsers show by themselves: the usual way loads a program from elsewhere."""
    block = node.tagname == "math_block"
    self.body.append(tex2mathml(node.astext(), as_block=block))
    raise nodes.SkipNode


def setup(app):
    app.connect("source-read", read)
    app.add_html_math_renderer("mathml", (formula, None), (formula, None))
