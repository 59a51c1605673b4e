"""A graph with a signal on it as a plot."""

from __future__ import annotations

from typing import Any

import networkx
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d.art3d import Line3DCollection
from torch import Tensor
from torch_geometric.data import Batch, Data
from torch_geometric.utils import to_undirected

from filters.checks import require_tensor
from gsp_nonlocal.graphs.undirected import require_graph
from gsp_nonlocal.report.drawing import PALETTE

_THINNEST = 0.15
"""Points of width of an edge of weight 0."""


def plot_graph(data: Data, signal: Tensor | None = None, ax: Axes | None = None) -> Axes:
    r"""Draw node ``i`` at ``pos_i``, coloured by ``z_i``, and edges ``{i, j}`` as wide as ``w_ij`` is great.

    Positions are ``data.pos``, where those have 2 or 3 coordinates; else NetworkX's spring layout, the same
    one each time. Each pair is one line, of the greater of its two weights. The line of the greatest weight
    is 1 point wide, one of weight 0 is 0.15. Self-loops are not drawn.

    Args:
        data: one graph.
        signal: ``z (N,)``, ``(N, 1)`` or ``(1, N, 1)``, real; by default all nodes have one colour.
        ax: where to draw, with ``projection="3d"`` for 3 coordinates; by default a new figure's.

    Returns:
        The axes; ``ax.figure.savefig(path)`` keeps the picture.

    Raises:
        TypeError: if ``data`` is no ``Data``, or the signal no real tensor.
        ValueError: for a batch of several graphs; if the signal has not one finite number for each node; if
            the axes have other dimensions than the positions.

    References:
        Fruchterman, Reingold (1991), *Graph drawing by force-directed placement*, for the layout.

    Example:
        >>> from gsp_nonlocal import graphs
        >>> axes = plot_graph(graphs.ring(5), torch.arange(5.0))
        >>> axes.collections[1].get_array().tolist()
        [0.0, 1.0, 2.0, 3.0, 4.0]
    """
    graph = _one_graph(data)
    colours = None if signal is None else _one_number_each(signal, graph.num_nodes)
    pos = _places(graph)
    axes = _axes(pos.shape[1]) if ax is None else ax
    if _dimensions(axes) != pos.shape[1]:
        raise ValueError(
            f"positions have {pos.shape[1]} coordinates and the axes {_dimensions(axes)}; "
            'make the axes with subplot_kw={"projection": "3d"}, or leave out ax'
        )
    _draw_edges(axes, graph, pos)
    _draw_nodes(axes, pos, colours)
    axes.set_aspect("equal")
    axes.set_axis_off()
    return axes


def _one_graph(data: Data) -> Data:
    graph = require_graph(data)
    if isinstance(graph, Batch) and graph.num_graphs != 1:
        raise ValueError(f"a batch of {graph.num_graphs} graphs is no picture; draw one of them: batch[0]")
    return graph


def _one_number_each(signal: Tensor, nodes: int) -> np.ndarray:
    """``z (N,)`` of a signal that has a number for each node."""
    if require_tensor("signal", signal).is_complex():
        raise TypeError("a complex signal has no colour; draw signal.real, signal.imag or signal.abs()")
    if signal.shape not in ((nodes,), (nodes, 1), (1, nodes, 1)):
        raise ValueError(
            f"a signal to draw has shape ({nodes},), ({nodes}, 1) or (1, {nodes}, 1), got "
            f"{tuple(signal.shape)}; choose one sample and channel: z[0, :, 0]"
        )
    values: np.ndarray = signal.detach().cpu().double().flatten().numpy()
    if not np.isfinite(values).all():
        raise ValueError(f"{int((~np.isfinite(values)).sum())} numbers of the signal are NaN or infinite")
    return values


def _places(graph: Data) -> np.ndarray:
    if graph.pos is not None and graph.pos.shape[1] in (2, 3):
        found: np.ndarray = graph.pos.detach().cpu().double().numpy()
        return found
    pairs, weight = _pairs(graph)
    linked = networkx.empty_graph(graph.num_nodes)
    linked.add_weighted_edges_from(zip(*pairs.tolist(), weight.tolist(), strict=True))
    laid_out = networkx.spring_layout(linked, seed=0)
    return np.array([laid_out[node] for node in range(graph.num_nodes)])


def _pairs(graph: Data) -> tuple[Tensor, Tensor]:
    """Pairs ``(2, M)`` of joined nodes, each once, and their weights ``(M,)``."""
    edges, weight = graph.edge_index.cpu(), graph.edge_weight
    weight = torch.ones(edges.shape[1]) if weight is None else weight.detach().cpu()
    edges, weight = to_undirected(edges, weight.double(), graph.num_nodes, reduce="max")
    once = edges[0] < edges[1]
    return edges[:, once], weight[once]


def _axes(dimensions: int) -> Axes:
    kind = {"projection": "3d"} if dimensions == 3 else {}
    figure = Figure(figsize=(4.4, 3.6), layout="constrained")
    found: Axes = figure.subplots(subplot_kw=kind)
    return found


def _dimensions(axes: Axes) -> int:
    return 3 if axes.name == "3d" else 2


def _draw_edges(axes: Any, graph: Data, pos: np.ndarray) -> None:
    pairs, weight = _pairs(graph)
    share = weight / weight.max().clamp_min(torch.finfo(weight.dtype).tiny) if len(weight) else weight
    kind = Line3DCollection if pos.shape[1] == 3 else LineCollection
    widths = (_THINNEST + (1 - _THINNEST) * share).numpy()
    lines = kind(pos[pairs.T.numpy()], linewidths=widths, colors=PALETTE.faint, alpha=0.6, zorder=1)
    axes.add_collection(lines)


def _draw_nodes(axes: Any, pos: np.ndarray, colours: np.ndarray | None) -> None:
    size = float(np.clip(3000 / len(pos), 4, 60))
    shown = {"color": PALETTE.first} if colours is None else {"c": colours, "cmap": "viridis"}
    nodes = axes.scatter(*pos.T, s=size, zorder=2, **shown)
    if colours is not None:
        axes.figure.colorbar(nodes, ax=axes, shrink=0.8)
