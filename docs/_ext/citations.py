"""Works that docstrings name, such as Hammond, Vandergheynst, Gribonval (2011), lead to the bibliography.

``references.toml`` has a table a citation, under the text that docstrings have: title, where it appeared, and
a link. The page of references is made of it.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from docutils.nodes import make_id
from sphinx.application import Sphinx

PAGE = "references"


def load(app: Sphinx) -> None:
    """Read the table, and write its page."""
    file = Path(app.srcdir) / f"{PAGE}.toml"
    works = tomllib.loads(file.read_text(encoding="utf-8"))
    app.works = works  # type: ignore[attr-defined]
    longest_first = sorted(works, key=len, reverse=True)
    pattern = "|".join(re.escape(key).replace(r"\ ", r"\s+") for key in longest_first)
    app.cited = re.compile(rf"(?<![\w`]){pattern}") if works else None  # type: ignore[attr-defined]
    text = "\n".join(["References", "==========", "", *(_entry(key, work) for key, work in works.items())])
    page = file.with_suffix(".rst")
    if not page.exists() or page.read_text(encoding="utf-8") != text:
        page.write_text(text, encoding="utf-8")


def anchor(key: str) -> str:
    """The place of a work on the page."""
    return make_id(f"work {key}")


def _entry(key: str, work: dict[str, str]) -> str:
    title = f"`{work['title']} <{work['link']}>`__" if "link" in work else f"*{work['title']}*"
    return f".. _{anchor(key)}:\n\n{key}\n   {title}. {work['where']}.\n"


def link(app: Sphinx, what: str, name: str, part: Any, options: Any, lines: list[str]) -> None:
    """Replace each citation of a docstring, also one broken over two lines, by a link."""
    cited: re.Pattern[str] | None = app.cited  # type: ignore[attr-defined]
    if cited is not None:
        text = cited.sub(_reference, "\n".join(lines))
        lines[:] = text.split("\n")


def _reference(found: re.Match[str]) -> str:
    key = " ".join(found.group().split())
    return f":ref:`{key} <{anchor(key)}>`"


def setup(app: Sphinx) -> dict[str, bool]:
    """Read first; link after napoleon has made paragraphs of sections."""
    app.connect("builder-inited", load, priority=50)
    app.connect("autodoc-process-docstring", link, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
