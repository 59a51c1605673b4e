"""The files of an analysis: what they are called, that they are small and repeat, and what they replace."""

import io
import os
import re
import threading
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from torch import nn

from gsp_nonlocal import NL
from gsp_nonlocal.analysis.record import BlockRecord
from gsp_nonlocal.blocks import CC
from gsp_nonlocal.report import analyze, write_analyses
from gsp_nonlocal.report.drawing import save
from gsp_nonlocal.report.figures import spectrum_figure
from gsp_nonlocal.report.folder import MARK, check_folder, replacing_folder
from gsp_nonlocal.report.svg import inline

FILES = {"analysis.json", "measures.csv", "eigenvalues.csv", "figures", "index.html"}
KINDS = ("spectrum", "density", "decay", "response", "energy")
SVG = "{http://www.w3.org/2000/svg}"


def renamed(found, label: str, *names: str):
    """An analysis with one block, under other names."""
    block = found.snapshot.blocks[0]
    blocks = [replace(block, name=name) for name in names]
    return replace(found, snapshot=replace(found.snapshot, label=label, blocks=blocks))


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(0)
    return analyze(CC(3, recurrence=1), torch.randn(1, 3, 5, 4), budget=20_000)


@pytest.fixture(scope="module")
def directed():
    torch.manual_seed(0)
    return analyze(nn.Sequential(NL(4)), torch.randn(2, 4, 6, 6), budget=20_000)


@pytest.mark.usefixtures("undrawn")
def test_the_figures_are_these_and_no_others(directed, tmp_path):
    write_analyses([renamed(directed, "now", "0"), renamed(directed, "then", "0")], tmp_path / "a")
    stems = {f"{label}_0_{kind}" for label in ("now", "then") for kind in KINDS}
    stems |= {"0_over_time", "0_measures_over_time"}
    wanted = {f"{stem}.{ending}" for stem in stems for ending in ("png", "svg")}
    assert {path.name for path in (tmp_path / "a" / "figures").iterdir()} == wanted
    assert {path.name for path in (tmp_path / "a").iterdir()} == FILES


@pytest.mark.usefixtures("undrawn")
def test_names_that_clean_alike_have_files_of_their_own(directed, tmp_path):
    names = ("a b", "a_b", "a/b", "A b", "x" * 300, "x" * 301, "层" * 200)
    labels = ("a", "a ")
    write_analyses([renamed(directed, label, *names) for label in labels], tmp_path / "a")
    files = [path.name for path in (tmp_path / "a" / "figures").iterdir()]
    assert len(files) == 2 * len(names) * (len(labels) * len(KINDS) + 2)
    assert len({name.casefold() for name in files}) == len(files)
    assert max(len(name.encode()) for name in files) < 150


def test_text_stays_text_and_two_writes_are_equal(directed, tmp_path):
    found = [renamed(directed, label, "0") for label in ("$\\bad$ #1f5fbf", "then")]
    for name in "ab":
        write_analyses(found, tmp_path / name)
    paths = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.*"))
    assert all((tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / path).read_bytes() for path in paths)
    drawing = ElementTree.parse(tmp_path / "a" / "figures" / "0_over_time.svg")
    texts = [element.text for element in drawing.iter(f"{SVG}text")]
    assert {"$\\bad$ #1f5fbf", "then", "graph frequency λ"} <= set(texts)


def plane(count: int) -> BlockRecord:
    """A block of one graph whose eigenvalues fill the unit disc."""
    torch.manual_seed(0)
    block = analyze(nn.Sequential(NL(4)), torch.randn(1, 4, 6, 6), budget=20_000).snapshot.blocks[0]
    values = np.sqrt(np.random.default_rng(0).random(count)) * np.exp(2j * np.pi * np.arange(count) * 0.618)
    pairs = [(float(value.real), float(value.imag)) for value in values]
    return replace(block, graphs=[replace(block.graphs[0], eigenvalues=pairs)])


def in_page(block: BlockRecord) -> str:
    """The spectrum of a block as the page holds it."""
    text = io.StringIO()
    save(spectrum_figure(block), text, format="svg")
    return inline(text.getvalue(), "block")


def test_many_points_of_a_plane_are_few_bytes():
    drawn = in_page(plane(8192))
    assert len(drawn) < 130_000
    assert drawn.count("<use") < 40


def test_every_point_of_a_plane_is_drawn_in_its_place():
    block = plane(20)
    drawn = in_page(block)
    paths = re.findall(r'd="([^"]*)"[^>]*stroke-width: 2.5', drawn)
    dots = np.cumsum([[float(x), float(y)] for x, y in steps(paths[0])], axis=0)[::2]
    wanted = np.array([(1 - re_, -im) for re_, im in block.graphs[0].eigenvalues])
    corners = [np.array([points.min(axis=0), points.max(axis=0)]) for points in (dots, wanted * [1, -1])]
    scaled = [
        (points - low) / (high - low)
        for points, (low, high) in zip((dots, wanted * [1, -1]), corners, strict=True)
    ]
    gaps = np.abs(scaled[0][:, None] - scaled[1][None]).max(axis=-1)
    assert gaps.min(axis=0).max() < 0.01
    assert len(dots) == 20


def steps(path: str) -> list[tuple[str, str]]:
    """Steps of a path of moves and lines, upright and level ones among them."""
    found = []
    for letter, values in re.findall(r"([mlhv])([^mlhvz]*)", path):
        numbers = re.findall(r"-?[\d.]+", values)
        found.append({"h": (numbers[0], "0"), "v": ("0", numbers[0])}.get(letter) or tuple(numbers))
    return found


@pytest.mark.usefixtures("undrawn")
def test_only_an_analysis_and_nothing_else_is_replaced(small, tmp_path):
    target = tmp_path / "mine"
    target.mkdir()
    (target / MARK).write_text('{"experiments": []}', encoding="utf-8")
    with pytest.raises(FileExistsError, match="no folder of an analysis"):
        small.write(target, overwrite=True)
    (target / MARK).unlink()
    small.write(target)
    assert (target / MARK).read_text(encoding="utf-8").startswith('{"written_by": "gsp-nonlocal", ')
    (target / "thesis.tex").write_text("kept", encoding="utf-8")
    (target / "figures" / "notes.txt").write_text("kept", encoding="utf-8")
    with pytest.raises(FileExistsError, match=r"'figures/notes.txt', 'thesis.tex'; move"):
        small.write(target, overwrite=True)
    (target / "figures" / "notes.txt").unlink()
    (target / "thesis.tex").unlink()
    small.write(target, overwrite=True)
    assert {path.name for path in target.iterdir()} == FILES
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_came_while_it_was_written_is_kept(tmp_path, overwrite):
    target = tmp_path / "a"
    with pytest.raises(FileExistsError), replacing_folder(target, overwrite):
        target.mkdir()
        (target / "thesis.tex").write_text("kept", encoding="utf-8")
    assert (target / "thesis.tex").read_text(encoding="utf-8") == "kept"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_of_two_writers_without_overwrite_one_is_refused(tmp_path):
    meeting, ended = threading.Barrier(2), []

    def write(name: str) -> None:
        try:
            with replacing_folder(tmp_path / "a", False) as part:
                (part / name).touch()
                meeting.wait()
            ended.append(name)
        except FileExistsError:
            ended.append("refused")

    threads = [threading.Thread(target=write, args=(name,)) for name in ("first", "second")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ended.count("refused") == 1
    assert [path.name for path in (tmp_path / "a").iterdir()] == [n for n in ended if n != "refused"]
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.usefixtures("undrawn")
def test_a_swap_that_fails_restores_the_old(small, tmp_path, monkeypatch):
    page = small.write(tmp_path / "a")
    before = page.read_bytes()
    failing = "gsp_nonlocal.report.folder._place"
    monkeypatch.setattr(failing, lambda *args: (_ for _ in ()).throw(PermissionError("no")))
    with pytest.raises(PermissionError):
        small.write(tmp_path / "a", overwrite=True, title="second")
    assert page.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("form", [".", "..", "", "../here", "/"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_the_working_directory_is_refused_before_the_work(tmp_path, monkeypatch, form, overwrite):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(FileExistsError, match=r"is the working directory or holds it.*'analysis'"):
        check_folder(form, overwrite)


@pytest.mark.usefixtures("undrawn")
def test_links_are_followed_and_stay(small, tmp_path):
    small.write(tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    small.write(tmp_path / "link", overwrite=True, title="second")
    assert (tmp_path / "link").is_symlink()
    assert b"second" in (tmp_path / "real" / "index.html").read_bytes()
    (tmp_path / "dangling").symlink_to(tmp_path / "later" / "made")
    small.write(tmp_path / "dangling")
    assert (tmp_path / "later" / "made" / MARK).is_file()
    assert (tmp_path / "dangling").is_symlink()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(OSError, match="loop"):
        check_folder(tmp_path / "loop", True)


@pytest.mark.usefixtures("undrawn")
def test_a_relative_folder_and_a_long_name(small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("plain", os.path.join("new", "x" * 250)):  # noqa: PTH118
        assert small.write(name).is_file()
        assert small.write(name, overwrite=True).is_file()
