"""The page of an analysis: it stands alone, says something of every block, and works in a browser."""

import re
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import pytest
import torch
from torch import nn

from gsp_nonlocal import NL, SNL
from gsp_nonlocal.analysis.quantities import QUANTITIES
from gsp_nonlocal.report import analyze, write_analyses
from gsp_nonlocal.report.drawing import save
from tests.report.browser import chromium, opened

VOID = {"meta", "link", "br", "img", "input", "hr"}
LOADING = {"link", "iframe", "object", "embed", "video", "audio", "base"}


class Page(HTMLParser):
    """What a page holds; its open elements must close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.words = ""
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attributes):
        self.handle_startendtag(tag, attributes)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attributes]

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.words += data

    def values(self, *names: str) -> list[str]:
        return [value for _, name, value in self.attributes if name in names]


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    """Two blocks, three images, two times."""
    torch.manual_seed(0)
    first, second = SNL(6, order=3, form="low_rank"), NL(6, gate=False)
    model = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), first, nn.MaxPool2d(2), second)
    images = torch.rand(3, 3, 12, 16)
    start = analyze(model, images, label="start", budget=500_000)
    with torch.no_grad():
        for parameter in model[3].parameters():
            parameter.mul_(3)
    end = analyze(model, images, label="end", budget=500_000)
    return page_of([start, end], tmp_path_factory.mktemp("page"), title="A & B <c>")


def page_of(found, folder: Path, title: str) -> Path:
    """The page of analyses, whose PNG files beside it are empty."""

    def saved(figure, target, **options):
        if isinstance(target, Path):
            target.touch()
        else:
            save(figure, target, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gsp_nonlocal.report.figure_files.save", saved)
        return write_analyses(found, folder / "analysis", title=title)


@pytest.fixture(scope="module")
def page(written) -> Page:
    return Page(written.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def browser():
    with chromium() as program:
        yield program


def test_it_is_one_well_formed_page(written, page):
    assert {"html", "title", "h1", "main", "table", "svg"} <= set(page.tags)
    assert "A & B <c>" in page.words
    assert written.stat().st_size < 2e6


def test_it_loads_nothing_from_anywhere(written, page):
    assert not LOADING & set(page.tags)
    names = {"href", "src", "xlink:href", "srcset", "action", "data", "poster", "style"}
    for value in (value for _, name, value in page.attributes if name in names):
        assert value.startswith(("data:image/", "#")) or ("://" not in value and ":url(//" not in value)
    beside_names = re.sub(r'xmlns(:\w+)?=\\?"[^"]*"', "", written.read_text(encoding="utf-8"))
    assert not re.search(r"https?://|@import", beside_names)


def test_ids_are_unique_and_every_reference_has_its_target(written, page):
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    references = [value[1:] for value in page.values("href", "xlink:href") if value.startswith("#")]
    references += re.findall(r"url\(#([^)]+)\)", written.read_text(encoding="utf-8"))
    references += page.values("aria-labelledby")
    assert len(references) > 20
    assert set(references) <= set(ids)


def test_every_block_has_its_numbers_sentences_and_figures(page):
    words = " ".join(page.words.split())
    for said in ("192 (12 × 16)", "low-rank factors", "queries and keys", "The gate γ is 0", "Not symmetric"):
        assert said in words
    for quantity in QUANTITIES:
        assert words.count(f"{quantity.label} {quantity.hint}") == 2
    figures = 6 + 7  # spectrum, decay, response, energy, two over time; of the directed graph a density, too
    assert page.tags.count("figcaption") == figures
    assert page.words.count("A bad sign is") == figures
    assert "start" in words
    assert "end" in words


def test_every_colour_of_the_page_is_known(written):
    text = written.read_text(encoding="utf-8")
    assert not re.search(r"#0([1-6])0\1(0\1)", text)
    used = set(re.findall(r"var\(--([a-z-]+)\)", text))
    assert {"first", "ink", "faint"} <= used
    for name in used:
        assert f"--{name}:" in text


def test_darkness_is_followed(browser, written):
    ground = "getComputedStyle(document.body).backgroundColor"
    line = "getComputedStyle(document.querySelector('.plots svg text')).fill"
    found = {}
    for scheme in ("light", "dark"):
        with opened(browser, written, color_scheme=scheme) as view:
            colours = [view.evaluate(ground), view.evaluate(line)]
            found[scheme] = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in colours]
    assert found["light"][0] > 700 > 200 > found["light"][1]
    assert found["dark"][0] < 200 < 600 < found["dark"][1]


def test_every_rule_of_the_style_has_its_element():
    templates = files("gsp_nonlocal.report") / "templates"
    html = "".join((templates / name).read_text(encoding="utf-8") for name in ("page.html", "explorer.html"))
    style = (templates / "page.css").read_text(encoding="utf-8")
    written_there = set(re.findall(r"[\w-]+", " ".join(re.findall(r'class="(.*?)">', html)))) | {"formula"}
    for selector in re.findall(r"^\s*([^\s@{}][^{}]*)\{", style, re.MULTILINE):
        assert set(re.findall(r"\.([a-z-]+)", selector)) <= written_there, selector
        for tag in re.findall(r"(?<![\w.:-])([a-z]+\d?)(?![\w(-])", re.sub(r"\[.*?\]", "", selector)):
            assert tag in ("root", "svg", "text") or f"<{tag}" in html, selector


def test_a_chart_is_named_by_its_title_alone(page):
    names = page.values("aria-label")
    assert names.count("Learned response") == 2
    assert not any("bad sign" in name for name in names)


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("model", ["1-D", "3-D", "one node", "no edges"])
def test_maps_of_other_kinds(model, tmp_path):
    torch.manual_seed(0)
    images = {
        "1-D": torch.randn(2, 4, 40),
        "3-D": torch.randn(1, 4, 3, 5, 6),
        "one node": torch.randn(1, 4, 1, 1),
        "no edges": torch.zeros(1, 4, 6, 6),
    }[model]
    text = analyze(SNL(4), images).write(tmp_path / "analysis").read_text(encoding="utf-8")
    words = " ".join(Page(text).words.split())
    assert f"{torch.Size(images.shape[2:]).numel()} ({' × '.join(map(str, images.shape[2:]))})" in words
    assert ("1 of 1 graphs have no edge" in words) == (model == "no edges") or model == "one node"


def test_a_click_in_the_page_shows_another_row(browser, written):
    with opened(browser, written, viewport={"width": 1280, "height": 900}) as view:
        stage = view.locator(".explorer-stage").first
        stage.scroll_into_view_if_needed()
        numbers = view.locator(".explorer-numbers").first
        box = stage.bounding_box()
        told = []
        for across, down in ((0.1, 0.1), (0.8, 0.7)):
            view.mouse.click(box["x"] + across * box["width"], box["y"] + down * box["height"])
            told.append(numbers.inner_text())
        assert told[0] != told[1]


@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_has_no_horizontal_overflow(browser, written, width):
    with opened(browser, written, viewport={"width": width, "height": 800}) as view:
        assert view.evaluate("document.documentElement.scrollWidth") <= width


HOSTILE = "</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def strange(tmp_path_factory) -> Path:
    """Names, labels and a title that are long, or would be markup, formulas or colours."""
    torch.manual_seed(0)
    names = ("a_long_name_" * 10, HOSTILE, "$\\bad$ #1f5fbf url(#x)")
    model = nn.ModuleDict({name: NL(4) for name in names})
    model.forward = lambda x: nn.Sequential(*model.values())(x)
    images = torch.zeros(2, 4, 6, 6)
    labels = ("$\\bad$ #1f5fbf", f"-->{HOSTILE}{'x' * 120}")
    found = [analyze(model, images, label=label, budget=100_000) for label in labels]
    return page_of(found, tmp_path_factory.mktemp("strange"), title=HOSTILE)


@pytest.mark.parametrize("width", [360, 1280])
def test_long_names_do_not_widen_the_page(browser, strange, width):
    with opened(browser, strange, viewport={"width": width, "height": 800}) as view:
        assert view.locator(".warning").count()
        assert view.evaluate("document.documentElement.scrollWidth") <= width


def test_markup_in_names_is_inert(browser, strange):
    with opened(browser, strange) as view:
        dialogs = []
        view.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        view.reload()
        view.wait_for_selector(".explorer-app")
        view.locator(".explorer-selects select").first.select_option(label=HOSTILE)
        assert not view.evaluate(
            "[...document.querySelectorAll('*')].some((e) => e.matches('img[src=x]') "
            "|| [...e.attributes].some((a) => a.name.startsWith('on')))"
        )
        assert view.locator("h1").inner_text() == HOSTILE
        assert not dialogs


def test_names_stand_in_figures_as_they_are(strange):
    text = strange.read_text(encoding="utf-8")
    drawn = re.findall(r"<text[^>]*>([^<]*)</text>", text)
    assert "$\\bad$ #1f5fbf" in drawn
    assert any(label.startswith("--&gt;&lt;/scri") for label in drawn)


def test_a_formula_in_a_head_stays_on_one_line(browser, written):
    with opened(browser, written, viewport={"width": 700, "height": 800}) as view:
        formulas = view.locator("#overview th", has_text="greatest |μ|").locator(".formula")
        assert formulas.all_text_contents() == ["|μ|"]
        assert formulas.evaluate("(e) => e.getClientRects().length") == 1


def test_numbers_in_tables_fit_a_phone(browser, written):
    """Every cell is within its table, which is within the phone, and says what it is."""
    outside = """(cells) => cells.filter((cell) => cell.textContent && cell.scrollWidth > cell.clientWidth + 1
        || cell.getBoundingClientRect().right > cell.closest('section').getBoundingClientRect().right
        || cell.getBoundingClientRect().width < 200).length"""
    with opened(browser, written, viewport={"width": 390, "height": 844}) as view:
        cells = view.locator("td:not(:empty)")
        assert cells.count() > 50
        assert cells.evaluate_all(outside) == 0
        assert (
            view.locator(".wide").evaluate_all("(e) => e.some((e) => e.scrollWidth > e.clientWidth)") is False
        )
        label = "(cell) => getComputedStyle(cell, '::before').content"
        assert view.locator("#overview td").first.evaluate(label) == '"greatest |μ|"'
        measures = view.locator("#block-1 tbody tr").first.locator("td")
        assert measures.evaluate_all(f"(cells) => cells.map({label})")[:3] == [
            '"in theory"',
            '"start"',
            '"end"',
        ]


def test_blocks_with_one_finding_share_a_sentence(tmp_path):
    """Eleven untrained gates are one sentence, which links to the first and the last block of each run."""
    torch.manual_seed(0)
    model = nn.Sequential(*(SNL(4, gate=number != 3) for number in range(12)))
    page = page_of([analyze(model, torch.rand(1, 4, 5, 5))], tmp_path, title="t").read_text(encoding="utf-8")
    [warning] = [
        part
        for part in re.findall(r'<p class="warning"[^>]*>(.*?)</p>', page.partition("<main>")[0])
        if "gate" in part
    ]
    assert re.sub(r"<[^>]+>", "", warning).startswith("0 to 2, 4 to 11: The gate γ is 0")
    assert re.findall(r'href="#block-(\d+)"', warning) == ["1", "3", "5", "12"]


def test_a_printed_page_has_no_controls(browser, written):
    with opened(browser, written) as view:
        view.emulate_media(media="print")
        assert not view.locator(".explorer-thumbs").is_visible()
        assert view.locator("#block-1").is_visible()


def test_the_links_of_the_overview_lead_to_the_blocks(browser, written):
    with opened(browser, written, viewport={"width": 1000, "height": 700}) as view:
        view.locator('#overview a[href="#block-2"]').first.focus()
        view.keyboard.press("Enter")
        view.wait_for_function("document.querySelector('#block-2').getBoundingClientRect().top < 400")
