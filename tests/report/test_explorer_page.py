"""The explorer in a browser: what is shown is the row that was asked for, by mouse, keyboard and touch."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image
from torch import Tensor

from gsp_nonlocal.probe.trace import CrossTrace, Trace
from gsp_nonlocal.report.explorer import View, all_views, explorer, views
from gsp_nonlocal.shifts import DenseShift
from gsp_nonlocal.shifts.biadjacency import DenseBiadjacency
from gsp_nonlocal.spectral.layout import Layout
from tests.report.browser import chromium, opened

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><meta http-equiv="Content-Security-Policy"
content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {{ explorer.script_hash }}">
<title>Explorer</title><style>{% include "page.css" %}{% include "explorer.css" %}</style></head>
<body><main>{% include "explorer.html" %}</main></body></html>"""


def write_page(file: Path, found: list[View], inputs: Tensor | None) -> Path:
    environment = Environment(
        loader=PackageLoader("gsp_nonlocal.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    file.write_text(environment.from_string(PAGE).render(explorer=explorer(found, inputs)), encoding="utf-8")
    return file


def traced(layout: Layout, graphs: int = 1, images: int = 2, seed: int = 0, signed: bool = False) -> Trace:
    generator = torch.Generator().manual_seed(seed)
    nodes = layout.extra + layout.channels * layout.positions
    scores = 3 * torch.randn(images * graphs, nodes, nodes, generator=generator)
    matrix = scores if signed else scores.softmax(dim=-1)
    return Trace(DenseShift(matrix), matrix[..., :1], lambda z, shift: shift @ z, layout, graphs)


def block_views() -> list[View]:
    """Two blocks, at two times; the second has heads and a class token, the first negative weights."""
    found = []
    for seed, snapshot in enumerate(["epoch 1", "epoch 9"]):
        small = traced(Layout((6, 8)), seed=seed, signed=True)
        large = traced(Layout((12, 16), extra=1), graphs=2, seed=10 + seed)
        found += views("features.3", small, (24, 32), snapshot=snapshot)
        found += views("features.long_name_of_a_block.5", large, (24, 32), snapshot=snapshot)
    return found


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def shown():
    return block_views()


@pytest.fixture(scope="module")
def file(tmp_path_factory, shown):
    inputs = torch.rand(2, 3, 24, 32, generator=torch.Generator().manual_seed(3))
    return write_page(tmp_path_factory.mktemp("explorer") / "page.html", shown, inputs)


@pytest.fixture
def page(browser, file):
    with opened(browser, file) as found:
        yield found


def pane(page: Any, name: str) -> Any:
    return page.locator(".explorer-pane").nth("AB".index(name))


def click(page: Any, name: str, down: float, across: float) -> None:
    """At a place of the map, given as parts of its height and width."""
    area = pane(page, name).locator(".explorer-map")
    box = area.bounding_box()
    area.click(position={"x": across * box["width"], "y": down * box["height"]})


def said(page: Any, name: str) -> dict[str, str]:
    """The numbers beneath a map, by their names."""
    numbers = pane(page, name).locator(".explorer-numbers")
    terms, texts = numbers.locator("dt").all_text_contents(), numbers.locator("dd").all_text_contents()
    return dict(zip(terms, texts, strict=True))


def drawn(page: Any, name: str) -> np.ndarray:
    """The pixels of a map, ``(h, w, 4)``."""
    page.locator(".explorer-stage:not([data-drawn])").first.wait_for(state="detached")
    return pixels(pane(page, name).locator("canvas").evaluate("(canvas) => canvas.toDataURL()"))


def pixels(uri: str) -> np.ndarray:
    picture = Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1])))
    return np.array(picture.convert("RGBA")).astype(int)


def tile(view: View, image: int, number: int) -> np.ndarray:
    picture, (height, width) = view.pictures[image], view.targets
    sheet = pixels(picture.atlas)
    down, across = divmod(number, picture.columns)
    return sheet[down * height : (down + 1) * height, across * width : (across + 1) * width]


def assert_shows(page: Any, name: str, view: View, number: int, image: int = 0) -> None:
    """Alike but for rounding: a canvas holds colours times their opacity."""
    found, expected = drawn(page, name), tile(view, image, number)
    assert found.shape == expected.shape
    assert np.abs(found[..., 3] - expected[..., 3]).max() <= 1
    seen = expected[..., 3:] > 40
    assert np.abs(np.where(seen, found - expected, 0)).max() <= 4


def pick(shown: list[View], path: str, snapshot: str, graph: str) -> View:
    [found] = [v for v in shown if (path in v.path, v.snapshot, v.graph) == (True, snapshot, graph)]
    return found


def choose(page: Any, name: str, key: str, value: str) -> None:
    pane(page, name).locator(f"[data-key={key}] select").select_option(value)


def departure(view: View) -> tuple[float, int, int]:
    """The greatest weight of all images and kept positions, in even weights; its image and its tile."""
    found = []
    for image, picture in enumerate(view.pictures):
        tiles = view.queries[0] * view.queries[1]
        even = picture.even if isinstance(picture.even, tuple) else [picture.even] * len(picture.greatest)
        found += [(abs(picture.greatest[tile] or 0) / even[tile], image, tile) for tile in range(tiles)]
    return max(found)


def test_opens_on_the_rows_of_two_blocks_that_depart_most_from_even_ones(browser, file, shown):
    last = [view for view in shown if view.snapshot == "epoch 9"]
    wanted = [max((v for v in last if part in v.path), key=departure) for part in ("3", "5")]
    leader = max(wanted, key=departure)
    _, image, number = departure(leader)
    with opened(browser, file) as page:
        pressed = page.locator(".explorer-thumbs button[aria-pressed=true]")
        assert pressed.get_attribute("aria-label") == f"Image {image + 1}"
        for name, view in zip("AB", wanted, strict=True):
            graph = pane(page, name).locator("[data-key=graph] select").evaluate("(e) => e.value")
            assert graph == view.graph
        name = "AB"[wanted.index(leader)]
        assert_shows(page, name, leader, number, image)
        times = said(page, name)["greatest weight"]
        assert re.search(rf": {departure(leader)[0]:.0f}(\.\d)? times an even weight$", times), times


@pytest.mark.parametrize("kind", ["one block at two times", "one block with heads", "one graph"])
def test_what_a_page_of_one_block_opens_on(browser, tmp_path, kind):
    """The row that departs most, and the same one earlier; or another head; or nothing else."""
    trace = traced(Layout((3, 4)), graphs=1 + (kind == "one block with heads"))
    trace.shift.matrix[-1, 10] = torch.eye(12)[2]
    found = views("block", trace, (6, 8), snapshot="late")
    if kind == "one block at two times":
        found = views("block", traced(Layout((3, 4)), seed=7), (6, 8), snapshot="early") + found
    with opened(browser, write_page(tmp_path / "page.html", found, torch.rand(2, 3, 6, 8))) as page:
        names = [
            pane(page, name).locator(".explorer-chosen").text_content() for name in "AB"[: min(2, len(found))]
        ]
        wanted = {
            "one block at two times": ["block · early · image 2", "block · late · image 2"],
            "one block with heads": ["block · late · head 1 · image 2", "block · late · head 2 · image 2"],
            "one graph": ["block · late · image 2"],
        }[kind]
        assert names == wanted
        assert said(page, "A")["chosen"] == "row 3, column 3 of 3 × 4"


@pytest.fixture
def central(page) -> Any:
    """The first image, both blocks at the last time, the mean of the heads, in the middle."""
    page.locator(".explorer-thumbs button").first.click()
    choose(page, "B", "graph", "mean of 2 heads")
    click(page, "A", 3.5 / 6, 4.5 / 8)
    return page


def test_a_page_without_cross_attention_says_nothing_of_it(central):
    said_there = central.locator(".explorer-help").inner_text()
    assert "query" not in said_there and "It opens on the position whose weights depart" in said_there


def test_a_click_in_either_pane_shows_both_rows(central, shown):
    before = drawn(central, "A")
    click(central, "A", 1.5 / 6, 6.5 / 8)
    assert (drawn(central, "A") != before).any()
    assert said(central, "A")["chosen"] == "row 2, column 7 of 6 × 8"
    assert said(central, "B")["chosen"] == "row 3, column 13 of 12 × 16"
    assert_shows(central, "A", pick(shown, "3", "epoch 9", ""), 1 * 8 + 6)
    assert_shows(central, "B", pick(shown, "5", "epoch 9", "mean of 2 heads"), 2 * 16 + 12)
    click(central, "B", 11.5 / 12, 0.5 / 16)
    assert_shows(central, "A", pick(shown, "3", "epoch 9", ""), 5 * 8)
    assert_shows(central, "B", pick(shown, "5", "epoch 9", "mean of 2 heads"), 11 * 16)


def test_the_frame_lies_on_the_position_and_the_ring_on_its_greatest_weight(central, shown):
    click(central, "A", 1.5 / 6, 6.5 / 8)
    area = pane(central, "A").locator(".explorer-map").bounding_box()
    where = pick(shown, "3", "epoch 9", "").pictures[0].where[14]
    for name, row, column in (("mark", 1, 6), ("peak", *divmod(where, 8))):
        box = pane(central, "A").locator(f".explorer-{name}").bounding_box()
        middle = box["x"] + box["width"] / 2 - area["x"], box["y"] + box["height"] / 2 - area["y"]
        expected = (column + 0.5) / 8 * area["width"], (row + 0.5) / 6 * area["height"]
        assert middle == pytest.approx(expected, abs=1.5)


def test_the_keyboard_goes_everywhere(central, shown):
    click(central, "A", 0.5 / 6, 0.5 / 8)
    stage = pane(central, "A").locator(".explorer-stage")
    places = {
        "ArrowRight": (0, 1),
        "ArrowDown": (1, 1),
        "End": (1, 7),
        "ArrowRight ": (1, 7),
        "ArrowUp": (0, 7),
        "Home": (0, 0),
        "ArrowLeft": (0, 0),
        "Control+End": (5, 7),
        "Control+Home": (0, 0),
    }
    for key, (row, column) in places.items():
        stage.press(key.strip())
        assert_shows(central, "A", pick(shown, "3", "epoch 9", ""), row * 8 + column)
    pane(central, "B").locator(".explorer-stage").press("End")
    assert said(central, "B")["chosen"].startswith("row 2, column 16")
    assert said(central, "A")["chosen"].startswith("row 1, column 8")


def test_tab_reaches_every_control_in_reading_order(page):
    names = []
    for _ in range(14):
        page.keyboard.press("Tab")
        names.append(
            page.evaluate(
                "(document.activeElement.closest('[data-key]') ?? document.activeElement)"
                ".getAttribute('data-key') ?? document.activeElement.getAttribute('aria-label')"
                " ?? document.activeElement.type ?? document.activeElement.textContent"
            )
        )
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none"
        if names[-1].startswith("Pane B"):
            break
    assert names[:5] == ["Image 1", "Image 2", "From the image alone to the map alone", "path", "snapshot"]
    assert re.match(r"Pane A: features.3 · epoch 9 · image \d\.", names[5])
    assert names[6:9] == ["path", "snapshot", "graph"]
    assert names[9].startswith("Pane B")


def test_what_changes_is_read_aloud(central):
    click(central, "A", 1.5 / 6, 6.5 / 8)
    live = central.locator(".explorer-live[aria-live=polite]", has_text="row 2, column 7")
    text = live.text_content()  # waits for it
    for words in (
        "A, chosen: row 2, column 7 of 6 × 8",
        "greatest weight: ",
        "times an even weight",
        "B, chosen: ",
    ):
        assert words in text


def test_selects_change_one_pane_and_offer_what_there_is(central, shown):
    start = 3 * 8 + 4
    choose(central, "A", "snapshot", "epoch 1")
    assert_shows(central, "A", pick(shown, "3", "epoch 1", ""), start)
    assert_shows(central, "B", pick(shown, "5", "epoch 9", "mean of 2 heads"), 6 * 16 + 8)
    graphs = pane(central, "A").locator("[data-key=graph] select")
    assert graphs.is_disabled()
    choose(central, "A", "path", "features.long_name_of_a_block.5")
    assert graphs.locator("option").all_text_contents() == ["mean of 2 heads", "head 1", "head 2"]
    choose(central, "A", "graph", "head 2")
    assert_shows(central, "A", pick(shown, "5", "epoch 1", "head 2"), 6 * 16 + 8)
    choose(central, "A", "snapshot", "epoch 9")
    assert_shows(central, "A", pick(shown, "5", "epoch 9", "head 2"), 6 * 16 + 8)


def test_images_are_chosen_by_their_thumbnails(central, shown):
    thumbs = central.locator(".explorer-thumbs button")
    thumbs.nth(1).click()
    assert [thumbs.nth(image).get_attribute("aria-pressed") for image in range(2)] == ["false", "true"]
    assert_shows(central, "A", pick(shown, "3", "epoch 9", ""), 3 * 8 + 4, image=1)


def test_a_class_token_is_asked_by_its_button(central, shown):
    mean = pick(shown, "5", "epoch 9", "mean of 2 heads")
    button = pane(central, "B").get_by_role("button", name="class token")
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    assert_shows(central, "B", mean, 12 * 16)
    assert said(central, "B")["chosen"] == "class token"
    assert said(central, "B")["from the class token"].endswith(" %")
    assert said(central, "A")["class token"] == "this block has none"
    assert not pane(central, "B").locator(".explorer-mark").is_visible()
    click(central, "B", 0.5 / 12, 0.5 / 16)
    assert button.get_attribute("aria-pressed") == "false"
    assert_shows(central, "B", mean, 0)


def test_the_overlay_fades(page):
    slider = page.locator(".explorer-overlay input")
    canvas, photo = pane(page, "A").locator("canvas"), pane(page, "A").locator(".explorer-photo")
    opacity = "(element) => Number(getComputedStyle(element).opacity)"
    slider.fill("0")
    assert (canvas.evaluate(opacity), photo.evaluate(opacity)) == (0, 1)
    slider.fill("100")
    assert (canvas.evaluate(opacity), photo.evaluate(opacity)) == (1, 0)


def test_scales_say_what_is_negative_and_where_even_is(page):
    ends = [pane(page, name).locator(".explorer-scale span").all_text_contents() for name in "AB"]
    assert ends == [["", "−32 × even", "0", "32 × even"], ["", "0", "even weight", "32 × even"]]
    ramps = [
        pane(page, name).locator(".explorer-ramp").evaluate("(e) => getComputedStyle(e).backgroundImage")
        for name in "AB"
    ]
    assert ramps[0] != ramps[1]
    assert all(re.search(r"rgba\(0, 0, 0, 0\) 50%", ramp) for ramp in ramps)


def test_the_image_is_seen_under_the_map(page):
    """At first it is opaque, and what lies over it is the map with its own transparency."""
    opacity = "(element) => Number(getComputedStyle(element).opacity)"
    for name in "AB":
        assert pane(page, name).locator(".explorer-photo").evaluate(opacity) == 1
        assert pane(page, name).locator("canvas").evaluate(opacity) == 1
        assert np.median(drawn(page, name)[..., 3]) < 0.6 * 255


def test_cells_keep_their_edges(page):
    style = "(canvas) => getComputedStyle(canvas).imageRendering"
    drawn(page, "A")
    assert pane(page, "A").locator("canvas").evaluate(style) == "pixelated"


def test_a_phone_shows_one_pane_below_the_other(browser, file):
    size = {"width": 360, "height": 740}
    with opened(browser, file, viewport=size, has_touch=True, is_mobile=True) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        boxes = [pane(page, name).bounding_box() for name in "AB"]
        assert boxes[1]["y"] >= boxes[0]["y"] + boxes[0]["height"]
        area = pane(page, "A").locator(".explorer-map").bounding_box()
        page.touchscreen.tap(area["x"] + area["width"] / 16, area["y"] + area["height"] / 12)
        assert said(page, "A")["chosen"].startswith("row 1, column 1")


def test_darkness_is_followed(browser, file):
    colours = {}
    for scheme in ("light", "dark"):
        with opened(browser, file, color_scheme=scheme) as page:
            style = page.locator("#explorer").evaluate(
                "(e) => [getComputedStyle(e).backgroundColor, getComputedStyle(e).color]"
            )
            colours[scheme] = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in style]
    assert colours["light"][0] > 700 > 200 > colours["light"][1]
    assert colours["dark"][0] < 200 < 600 < colours["dark"][1]


def test_print_has_the_selection_and_no_controls(central):
    click(central, "A", 1.5 / 6, 6.5 / 8)
    central.emulate_media(media="print")
    for hidden in (".explorer-bar", ".explorer-selects", ".explorer-tokens", ".explorer-help"):
        assert not any(element.is_visible() for element in central.locator(hidden).all())
    chosen = [pane(central, name).locator(".explorer-chosen") for name in "AB"]
    assert all(element.is_visible() for element in chosen)
    assert chosen[0].text_content() == "features.3 · epoch 9 · image 1"
    assert pane(central, "B").locator("canvas").is_visible()
    assert central.locator(".explorer-caption").is_visible()
    assert len(central.pdf()) > 10_000


def test_nothing_moves(page):
    moving = "getComputedStyle(e).transitionDuration !== '0s' || getComputedStyle(e).animationName !== 'none'"
    assert page.evaluate(f"[...document.querySelectorAll('#explorer *')].filter((e) => {moving}).length") == 0


def test_without_scripts_it_says_so(browser, file):
    with opened(browser, file, java_script_enabled=False) as page:
        assert "needs JavaScript" in page.locator("noscript p").inner_text()
        assert not page.locator(".explorer-app").is_visible()


def test_a_changed_script_does_not_run(browser, file, tmp_path):
    text = file.read_text(encoding="utf-8").replace('"use strict";', '"use strict"; ')
    (tmp_path / "changed.html").write_text(text, encoding="utf-8")
    page = browser.new_page()
    page.goto((tmp_path / "changed.html").as_uri())
    assert not page.locator(".explorer-app").is_visible()
    page.close()


def test_a_position_that_is_not_kept_goes_to_the_nearest(browser, tmp_path):
    [view] = views("block", traced(Layout((12, 16)), images=1), (24, 32), budget=3_000)
    assert view.queries != (12, 16)
    file = write_page(tmp_path / "page.html", [view], torch.rand(1, 3, 24, 32))
    with opened(browser, file) as page:
        assert not pane(page, "B").is_visible()
        assert not page.locator(".explorer-thumbs").is_visible()
        click(page, "A", 0.99, 0.01)
        rows = [int((i + 0.5) * 12 / view.queries[0]) for i in range(view.queries[0])]
        columns = [int((i + 0.5) * 16 / view.queries[1]) for i in range(view.queries[1])]
        assert said(page, "A")["chosen"] == f"row {rows[-1] + 1}, column {columns[0] + 1} of 12 × 16"
        assert_shows(page, "A", view, (view.queries[0] - 1) * view.queries[1])
        assert "nearest" in pane(page, "A").locator(".explorer-note").text_content()
        assert "both" not in page.locator("#explorer").inner_text().lower()
        assert not pane(page, "A").locator(".explorer-name").is_visible()


def test_frames_of_a_clip(browser, tmp_path):
    found = views("early", traced(Layout((4, 3, 4)), images=1), (8, 12, 16))
    found += views("late", traced(Layout((2, 3, 4)), images=1), (8, 12, 16))
    file = write_page(tmp_path / "page.html", found, torch.rand(1, 3, 8, 12, 16))
    with opened(browser, file) as page:
        click(page, "A", 5.5 / 6, 1.5 / 8)  # the third of four frames, the first of the second row
        assert said(page, "A")["chosen"] == "frame 3, row 3, column 2 of 4 × 3 × 4"
        assert said(page, "B")["chosen"] == "frame 2, row 3, column 2 of 2 × 3 × 4"
        assert_shows(page, "A", found[0], 2 * 12 + 2 * 4 + 1)
        pane(page, "A").locator(".explorer-stage").press("End")
        assert said(page, "A")["chosen"] == "frame 4, row 3, column 4 of 4 × 3 × 4"


def test_a_signal_is_asked_along_its_line(browser, tmp_path):
    found = views("block", traced(Layout((40,)), images=1), (80,))
    file = write_page(tmp_path / "page.html", found, torch.rand(1, 1, 80))
    with opened(browser, file) as page:
        photo = pane(page, "A").locator(".explorer-photo")
        box = photo.bounding_box()
        photo.click(position={"x": box["width"] * 30.5 / 40, "y": 5})
        assert said(page, "A")["chosen"] == "position 31 of 40"
        assert_shows(page, "A", found[0], 30)
        assert not page.locator(".explorer-overlay").is_visible()


def test_rows_without_weights_and_maps_without_images(browser, tmp_path):
    trace = traced(Layout((2, 2)), images=1)
    trace.shift.matrix[0, 1] = 0
    trace.shift.matrix[0, 2] = torch.nan
    [view] = views("", trace, (8, 8))
    with opened(browser, write_page(tmp_path / "page.html", [view], None)) as page:
        assert pane(page, "A").locator("select").first.evaluate("(e) => e.value") == ""
        for down, across, words in ((0.2, 0.8, "collects nothing"), (0.8, 0.2, "not finite")):
            click(page, "A", down, across)
            assert words in said(page, "A")["weights"]
            assert drawn(page, "A").max() == 0
            assert not pane(page, "A").locator(".explorer-peak").is_visible()


@pytest.mark.parametrize(
    ("row", "greatest", "spread"),
    [
        (torch.full((197,), 1 / 197), "1 times", "all 197 nodes, nearly evenly"),
        (torch.linspace(0.9, 1.1, 197) / 197, "1.1 times", "all 197 nodes, nearly evenly"),
        (torch.linspace(0.01, 1.99, 197) / 197, "2 times", "about 163 of 197 nodes"),
        (torch.eye(197)[50], "197 times", "about 1 of 197 nodes"),
    ],
)
def test_no_number_is_beyond_the_nodes_that_there_are(browser, tmp_path, row, greatest, spread):
    matrix = row.expand(1, 197, 197).clone()
    trace = Trace(DenseShift(matrix), matrix[..., :1], lambda z, s: s @ z, Layout((14, 14), extra=1), 1)
    with opened(browser, write_page(tmp_path / "page.html", views("", trace, (28, 28)), None)) as page:
        assert said(page, "A")["greatest weight"].endswith(f": {greatest} an even weight")
        assert said(page, "A")["collects from"] == spread


def crossing(queries: int, sources: int, graphs: int, images: int = 2) -> CrossTrace:
    generator = torch.Generator().manual_seed(5)
    scores = 3 * torch.randn(images * graphs, queries, sources, generator=generator)
    weights = DenseBiadjacency(scores.softmax(dim=-1))
    return CrossTrace(weights, torch.zeros(images * graphs, sources, 1), graphs)


@pytest.fixture(scope="module")
def detector():
    """An encoder's attention over patches, and a decoder's 40 queries that look at them."""
    found = {"encoder": traced(Layout((6, 8))), "decoder": crossing(40, 48, graphs=2)}
    return all_views(found, (24, 32))


@pytest.fixture
def detection(browser, detector, tmp_path):
    images = torch.rand(2, 3, 24, 32, generator=torch.Generator().manual_seed(3))
    with opened(browser, write_page(tmp_path / "page.html", detector, images)) as found:
        yield found


def test_queries_of_cross_attention_are_chosen_by_number_and_by_the_keyboard(detection, detector):
    choose(detection, "A", "path", "encoder")
    choose(detection, "B", "path", "decoder")
    choose(detection, "B", "graph", "head 2")
    view = pick(detector, "decoder", "", "head 2")
    select, other = (pane(detection, name).locator(".explorer-tokens select") for name in "BA")
    assert select.locator("option").all_text_contents() == [str(query) for query in range(1, 41)]
    assert other.count() == 0
    select.select_option(label="17")
    assert_shows(detection, "B", view, 16)
    assert said(detection, "B")["chosen"] == "query 17"
    assert said(detection, "B")["even weight"].endswith("for all 48 nodes")
    assert "from tokens" not in said(detection, "B")
    row = crossing(40, 48, graphs=2).weights.to_dense()[1, 16]
    place = divmod(int(row.argmax()), 8)
    assert f"at row {place[0] + 1}, column {place[1] + 1}" in said(detection, "B")["greatest weight"]
    stage = pane(detection, "B").locator(".explorer-stage")
    for key, query in (("ArrowRight", 18), ("ArrowUp", 17), ("Home", 1), ("ArrowLeft", 1), ("End", 40)):
        stage.press(key)
        assert said(detection, "B")["chosen"] == f"query {query}" and select.input_value() == str(query)
        assert_shows(detection, "B", view, query - 1)
    assert "Arrow keys change the query" in stage.get_attribute("aria-label")
    assert not pane(detection, "B").locator(".explorer-mark").is_visible()
    assert "Of cross-attention a query is chosen" in detection.locator(".explorer-help").inner_text()


def test_a_click_on_a_map_of_cross_attention_asks_the_other_pane(detection, detector):
    choose(detection, "A", "path", "encoder")
    choose(detection, "B", "path", "decoder")
    before = said(detection, "B")
    click(detection, "B", 0.01, 0.01)
    assert said(detection, "A")["chosen"].startswith("row 1, column 1") and said(detection, "B") == before
    assert_shows(detection, "A", pick(detector, "encoder", "", ""), 0)


def test_a_page_of_cross_attention_alone_opens_on_its_most_telling_query(browser, tmp_path):
    found = views("decoder", crossing(5, 7, 1), (24, 32))
    with opened(browser, write_page(tmp_path / "page.html", found, torch.rand(2, 3, 24, 32))) as page:
        rows = crossing(5, 7, 1).weights.to_dense()
        image, query = divmod(int(rows.amax(-1).argmax()), 5)
        assert said(page, "A")["chosen"] == f"query {query + 1}"
        assert page.get_by_role("button", name=f"Image {image + 1}").get_attribute("aria-pressed") == "true"
        assert_shows(page, "A", found[0], query, image)


def test_a_query_is_the_same_where_fewer_are_kept(browser, tmp_path):
    many, few = crossing(40, 48, 1), crossing(40, 48, 1)
    found = views("many", many, (24, 32)) + views("few", few, (24, 32), budget=4_000)
    kept = [int(name.removeprefix("query ")) for name in found[1].tokens]
    assert 1 < len(kept) < 40 == len(found[0].tokens)
    with opened(browser, write_page(tmp_path / "page.html", found, torch.rand(2, 3, 24, 32))) as page:
        page.locator(".explorer-thumbs button").first.click()
        choose(page, "A", "path", "many")
        choose(page, "B", "path", "few")
        for query in (1, 9, 23, 40):
            pane(page, "A").locator(".explorer-tokens select").select_option(label=str(query))
            nearest = min(kept, key=lambda one: abs(one - query))
            assert said(page, "A")["chosen"] == f"query {query}"
            assert said(page, "B")["chosen"] == f"query {nearest}"
            assert_shows(page, "B", found[1], kept.index(nearest))
        pane(page, "B").locator(".explorer-stage").press("ArrowLeft")
        assert said(page, "A")["chosen"] == said(page, "B")["chosen"] == f"query {kept[-2]}"


def test_a_padded_text_keeps_its_words(browser, tmp_path):
    found = views("block", traced(Layout((7,)), images=2), (7,))
    page = explorer(found, torch.arange(14).view(2, 7), [list("abcdefg"), list("stuv")])
    drawn = [image["1"]["words"] for image in json.loads(str(page.data))["images"]]
    assert drawn == [list("abcdefg"), [*"stuv", "", "", ""]]


def test_words_lie_under_maps_of_as_many_positions_alone(browser, tmp_path):
    texts = torch.tensor([[3, 4, 5, 6]])
    found = views("decoder", crossing(3, 4, 1, 1), (4,)) + views("other", traced(Layout((3,)), 1, 1), (4,))
    with opened(browser, write_page(tmp_path / "page.html", found, texts)) as page:
        choose(page, "A", "path", "decoder")
        choose(page, "B", "path", "other")
        assert "“" in said(page, "A")["greatest weight"] and "“" not in said(page, "B")["greatest weight"]
