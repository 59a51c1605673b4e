"""The site as a reader sees it, opened from files in a headless Chromium: wide and narrow, light and dark."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from docs.publish import publish
from tests.report.browser import chromium

SITE = Path(__file__).parents[1] / "_build" / "html"
PAGES = sorted(str(page.relative_to(SITE)) for page in SITE.rglob("*.html") if "_modules" not in page.parts)
VIEWS = {
    "wide and light": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "narrow and dark": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"},
}
BROKEN = "[...document.images].filter(image => image.complete && !image.naturalWidth).map(image => image.src)"
BEYOND = "document.documentElement.scrollWidth - window.innerWidth"


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.mark.parametrize("view", VIEWS)
def test_every_page_fits_and_reports_nothing(browser, view):
    context = browser.new_context(**VIEWS[view])
    page, said = context.new_page(), []
    page.on("console", lambda message: said.append(f"{page.url}: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"{page.url}: {error}"))
    wrong = []
    for name in PAGES:
        page.goto((SITE / name).as_uri())
        wrong += [f"{name}: {image}" for image in page.evaluate(BROKEN)]
        wrong += [f"{name} is {beyond} pixels too wide"] if (beyond := page.evaluate(BEYOND)) > 0 else []
    context.close()
    assert wrong == [] and said == []


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ("Cayley", "reference/filters.html#filters.Cayley"),
        ("insert_blocks", "reference/gsp_nonlocal.insert.html#gsp_nonlocal.insert.insert_blocks"),
        ("PyGSP", "from_pygsp.html"),
        ("rollout", "reference/gsp_nonlocal.attribution.html"),
    ],
)
def test_the_search_works_from_a_file(browser, words, first):
    page = browser.new_page()
    page.goto(f"{(SITE / 'search.html').as_uri()}?q={words}")
    page.wait_for_selector("ul.search li a")
    found = page.eval_on_selector_all("ul.search li a", "links => links.slice(0, 5).map(link => link.href)")
    assert any(first in link for link in found), found
    page.close()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Say nothing of requests."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a host that offers a folder."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as host:
        Thread(target=host.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{host.server_port}"
        host.shutdown()


def test_the_switch_leads_to_the_same_page_of_another_version(browser, tmp_path):
    for name in ("main", "v0.1.0"):
        publish(SITE, tmp_path, name)
    with served(tmp_path) as address:
        page = browser.new_page()
        page.goto(f"{address}/main/reference/filters.html")
        page.wait_for_selector(".versions select", state="visible")
        assert page.eval_on_selector(".versions select", "s => s.value") == "main"
        page.select_option(".versions select", "v0.1.0")
        page.wait_for_url(f"{address}/v0.1.0/reference/filters.html")
        page.close()


def test_the_dark_theme_is_dark(browser):
    context = browser.new_context(**VIEWS["narrow and dark"])
    page = context.new_page()
    page.goto((SITE / "index.html").as_uri())
    shade = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert sum(map(int, shade.removeprefix("rgb(").removesuffix(")").split(", "))) < 150, shade
    context.close()
