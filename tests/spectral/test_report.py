"""The report: a page that stands alone, says something of every block, and refuses bad input first."""

import base64
import io
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from gsp_nonlocal import SNL
from gsp_nonlocal.models import preresnet20
from gsp_nonlocal.spectral import (
    attention_map,
    block_shifts,
    dirichlet_energy,
    pictures,
    report,
    write_report,
)

VOID = {"meta", "link", "br", "img", "input", "hr"}
LOADING = {"script", "link", "iframe", "object", "embed", "video", "audio", "base"}


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
        self.words += data

    def values(self, *names: str) -> list[str]:
        return [value for _, name, value in self.attributes if name in names]


def two_blocks() -> nn.Module:
    torch.manual_seed(0)
    first = SNL(8, order=3, form="low_rank")
    second = SNL(8, stages=2, gate=False, form="dense")
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), first, nn.MaxPool2d(2), second)


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("report") / "new" / "folder" / "report.html"
    assert write_report(two_blocks(), torch.rand(5, 3, 12, 16), str(path), title="A & B <c>") == path
    return path


@pytest.fixture(scope="module")
def page(written) -> Page:
    return Page(written.read_text(encoding="utf-8"))


def test_is_one_well_formed_page_and_nothing_beside_it(written, page):
    assert {"html", "title", "h1", "main", "table", "svg"} <= set(page.tags)
    assert "A & B <c>" in page.words
    assert [file.name for file in written.parent.iterdir()] == ["report.html"]
    assert written.stat().st_size < 1e6


def test_loads_nothing_from_anywhere(written, page):
    assert not LOADING & set(page.tags)
    addresses = [
        value
        for _, name, value in page.attributes
        if name in {"href", "src", "xlink:href", "srcset", "action", "data", "poster", "style"}
    ]
    assert any(value.startswith("data:image/png;base64,") for value in addresses)
    for value in addresses:
        assert value.startswith(("data:image/", "#")) or ("://" not in value and ":url(//" not in value)
    text = written.read_text(encoding="utf-8")
    beside_names = re.sub(r'xmlns(:\w+)?="[^"]*"', "", text)
    assert "http://" not in beside_names
    assert "https://" not in beside_names
    assert "@import" not in text


def test_ids_are_unique_and_every_reference_has_its_target(written, page):
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    references = [value[1:] for value in page.values("href", "xlink:href") if value.startswith("#")]
    references += re.findall(r"url\(#([^)]+)\)", written.read_text(encoding="utf-8"))
    references += page.values("aria-labelledby")
    assert len(references) > 20
    assert set(references) <= set(ids)


def test_names_every_block_and_its_numbers(page):
    assert [value for value in page.values("href") if value.startswith("#block")] == ["#block-1", "#block-2"]
    words = " ".join(page.words.split())
    assert "Block 1 The gate γ is 0" in words
    assert "Block 3 nodes N" in words
    assert "192 (12 × 16)" in words
    assert "low-rank factors" in words
    assert "dense matrix" in words
    assert "184 exact zeros" in words
    assert "stage 1" in words
    for measure in ("spectral gap", "effective rank", "Dirichlet energy after it", "mean gain at λ = 0"):
        assert measure in words


def test_pictures_have_texts_marks_and_captions(page):
    images, positions, blocks = 4, 4, 2
    roles = [tag for tag, name, value in page.attributes if (name, value) == ("role", "img")]
    assert roles.count("svg") == blocks * images * (positions + 1)
    assert roles.count("div") == 7  # spectrum and decay twice, three responses
    assert len([value for value in page.values("aria-label") if value]) >= len(roles)
    assert page.values("class").count("mark") == blocks * images * 2 * positions
    assert page.tags.count("figcaption") == page.tags.count("figure") == 7 + blocks
    assert page.words.count("bad sign") == 7 + blocks


def test_colours_and_fonts_come_from_the_page(written):
    text = written.read_text(encoding="utf-8")
    assert "var(--first)" in text
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text
    assert not re.search(r"#0[1-6]0[1-6]0[1-6]", text)
    for name in re.findall(r"var\(--([a-z-]+)\)", text):
        assert f"--{name}:" in text


@pytest.mark.parametrize(
    ("convolution", "shape", "expected"),
    [(nn.Conv1d, (2, 3, 40), "Attention, input 2"), (nn.Conv3d, (1, 3, 4, 5, 6), "No attention pictures")],
)
def test_maps_of_other_dimensions(tmp_path, convolution, shape, expected):
    model = nn.Sequential(convolution(3, 6, 3, padding=1), SNL(6))
    path = write_report(model, torch.randn(shape), tmp_path / "report.html")
    words = Page(path.read_text(encoding="utf-8")).words
    assert expected in words
    assert f"{torch.Size(shape[2:]).numel()} ({' × '.join(map(str, shape[2:]))})" in words


def test_one_node_and_a_graph_without_edges_are_drawn(tmp_path):
    model = SNL(2)
    path = write_report(model, torch.zeros(1, 2, 1, 1), tmp_path / "report.html")
    assert "1 of 1 graphs have no edge" in Page(path.read_text(encoding="utf-8")).words


def test_each_stage_is_measured_on_what_reaches_it(tmp_path):
    torch.manual_seed(0)
    block, x = SNL(4, stages=2, gate=False).eval(), torch.randn(1, 4, 5, 5)
    path = write_report(block, x, tmp_path / "report.html")
    nodes, shift = x.flatten(2).mT, block.shift(x)
    words = " ".join(Page(path.read_text(encoding="utf-8")).words.split())
    for stage, unit in enumerate(block.stages):
        before, after = (
            dirichlet_energy(z, shift).item()
            for z in (unit.value(nodes), unit.filter(unit.value(nodes), shift))
        )
        assert f"before the filter, stage {stage} mean frequency, 0 to 2 {before:.3g}" in words
        assert f"after it, stage {stage} at 0, all positions are one {after:.3g}" in words
        nodes = unit(nodes, shift)


def test_leaves_the_model_as_it_was(tmp_path):
    model = preresnet20(block=SNL)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    write_report(model, torch.rand(2, 3, 16, 16), tmp_path / "report.html")
    assert all(module.training for module in model.modules())
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_many_blocks_stay_below_two_megabytes(tmp_path):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 32, 1), *(SNL(32) for _ in range(4)))
    path = write_report(model, torch.rand(4, 3, 96, 96), tmp_path / "report.html")
    assert path.stat().st_size < 2e6


def test_a_picture_is_the_map_it_shows():
    torch.manual_seed(0)
    trace = block_shifts(SNL(4, form="low_rank"), torch.rand(1, 4, 6, 6))[""]
    row = attention_map(trace.shift, 7, grid=(6, 6))[0]
    decoded = decode(pictures.heat_png(row, (6, 6)))
    assert decoded.shape == (6, 6, 4)
    brightness = decoded[..., :3].sum(dim=-1).float()
    assert brightness.argmax() == row.argmax()
    order = row.flatten().argsort()
    assert (brightness.flatten()[order].diff() >= -3).all()
    assert decode(pictures.heat_png(torch.zeros(2, 2), (2, 2)))[..., 3].max() == 0


def test_an_image_keeps_its_colours_and_shrinks():
    image = torch.zeros(3, 400, 200)
    image[0, :200] = 5.0
    decoded = decode(pictures.image_png(image))
    assert decoded.shape == (pictures.LONGEST, pictures.LONGEST // 2, 3)
    assert decoded[3, 3].tolist() == [255, 0, 0]
    assert decoded[-3, 3].tolist() == [0, 0, 0]
    assert decode(pictures.image_png(image[:2])).shape == (pictures.LONGEST, pictures.LONGEST // 2)


def test_positions_are_distinct_and_apart():
    torch.manual_seed(0)
    chosen = pictures.distinct_positions(torch.randn(256, 5), (16, 16), 4)
    places = torch.tensor([divmod(node, 16) for node in chosen])
    gaps = (places.unsqueeze(1) - places).abs().amax(dim=-1) + 99 * torch.eye(4, dtype=torch.long)
    assert gaps.min() > 2
    assert places.min() >= 2
    assert places.max() < 14
    assert sorted(pictures.distinct_positions(torch.ones(3, 2), (3,), 4)) == [0, 1, 2]


def decode(uri: str) -> Tensor:
    picture = Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1])))
    picture = picture.convert("RGBA") if picture.mode == "P" else picture
    return torch.from_numpy(np.array(picture)).int()


IMAGES = torch.rand(1, 3, 8, 8)
WITH_NAN = IMAGES.clone().index_fill_(3, torch.tensor([2]), torch.nan)
BAD_IMAGES = {
    "nan": (
        IMAGES.clone().index_fill_(3, torch.tensor([2]), torch.nan),
        ValueError,
        "24 of the 192.*nan_to_num",
    ),
    "integer": ((255 * IMAGES).byte(), TypeError, "uint8.*float"),
    "none": (IMAGES[:0], ValueError, r"\(0, 3, 8, 8\)"),
    "no positions": (IMAGES[..., :0], ValueError, r"\(1, 3, 8, 0\)"),
    "no map": (torch.rand(4, 3), ValueError, r"\(4, 3\)"),
}


@pytest.fixture
def idle(monkeypatch):
    """A model whose forward pass must not be reached."""
    monkeypatch.setattr(report, "_render", lambda *args: pytest.fail("work began"))
    return two_blocks()


@pytest.mark.parametrize(("images", "error", "said"), BAD_IMAGES.values(), ids=BAD_IMAGES.keys())
def test_bad_images_are_refused_before_any_work(idle, tmp_path, images, error, said):
    with pytest.raises(error, match=said):
        write_report(idle, images, tmp_path / "new" / "report.html")
    assert not list(tmp_path.iterdir())


def test_a_model_without_blocks_is_refused_before_any_work(tmp_path):
    with pytest.raises(ValueError, match=r"no nonlocal block.*Conv2d.*insert_blocks"):
        write_report(nn.Conv2d(3, 3, 1), IMAGES, tmp_path / "new" / "report.html")
    assert not list(tmp_path.iterdir())


def test_paths_that_cannot_be_written_are_refused_before_any_work(idle, tmp_path):
    (tmp_path / "file").write_text("kept", encoding="utf-8")
    with pytest.raises(OSError, match=r"it is a folder; choose a file"):
        write_report(idle, IMAGES, tmp_path)
    with pytest.raises(OSError, match=r"cannot write the report to .*file.report\.html.*choose"):
        write_report(idle, IMAGES, tmp_path / "file" / "report.html")
    with pytest.raises(OSError, match=r"cannot write the report to .*choose"):
        write_report(idle, IMAGES, tmp_path / ("long" * 100))
    assert [file.name for file in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text(encoding="utf-8") == "kept"


def test_a_failure_leaves_the_old_page_whole(tmp_path, monkeypatch):
    path = write_report(SNL(3), IMAGES, tmp_path / "report.html")
    before = path.read_bytes()
    with pytest.raises(ValueError, match="5 channels"):
        write_report(SNL(5), IMAGES, path)
    monkeypatch.setattr(Path, "replace", lambda *args: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_report(SNL(3), IMAGES, path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_blocks_that_never_run_are_reported(tmp_path):
    model = nn.Identity()
    model.add_module("idle", SNL(3))
    with pytest.raises(ValueError, match=r"1 nonlocal block.*runs none"):
        write_report(model, IMAGES, tmp_path / "report.html")


def test_spectra_need_neither_matplotlib_nor_jinja2():
    code = (
        "import sys; sys.modules['matplotlib'] = sys.modules['jinja2'] = None\n"
        "import torch, gsp_nonlocal.spectral as spectral\n"
        "spectral.spectrum(torch.eye(3)); spectral.attention_map(torch.eye(3), 0)\n"
        "try: spectral.write_report\n"
        "except ImportError: print('needs the extra')"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert done.stdout.strip() == "needs the extra"
