"""The explorer's values: tiles are rows of S, numbers are of whole rows, and budgets hold."""

import base64
import io
import json
from itertools import pairwise
from math import log

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from gsp_nonlocal import SNL
from gsp_nonlocal.analysis.arrangement import arrange, montage, patch_grid
from gsp_nonlocal.probe import SpectralProbe
from gsp_nonlocal.probe.trace import CrossTrace, Trace
from gsp_nonlocal.report.explorer import all_views, explorer, script_hash, share_of_budget, views
from gsp_nonlocal.report.explorer.sampling import cell_means, samplings
from gsp_nonlocal.report.explorer.view import Picture, View
from gsp_nonlocal.shifts import AttentionShift, DenseShift, LowRankShift
from gsp_nonlocal.shifts.biadjacency import DenseBiadjacency
from gsp_nonlocal.spectral.layout import Layout


def trace_of(matrix: Tensor, layout: Layout, graphs: int = 1) -> Trace:
    """Of graphs ``(B·G, N, N)``."""
    return Trace(DenseShift(matrix), matrix[..., :1], lambda z, shift: shift @ z, layout, graphs)


def softmax_graphs(batch: int, nodes: int, sharp: float = 3.0) -> Tensor:
    torch.manual_seed(0)
    return torch.softmax(sharp * torch.randn(batch, nodes, nodes), dim=-1)


def tiles_of(view: View, image: int = 0) -> Tensor:
    """The tiles of an atlas, ``(m, h, w)``: numbers of colours."""
    picture, (height, width) = view.pictures[image], view.targets
    sheet = torch.from_numpy(np.array(decode(picture.atlas))).float()
    grid = sheet.unflatten(0, (-1, height)).unflatten(2, (-1, width)).transpose(1, 2)
    assert grid.shape[1] == picture.columns
    return grid.flatten(0, 1)[: len(picture.greatest)]


def decode(uri: str) -> Image.Image:
    picture = Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/png;base64,"))))
    assert picture.mode == "P"
    return picture


def assert_tiles(view: View, image: int, expected: Tensor, even: Tensor | float | None = None) -> None:
    """``expected (m, h, w)`` over ``even``, one a tile or for all, by default ``1 / N``; to half a colour."""
    shown, picture = tiles_of(view, image), view.pictures[image]
    assert shown.shape == expected.shape
    even = torch.as_tensor(1 / view.nodes if even is None else even).view(-1, 1, 1)
    ratio = (expected / even).clamp(-32, 32)
    if picture.signed:
        wanted = 16 + 16 * ratio.sign() * (1 + ratio.abs()).log() / log(33)
    else:
        wanted = 8 * ratio.clamp(max=1) + 24 * ratio.clamp(min=1).log() / log(32)
    assert (shown - wanted).abs().max() <= 0.501


def size_of(found: list[View]) -> int:
    return sum(len(view.json()) for view in found)


def kept_positions(view: View) -> list[int]:
    """Of one frame, by the formula that the browser has."""
    (_, height, width), (down, across) = view.grid, view.queries
    rows = [int((i + 0.5) * height / down) for i in range(down)]
    columns = [int((j + 0.5) * width / across) for j in range(across)]
    return [row * width + column for row in rows for column in columns]


def crossing(queries: int, sources: int, graphs: int, images: int = 2) -> CrossTrace:
    torch.manual_seed(0)
    matrix = torch.softmax(3 * torch.randn(images * graphs, queries, sources), dim=-1)
    return CrossTrace(DenseBiadjacency(matrix), matrix.new_zeros(images * graphs, sources, 1), graphs)


def test_tiles_of_cross_attention_are_its_rows_over_the_patches():
    trace = crossing(5, 13, graphs=2)  # 12 patches after a class token
    rows = trace.weights.to_dense().unflatten(0, (2, 2))
    found = views("decoder", trace, (24, 32))
    assert [view.graph for view in found] == ["mean of 2 heads", "head 1", "head 2"]
    for view, expected in zip(found, [rows.mean(1), rows[:, 0], rows[:, 1]], strict=True):
        assert view.queries == (0, 0) and view.targets == (3, 4) and view.grid == (1, 3, 4)
        assert view.tokens == tuple(f"query {q}" for q in range(1, 6)) and view.overlaid
        for image in range(2):
            assert_tiles(view, image, expected[image, :, 1:].unflatten(-1, (3, 4)))
            picture = view.pictures[image]
            assert picture.where == tuple(expected[image, :, 1:].argmax(-1).tolist())
            assert np.allclose(picture.share, expected[image, :, 0], rtol=0.05)


@pytest.mark.parametrize("budget", [200_000, 20_000, 3_000])
def test_a_budget_of_cross_attention_is_kept_by_fewer_queries_then_coarser_maps(budget):
    trace = crossing(300, 192, graphs=3)
    found = views("decoder", trace, (48, 64), budget=budget)
    assert size_of(found) <= budget and found[0].graph == "mean of 3 heads"
    rows = trace.weights.to_dense().unflatten(0, (2, 3)).mean(1)
    mean = found[0]
    asked = [int(name.removeprefix("query ")) - 1 for name in mean.tokens]
    assert asked == torch.linspace(0, 299, len(asked)).round().long().tolist()
    tiles = cell_means(rows[:, asked].unflatten(-1, (12, 16)), mean.targets)
    assert_tiles(mean, 1, tiles[1])
    assert ("of 300 queries" in mean.note) == (len(asked) < 300)
    if budget == 200_000:
        assert mean.targets == (12, 16)


@pytest.mark.parametrize(
    ("budget", "queries", "targets"),
    [(70_000, (12, 16), (12, 16)), (20_000, (6, 8), (12, 16)), (4_000, (4, 6), (6, 8))],
    ids=["whole", "thinned", "averaged"],
)
def test_a_tile_is_the_row_of_its_query(budget, queries, targets):
    matrix = softmax_graphs(2, 192)
    [view] = views("block", trace_of(matrix, Layout((12, 16))), (24, 32), budget=budget)
    assert (view.queries, view.targets) == (queries, targets)
    assert size_of([view]) <= budget
    for image in range(2):
        rows = matrix[image, kept_positions(view)].view(-1, 12, 16)
        cells = rows.unflatten(2, (targets[1], -1)).unflatten(1, (targets[0], -1)).mean(dim=(2, 4))
        assert_tiles(view, image, cells)
    assert ("a click shows the nearest" in view.note, "mean weight" in view.note) == (
        queries != (12, 16),
        targets != (12, 16),
    )


def test_numbers_are_of_whole_rows_whatever_is_drawn():
    matrix = softmax_graphs(1, 195)
    [view] = views("block", trace_of(matrix, Layout((12, 16), extra=3)), (24, 32), budget=2_000)
    picture = view.pictures[0]
    assert view.targets[0] < 12
    nodes = [3 + position for position in kept_positions(view)] + [0, 1, 2]
    assert view.tokens == ("class token", "token 2", "token 3")
    for node, greatest, where, share, spread in zip(
        nodes, picture.greatest, picture.where, picture.share, picture.spread, strict=True
    ):
        row = matrix[0, node]
        assert greatest == pytest.approx(row[3:].max().item(), rel=5e-3)
        assert where == row[3:].argmax()
        assert share == pytest.approx(row[:3].sum().item(), rel=5e-2)
        assert spread == pytest.approx(torch.distributions.Categorical(row).entropy().exp().item(), rel=5e-3)
    assert picture.even == pytest.approx(1 / 195, rel=5e-3)


@pytest.mark.parametrize(
    ("budget", "mean", "each"),
    [(200_000, (8, 8), (8, 8)), (40_000, (8, 8), (4, 4)), (14_000, (4, 4), (2, 2)), (5_500, (1, 1), (1, 1))],
)
def test_the_mean_and_every_head_are_shown_as_finely_as_there_is_room(budget, mean, each):
    matrix = softmax_graphs(6, 64)
    found = views(
        "block", trace_of(matrix, Layout((8, 8)), graphs=3), (8, 8), snapshot="epoch 3", budget=budget
    )
    assert [view.graph for view in found] == ["mean of 3 heads", "head 1", "head 2", "head 3"]
    assert {view.snapshot for view in found} == {"epoch 3"}
    assert size_of(found) <= budget
    for view, wanted in zip(found, [mean, each, each, each], strict=True):
        assert view.queries >= wanted, view.graph
    for image in range(2):
        heads = matrix[3 * image : 3 * image + 3]
        for view, rows in zip(found, [heads.mean(dim=0), *heads], strict=True):
            kept = rows[kept_positions(view)].view(-1, 8, 8)
            assert_tiles(view, image, cell_means(kept, view.targets))


def test_heads_that_do_not_fit_at_all_are_said():
    trace = trace_of(softmax_graphs(6, 64), Layout((8, 8)), graphs=3)
    [mean] = views("block", trace, (8, 8), budget=3_000)
    assert mean.graph == "mean of 3 heads"
    assert mean.note.endswith("for each head, choose fewer blocks or images.")


def test_only_the_images_that_are_asked_for():
    matrix = softmax_graphs(3, 16)
    [view] = views("block", trace_of(matrix, Layout((4, 4))), (4, 4), images=[2, 0])
    assert_tiles(view, 0, matrix[2].view(16, 4, 4))
    assert_tiles(view, 1, matrix[0].view(16, 4, 4))


def test_several_nodes_a_position_are_averaged_as_they_ask_and_summed_as_they_answer():
    torch.manual_seed(0)
    shift = LowRankShift(torch.rand(2, 36, 3), torch.rand(2, 36, 3))
    trace = Trace(shift, torch.zeros(2, 36, 1), lambda z, s: s @ z, Layout((3, 4), channels=3))
    [view] = views("block", trace, (6, 8))
    expected = shift.to_dense().view(2, 3, 12, 3, 12).mean(dim=1).sum(dim=2)
    for image in range(2):
        assert_tiles(view, image, expected[image].view(12, 3, 4), expected[image].mean(dim=-1))
        torch.testing.assert_close(
            torch.tensor(view.pictures[image].even), expected[image].mean(dim=-1), rtol=5e-3, atol=0
        )
    assert "3 nodes" in view.note


def test_frames_are_a_montage_row_by_row():
    matrix = softmax_graphs(1, 48)
    [view] = views("block", trace_of(matrix, Layout((4, 3, 4))), (8, 6, 8))
    assert (view.grid, view.columns, view.queries, view.targets) == ((4, 3, 4), 2, (6, 8), (6, 8))
    assert_tiles(view, 0, matrix[0].view(48, 2, 2, 3, 4).transpose(2, 3).reshape(48, 6, 8))
    frames = torch.arange(6).view(6, 1, 1).expand(6, 2, 3)
    assert montage(frames)[::2, ::3].tolist() == [[0, 1], [2, 3], [4, 5]]


def test_a_long_signal_is_a_strip_with_fewer_cells():
    matrix = softmax_graphs(1, 1500)
    [view] = views("block", trace_of(matrix, Layout((1500,))), (3000,), budget=60_000)
    assert view.queries[0] == view.targets[0] == 1
    assert 50 < view.queries[1] <= view.targets[1] < 1500
    assert view.overlaid
    rows = matrix[0, kept_positions(view)].view(-1, 1, 1500)
    assert_tiles(view, 0, cell_means(rows, view.targets))


def test_negative_weights_are_told_from_positive_ones():
    torch.manual_seed(0)
    matrix = torch.randn(1, 36, 36)
    [view] = views("block", trace_of(matrix, Layout((6, 6))), (6, 6))
    picture = view.pictures[0]
    assert picture.signed
    assert_tiles(view, 0, matrix[0].view(36, 6, 6), matrix[0].abs().mean(dim=-1))
    row = matrix[0, 5]
    assert picture.greatest[5] == pytest.approx(row[row.abs().argmax()].item(), rel=5e-3)
    colours = np.array(decode(picture.atlas).convert("RGBA")).astype(int)
    levels = np.array(decode(picture.atlas)).astype(int) - 16
    assert (colours[levels == 0][:, 3] == 0).all()
    assert (colours[levels < 0][:, 2] > colours[levels < 0][:, 0]).all()
    assert (colours[levels > 0][:, 0] > colours[levels > 0][:, 2]).all()


@pytest.mark.parametrize(
    ("times", "opacity"),
    [(1.0, (0, 0)), (1.2, (1, 40)), (2.0, (50, 110)), (12.0, (160, 200)), (60, (230, 240))],
)
def test_a_weight_looks_as_many_times_even_as_it_is(times, opacity):
    rest = (100 - times) / 99
    matrix = torch.full((1, 100, 100), rest / 100)
    matrix[0, :, 7] = times / 100
    [view] = views("block", trace_of(matrix, Layout((10, 10))), (10, 10))
    colours = np.array(decode(view.pictures[0].atlas).convert("RGBA")).astype(int)
    (red, _, blue, alpha), beside = colours[0, 7], colours[0, 0]
    assert opacity[0] <= alpha <= opacity[1]
    assert red > blue or not alpha
    assert beside[3] <= 140  # what has less than an even weight never hides the image
    assert beside[2] >= beside[0]


def test_rounding_below_zero_is_no_sign():
    matrix = torch.eye(4).unsqueeze(0) - 1e-8
    [view] = views("block", trace_of(matrix, Layout((2, 2))), (2, 2))
    assert not view.pictures[0].signed


def test_isolated_nodes_and_broken_rows_stay_empty():
    matrix = softmax_graphs(1, 9)
    matrix[0, 2] = 0
    matrix[0, 4, 1] = torch.nan
    matrix[0, 7, 7] = torch.inf
    [view] = views("block", trace_of(matrix, Layout((3, 3))), (3, 3))
    picture, shown = view.pictures[0], tiles_of(view)
    assert (shown[[2, 4, 7]] == 8).all()
    assert picture.greatest[2] == picture.spread[2] == 0
    assert picture.greatest[4] is None
    assert picture.greatest[7] is None
    assert view.note.endswith("2 rows are not finite, and not drawn.")
    assert json.loads(view.json())["pictures"][0]["greatest"][4] is None


@pytest.mark.parametrize(
    ("layout", "size", "extra", "grid", "overlaid"),
    [
        (Layout((7, 9)), (28, 36), 0, (1, 7, 9), True),
        (Layout((7, 9), extra=1), (28, 36), 1, (1, 7, 9), True),
        (Layout((197,)), (224, 224), 1, (1, 14, 14), True),
        (Layout((196,)), (224, 224), 0, (1, 14, 14), True),
        (Layout((198,)), (224, 224), 2, (1, 14, 14), True),
        (Layout((201,)), (224, 224), 5, (1, 14, 14), True),
        (Layout((141,)), (160, 224), 1, (1, 10, 14), True),
        (Layout((141,)), (167, 230), 1, (1, 10, 14), True),
        (Layout((196,), extra=1), (224, 224), 1, (1, 14, 14), True),
        (Layout((17,)), (32, 32), 1, (1, 4, 4), True),
        (Layout((187,)), (64, 64), 0, (1, 1, 187), False),
        (Layout((50,)), (100,), 0, (1, 1, 50), True),
        (Layout((4, 7, 7)), (8, 56, 56), 0, (4, 7, 7), True),
        (Layout((4, 7, 7)), (56, 56), 0, (4, 7, 7), False),
        (Layout((1569,)), (8, 56, 56), 0, (1, 1, 1569), False),
        (Layout((2, 2, 2, 2)), (4, 4, 4, 4), 0, (1, 1, 16), False),
    ],
)
def test_where_the_nodes_lie(layout, size, extra, grid, overlaid):
    found = arrange(layout, size)
    assert (found.frames, found.height, found.width) == grid
    assert (found.extra, found.overlaid) == (extra, overlaid)
    assert ("not known" in "".join(found.notes)) == (not overlaid and grid[:2] == (1, 1))


def test_patches_have_the_fewest_tokens():
    for side in range(1, 20):
        for tokens in range(min(9, 2 * side - 1)):
            assert patch_grid(side * side + tokens, (64, 64)) == (tokens, side, side)
    assert patch_grid(16 * 16 + 9, (64, 64)) is None


@pytest.mark.parametrize(("height", "width"), [(32, 32), (14, 14), (1, 1000), (7, 30), (1, 1)])
def test_samplings_go_from_everything_to_one(height, width):
    found = samplings(height, width)
    assert found[0].queries == found[0].targets == (height, width)
    assert found[-1].queries == found[-1].targets == (1, 1)
    cells = [sampling.cells for sampling in found]
    assert cells == sorted(set(cells), reverse=True)
    assert all(before <= 4 * after for before, after in pairwise(cells))


def test_averages_keep_the_total():
    maps = torch.rand(3, 7, 5)
    for targets in [(7, 5), (4, 3), (2, 5), (1, 1)]:
        cells = cell_means(maps, targets)
        assert cells.shape[1:] == targets
        torch.testing.assert_close(cells.mean(dim=(1, 2)), maps.mean(dim=(1, 2)))
    torch.testing.assert_close(cell_means(maps[:, :6, :4], (3, 2)), nn.AvgPool2d(2)(maps[:, :6, :4]))


def test_five_blocks_of_a_thousand_nodes_stay_small():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 16, 1), *(SNL(16, gate=False) for _ in range(5)))
    images = torch.rand(8, 3, 32, 32)
    with SpectralProbe(model) as probe, torch.no_grad():
        model(images)
    traces = {path: found[0] for path, found in probe.traces.items()}
    found = all_views(traces, (32, 32))
    assert [view.path for view in found] == list(traces)
    assert min(view.queries[0] * view.queries[1] for view in found) >= 8 * 11
    assert 1e6 < len(explorer(found, images).data) < 3.8e6


def test_twelve_blocks_of_a_vision_transformer_stay_small():
    torch.manual_seed(0)
    images, found = torch.rand(8, 3, 224, 224), []
    for block in range(12):
        shift = AttentionShift(2 * torch.randn(96, 197, 8), torch.randn(96, 197, 8))
        trace = Trace(shift, shift.query, lambda z, s: s @ z, Layout((197,)), 12)
        found += views(f"blocks.{block}", trace, (224, 224), budget=share_of_budget(12))
    assert [view.graph for view in found[:3]] == ["mean of 12 heads", "head 1", "head 2"]
    assert len(found) == 12 * 13
    assert all(min(view.queries) >= 4 and min(view.targets) >= 7 for view in found)
    assert all(view.targets == (14, 14) for view in found if view.graph.startswith("mean"))
    assert 1e6 < len(explorer(found, images).data) < 3.8e6


def test_what_small_blocks_leave_goes_to_large_ones():
    small = trace_of(softmax_graphs(1, 16), Layout((4, 4)))
    large = trace_of(softmax_graphs(1, 256), Layout((16, 16)))
    alone = views("large", large, (16, 16), budget=20_000)
    found = all_views({"large": large, "small": small}, (16, 16), budget=40_000)
    assert [view.path for view in found] == ["large", "small"]
    assert size_of(found) <= 40_000
    assert found[0].queries > alone[0].queries


def test_no_large_graph_is_ever_a_matrix(monkeypatch):
    monkeypatch.setattr(LowRankShift, "to_dense", lambda self: pytest.fail("S was formed"))
    factor = torch.rand(1, 128 * 128, 4)
    trace = Trace(LowRankShift(factor), factor, lambda z, s: s @ z, Layout((128, 128)))
    [view] = views("block", trace, (128, 128), budget=60_000)
    assert size_of([view]) <= 60_000


def test_bad_requests_say_what_to_do():
    trace = trace_of(softmax_graphs(2, 16), Layout((4, 4)))
    with pytest.raises(ValueError, match=r"numbers from 0 to 1.*got \[2\]"):
        views("block", trace, (4, 4), images=[2])
    with pytest.raises(ValueError, match="at least one"):
        views("block", trace, (4, 4), images=[])
    with pytest.raises(ValueError, match=r"300 bytes do not hold one row of block.*raise the budget"):
        views("block", trace, (4, 4), budget=300)
    with pytest.raises(ValueError, match=r"at least one view.*got 0 views"):
        explorer([])
    with pytest.raises(ValueError, match="got 1 views, and 2 and 3 images"):
        explorer(views("block", trace, (4, 4)), torch.rand(3, 3, 4, 4))


def test_data_cannot_leave_its_script():
    trace = trace_of(softmax_graphs(1, 4), Layout((2, 2)))
    found = explorer(views("</script><b>", trace, (2, 2)), torch.rand(1, 3, 2, 2))
    assert "<" not in found.data
    data = json.loads(found.data)
    assert data["views"][0]["path"] == "</script><b>"
    assert set(data) == {"images", "ramps", "most", "views"}
    assert found.script_hash == script_hash(str(found.script))
    assert "</script" not in found.script


@pytest.mark.parametrize(
    ("shape", "layout", "frames", "kind"),
    [
        ((2, 3, 8, 6), Layout((4, 3)), {"1"}, "png"),
        ((2, 1, 700), Layout((7,)), {"1"}, "svg+xml"),
        ((2, 3, 8, 6, 6), Layout((4, 3, 3)), {"4"}, "png"),
        ((2, 3, 8, 6, 6), Layout((12,)), {"1"}, "png"),
    ],
)
def test_every_input_has_its_picture(shape, layout, frames, kind):
    nodes = layout.positions
    found = views("block", trace_of(softmax_graphs(2, nodes), layout), shape[2:])
    inputs = torch.rand(shape).index_fill_(2, torch.tensor([1]), torch.nan)
    images = json.loads(explorer(found, inputs).data)["images"]
    assert len(images) == 2
    for image in images:
        assert set(image) == frames
        assert all(shown["src"].startswith(f"data:image/{kind};base64,") for shown in image.values())
    assert json.loads(explorer(found).data)["images"] == [{}, {}]


def test_values_are_plain():
    [view] = views("block", trace_of(softmax_graphs(1, 4), Layout((2, 2))), (2, 2))
    again = json.loads(view.json())
    assert View(**{**again, "pictures": tuple(Picture(**p) for p in again["pictures"])}).json() == view.json()
