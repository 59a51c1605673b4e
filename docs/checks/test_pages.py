"""The built site as files: links lead somewhere, names have entries, examples have pictures."""

import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from public_names import GROUPS, MODULES, homes, names
from sphinx.util.inventory import InventoryFile

DOCS = Path(__file__).parents[1]
SITE = DOCS / "_build" / "html"
PAGES = sorted(SITE.rglob("*.html"))
EXAMPLES = sorted((DOCS / "gallery").rglob("plot_*.py"))


class Links(HTMLParser):
    """Where a page leads, and the places in it to which others lead."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: set[str] = set()
        self.anchors: set[str] = {""}

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        known = dict(attributes)
        self.anchors |= {value for key in ("id", "name") if (value := known.get(key))}
        self.targets |= {value for key in ("href", "src") if (value := known.get(key))}


@cache
def links(page: Path) -> Links:
    """Those of one page, read once."""
    found = Links()
    found.feed(page.read_text(encoding="utf-8"))
    return found


def test_the_site_is_built():
    assert len(PAGES) > 60, "make docs builds it"


def test_every_link_inside_the_site_leads_somewhere():
    wrong = [
        f"{page.relative_to(SITE)}: {link}"
        for page in PAGES
        for link in links(page).targets
        if not _leads(page, link)
    ]
    assert wrong == []


def _leads(page: Path, link: str) -> bool:
    if re.match(r"[a-z]+:", link) or link.startswith("//"):
        return True
    path, _, anchor = link.partition("#")
    target = (page.parent / unquote(path.partition("?")[0])).resolve() if path else page
    if target.suffix != ".html":
        return target.is_file()
    return target.is_file() and unquote(anchor) in links(target).anchors


def test_nothing_of_the_site_is_loaded_from_elsewhere():
    """It is read without a network; links that are followed by hand may lead anywhere."""
    loaded = re.compile(r'<(?:script|img|link|iframe)[^>]*(?:src|href)="(https?:)?//(?P<host>[^"/]+)')
    foreign = {found["host"] for page in PAGES for found in loaded.finditer(page.read_text(encoding="utf-8"))}
    assert foreign == set()


def test_every_public_name_has_its_entry():
    inventory = InventoryFile.loads((SITE / "objects.inv").read_bytes(), uri="")
    described = {path for kind in inventory.data for path in inventory.data[kind] if kind.startswith("py:")}
    assert sorted({name.path for name in homes().values()} - described) == []


def test_every_module_with_public_names_has_its_page():
    """Or is one whose names another page has, or that is reached through a page's objects alone."""
    offered = {
        path.relative_to(DOCS.parent).parent for path in DOCS.parent.glob("gsp_nonlocal/**/__init__.py")
    }
    modules = {
        ".".join(path.parts)
        for path in offered
        if "__all__" in (DOCS.parent / path / "__init__.py").read_text()
    }
    through_others = {
        "gsp_nonlocal",  # the first page of the reference
        "gsp_nonlocal.probe.attention",  # what a reader of one's own returns: docs/extend/reader.md
        "gsp_nonlocal.probe.foreign_readers",
        "gsp_nonlocal.report.explorer",
        "gsp_nonlocal.interop.mmseg",  # needs mmsegmentation, whose page is docs/mmseg.md
    }
    assert modules - set(MODULES) == through_others
    assert all(names(module) for module in MODULES) and len(GROUPS) >= 6


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_ran_and_shows_a_picture(example):
    folder = SITE / "auto_gallery" / example.parent.name
    page = (folder / f"{example.stem}.html").read_text(encoding="utf-8")
    assert f"sphx_glr_{example.stem}_001" in page
    assert "Traceback" not in page
    assert " object at 0x" not in page
    assert list((SITE / "_downloads").rglob(f"{example.stem}.ipynb")), "it can be had as a notebook"


EXECUTED = [page for page in sorted(DOCS.rglob("*.md")) if "file_format: mystnb" in page.read_text()]
FIGURE = re.compile(r'<img[^>]+src="[^"]*_images/[0-9a-f]{64}\.png"')  # of a cell; other pictures have names


@pytest.mark.parametrize("page", EXECUTED, ids=lambda path: path.stem)
def test_an_executed_page_shows_what_it_draws_and_prints(page):
    source = page.read_text(encoding="utf-8")
    built = (SITE / page.relative_to(DOCS)).with_suffix(".html").read_text(encoding="utf-8")
    assert len(FIGURE.findall(built)) == source.count("plt.show()")
    assert "Traceback" not in built


def test_the_ways_in_and_the_concepts_are_executed():
    assert {page.parent.name for page in EXECUTED} == {"start", "concepts"} and len(EXECUTED) >= 7


def test_the_gallery_has_its_examples():
    assert len(EXAMPLES) >= 15
    assert all((DOCS / "gallery" / path.parent.name / "GALLERY_HEADER.rst").is_file() for path in EXAMPLES)
