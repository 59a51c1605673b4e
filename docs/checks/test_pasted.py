"""Code of the ways in and of the concepts, pasted at Python's prompt from the top of a page to its end."""

import re
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import pytest

from tests.test_readme import Console

DOCS = Path(__file__).parents[1]
CELL = re.compile(
    r"^```\{code-cell\} ipython3\n(?P<options>(?::.*\n)*)\n*(?P<code>.*?)^```", re.DOTALL | re.MULTILINE
)
PAGES = [page for page in sorted(DOCS.rglob("*.md")) if CELL.search(page.read_text(encoding="utf-8"))]


def shown(page):
    """Lines of the cells that a reader sees; one that is left out of the page is for the build alone."""
    cells = CELL.finditer(page.read_text(encoding="utf-8"))
    return [cell["code"].splitlines() for cell in cells if "remove-cell" not in cell["options"]]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_page_runs_as_it_is_pasted(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    matplotlib.use("Agg")
    console = Console({"__name__": "pasted"})
    for lines in shown(page):
        unfinished = [console.push(line) for line in [*lines, ""]][-1]
        assert not unfinished, lines[-1]
    plt.close("all")


def test_every_executed_page_has_cells():
    executed = [
        page for page in DOCS.rglob("*.md") if "file_format: mystnb" in page.read_text(encoding="utf-8")
    ]
    assert sorted(executed) == PAGES
