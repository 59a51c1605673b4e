"""Graphs, spectra and bands are drawn with the numbers that they have."""

import matplotlib.collections
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d.art3d import Line3DCollection
from torch_geometric.data import Batch, Data

from filters import Chebyshev, Heat, frames
from gsp_nonlocal import graphs
from gsp_nonlocal.report import plot_graph, plot_response, plot_spectrum
from gsp_nonlocal.spectral import spectrum

F64 = {"dtype": torch.float64}


def lines(axes):
    return next(c for c in axes.collections if isinstance(c, matplotlib.collections.LineCollection))


def dots(axes):
    return next(c for c in axes.collections if isinstance(c, matplotlib.collections.PathCollection))


@pytest.mark.parametrize("shape", [(30,), (30, 1), (1, 30, 1)])
def test_nodes_are_at_their_positions_in_the_colours_of_the_signal(shape):
    graph, signal = graphs.sensor(30), torch.linspace(-1, 2, 30)
    axes = plot_graph(graph, signal.reshape(shape))
    assert np.allclose(dots(axes).get_offsets(), graph.pos)
    assert np.allclose(dots(axes).get_array(), signal)
    assert axes.figure.axes[1].get_ylim() == pytest.approx((-1, 2))  # the bar of colours


def test_each_edge_is_one_line_as_wide_as_its_weight():
    graph = graphs.sensor(30, **F64)
    drawn = lines(plot_graph(graph))
    source, target = graph.edge_index
    once = source < target
    segments = torch.from_numpy(np.array(drawn.get_segments()))
    assert torch.equal(segments, torch.stack([graph.pos[source[once]], graph.pos[target[once]]], dim=1))
    weight = graph.edge_weight[once]
    assert np.allclose(drawn.get_linewidths(), 0.15 + 0.85 * weight / weight.max())


def test_a_graph_without_a_signal_has_one_colour_and_no_bar():
    axes = plot_graph(graphs.ring(5))
    assert dots(axes).get_array() is None and len(axes.figure.axes) == 1


def test_positions_in_space_are_drawn_there():
    graph = graphs.torus(4, 5, **F64)
    axes = plot_graph(graph, torch.arange(20.0))
    assert axes.name == "3d"
    cloud, edges = axes.collections[1], axes.collections[0]
    assert np.allclose(np.array(cloud._offsets3d).T, graph.pos) and isinstance(edges, Line3DCollection)
    assert len(edges._segments3d) == graph.num_edges // 2
    given = Figure().subplots(subplot_kw={"projection": "3d"})
    assert plot_graph(graph, None, given) is given


@pytest.mark.parametrize("pos", [None, torch.rand(5, 1), torch.rand(5, 7)])
def test_a_graph_without_places_on_paper_is_laid_out_the_same_each_time(pos):
    graph = graphs.complete(5)
    graph.pos = pos
    first, second = (dots(plot_graph(graph)).get_offsets() for _ in range(2))
    assert np.array_equal(first, second) and len(np.unique(first.round(3), axis=0)) == 5


def test_any_data_is_drawn_directed_or_with_self_loops():
    edges = torch.tensor([[0, 2, 1, 1], [1, 1, 1, 0]])
    axes = plot_graph(Data(edge_index=edges, num_nodes=4, pos=torch.rand(4, 2)))
    assert len(lines(axes).get_segments()) == 2
    assert len(lines(plot_graph(Data(edge_index=edges, num_nodes=4))).get_segments()) == 2
    none = Data(edge_index=edges[:, :0], num_nodes=2)
    assert len(dots(plot_graph(none)).get_offsets()) == 2


def test_graphs_that_need_gradients_are_drawn():
    points = torch.rand(6, 2, requires_grad=True)
    axes = plot_graph(graphs.nearest_neighbours(points, 2), points[:, 0])
    assert np.allclose(dots(axes).get_array(), points[:, 0].detach())


def test_a_spectrum_is_drawn_with_its_multiplicities():
    axes = plot_spectrum(graphs.shift(graphs.torus(4, 4, **F64)))
    (stems,) = axes.lines
    assert stems.get_xdata() == pytest.approx([0, 0.5, 1, 1.5, 2], abs=1e-12)
    assert list(stems.get_ydata()) == [1, 4, 6, 4, 1]
    heights = [segment[:, 1].tolist() for segment in lines(axes).get_segments()]
    assert heights == [[0, 1], [0, 4], [0, 6], [0, 4], [0, 1]]
    assert axes.get_legend().get_texts()[0].get_text() == "16 nodes, 5 frequencies"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_frequencies_that_differ_by_rounding_are_one(dtype):
    (stems,) = plot_spectrum(graphs.shift(graphs.complete(50, dtype=dtype))).lines
    assert list(stems.get_ydata()) == [1, 49] and stems.get_xdata() == pytest.approx([0, 50 / 49], abs=1e-5)


def test_each_graph_of_a_batch_has_its_colour_and_number():
    pair = torch.stack([torch.eye(3, **F64), torch.ones(3, 3, **F64) / 3])
    first, second = plot_spectrum(pair, label="mine").lines
    assert (first.get_xdata(), first.get_ydata()) == (pytest.approx([0], abs=1e-9), [3])
    assert list(second.get_ydata()) == [1, 2] and first.get_color() != second.get_color()
    assert first.get_label() == "mine graph 0: 3 nodes, 1 frequency"


def test_some_eigenvalues_are_not_called_nodes():
    axes = plot_spectrum(spectrum(graphs.shift(graphs.path(9)), k=3))
    assert axes.lines[0].get_label() == "3 eigenvalues, 3 frequencies"


def test_bands_of_a_frame_are_drawn_with_the_sum_of_their_squares():
    frame = frames.half_cosine(4)
    axes = plot_response(frame, frequencies=torch.tensor([0.5]))
    *bands, total = axes.lines[:5]
    lam = torch.as_tensor(total.get_xdata())
    for line, band in zip(bands, frame.bands, strict=True):
        assert line.get_ydata() == pytest.approx(band.gain(lam).numpy()) and line.get_label() == str(band)
    assert total.get_ydata() == pytest.approx(np.full(len(lam), 9 / 8))
    assert [text.get_text() for text in axes.get_legend().get_texts()][-1] == "sum of squares"
    named = plot_response(frames.meyer(2), label="Meyer").get_legend().get_texts()
    assert [text.get_text() for text in named] == ["Meyer 1", "Meyer 2", "sum of squares"]


def test_everything_is_drawn_where_it_is_asked_for():
    above, below, last = Figure().subplots(3)
    assert plot_graph(graphs.ring(4), None, above) is above
    assert plot_spectrum(graphs.shift(graphs.ring(4)), below) is below
    assert plot_response(frames.meyer(2), last) is last


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: plot_graph("ring"), TypeError, "got str"),
        (lambda: plot_graph(Batch.from_data_list([graphs.ring(3)] * 2)), ValueError, r"2 graphs.*batch\[0\]"),
        (lambda: plot_graph(graphs.ring(3), torch.ones(4)), ValueError, r"\(3,\).*got \(4,\); choose"),
        (lambda: plot_graph(graphs.ring(3), torch.ones(3).cfloat()), TypeError, "complex.*signal.abs"),
        (lambda: plot_graph(graphs.ring(3), torch.tensor([1, torch.nan, 2])), ValueError, "1 numbers .*NaN"),
        (lambda: plot_graph(graphs.ring(3), [1, 2, 3]), TypeError, "signal must be a tensor"),
        (lambda: plot_graph(graphs.torus(3, 3), None, Figure().subplots()), ValueError, "3 coord.*axes 2"),
        (lambda: plot_spectrum(torch.eye(3).roll(1, 0)), ValueError, "complex.*symmetric_part"),
        (lambda: plot_spectrum("ring"), TypeError, "expected a ShiftOperator or a tensor.*got str"),
        (lambda: plot_response(torch.eye(3)), TypeError, "a graph filter or a frame, got Tensor"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_pictures_of_all_three_are_written(tmp_path):
    drawn = [
        plot_graph(graphs.torus(3, 3), torch.arange(9.0)),
        plot_spectrum(graphs.shift(graphs.ring(5))),
        plot_response(Chebyshev(2, 2)),
        plot_response(Heat(1.0)),
    ]
    for number, axes in enumerate(drawn):
        axes.figure.savefig(tmp_path / f"{number}.png")
        assert (tmp_path / f"{number}.png").stat().st_size > 3000
