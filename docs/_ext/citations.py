"""Works that docstrings name, such as Hammond, Vandergheynst, Gribonval (2011), lead to the bibliography.

``references.toml`` has a table a citation, under the text that docstrings have: title, where it appeared, and
a link. The page of references is made of it. Running text has the year without brackets, and may shorten the
names of a work to "Hammond et al." where no other work of that year begins so.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
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
    app.names = names = forms(works)  # type: ignore[attr-defined]
    longest_first = sorted(names, key=len, reverse=True)
    pattern = "|".join(re.escape(name).replace(r"\ ", r"\s+") for name in longest_first)
    app.cited = re.compile(rf"(?<![\w`\[])(?:{pattern})")  # type: ignore[attr-defined]
    text = "\n".join(["References", "==========", "", *(_entry(key, work) for key, work in works.items())])
    page = file.with_suffix(".rst")
    if not page.exists() or page.read_text(encoding="utf-8") != text:
        page.write_text(text, encoding="utf-8")


def forms(works: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """From each way in which a work is cited to its key."""
    full = {form: key for key in works for form in (key, re.sub(r"\((\d+)\)", r"\1", key))}
    short: dict[str, list[str]] = {}
    for key in works:
        names, year = key[:-1].rsplit(" (", 1)
        short.setdefault(f"{re.split(r',| et al', names)[0]} et al. {year}", []).append(key)
    alone = {form: keys[0] for form, keys in short.items() if len({works[k]["title"] for k in keys}) == 1}
    return alone | full


def anchor(key: str) -> str:
    """The place of a work on the page."""
    return make_id(f"work {key}")


def _entry(key: str, work: dict[str, str]) -> str:
    title = f"`{work['title']} <{work['link']}>`__" if "link" in work else f"*{work['title']}*"
    return f".. _{anchor(key)}:\n\n{key}\n   {title}. {work['where']}.\n"


def link(app: Sphinx, what: str, name: str, part: Any, options: Any, lines: list[str]) -> None:
    """Replace each citation of a docstring, also one broken over two lines, by a link."""
    lines[:] = linked(app, "\n".join(lines), ":ref:`{} <{}>`").split("\n")


def link_pages(app: Sphinx, page: str, source: list[str]) -> None:
    """The same in Markdown pages, outside of headings and code."""
    if app.env.doc2path(page).suffix == ".md":
        parts = re.split(r"(^```.*?^```|^#.*?$)", source[0], flags=re.DOTALL | re.MULTILINE)
        parts[::2] = [linked(app, prose, "{{ref}}`{} <{}>`") for prose in parts[::2]]
        source[0] = "".join(parts)


def linked(app: Sphinx, text: str, role: str) -> str:
    """``text`` with a reference in place of each citation."""

    def reference(found: re.Match[str]) -> str:
        name = " ".join(found.group().split())
        return role.format(name, anchor(app.names[name]))  # type: ignore[attr-defined]

    return app.cited.sub(reference, text)  # type: ignore[attr-defined,no-any-return]


def setup(app: Sphinx) -> dict[str, bool]:
    """Read first; link after napoleon has made paragraphs of sections."""
    app.connect("builder-inited", load, priority=50)
    app.connect("autodoc-process-docstring", link, priority=900)
    app.connect("source-read", link_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
