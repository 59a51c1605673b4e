"""Rows of a trace's graphs as the explorer shows them: as maps, and in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from gsp_nonlocal.analysis.arrangement import Arrangement, montage
from gsp_nonlocal.probe.trace import CrossTrace, Trace
from gsp_nonlocal.report.explorer.sampling import Sampling, cell_means, query_positions
from gsp_nonlocal.spectral.shift_rows import attention_rows

WEIGHTS_HELD = 2**22
"""Most weights, over the graphs of an image, that are held at once."""


@dataclass(frozen=True)
class Rows:
    """``m`` rows of ``S``: those of the kept positions, then those of the extra nodes.

    Numbers are of whole rows, before any averaging over cells; a row with a weight that is not finite counts
    as a row of zeros whose ``greatest`` is NaN.

    Attributes:
        tiles: weights on the positions, mean over each cell, ``(*, m, h, w)``.
        greatest: the greatest weight on a position by magnitude, with its sign, ``(*, m)``.
        where: the position that has it, ``(*, m)``.
        share: what the extra nodes have of a row's weight, by magnitude, ``(*, m)``.
        spread: over how many nodes an even row of the same entropy goes, by magnitude, ``(*, m)``.
        even: what each node had if the row were even, ``(*, m)``.
    """

    tiles: Tensor
    greatest: Tensor
    where: Tensor
    share: Tensor
    spread: Tensor
    even: Tensor

    def graph(self, index: int) -> Rows:
        """Those of one graph, where the first dimension is graphs."""
        return Rows(*(getattr(self, field.name)[index] for field in fields(self)))


def image_rows(trace: Trace, image: int, arrangement: Arrangement, sampling: Sampling, heads: bool) -> Rows:
    """The rows of an image's graphs.

    Args:
        trace: of one forward pass.
        image: its number in the batch.
        arrangement: of the nodes.
        sampling: which positions, and how finely their weights.
        heads: each of the ``G`` graphs, or their mean alone.

    Returns:
        Rows with first dimension ``G`` with ``heads``, else 1.
    """
    queries = query_positions(arrangement, sampling)
    nodes = torch.cat([_nodes(queries, arrangement), _extra_nodes(arrangement)])
    chunk = max(1, WEIGHTS_HELD // (trace.graphs * trace.shift.shape[-1]))
    parts = [
        _measured(_folded(trace, image, part, arrangement), arrangement, sampling, heads)
        for part in nodes.split(chunk)
    ]
    return Rows(*(torch.cat([getattr(part, f.name) for part in parts], dim=1) for f in fields(Rows)))


@torch.no_grad()
def join_rows(
    trace: CrossTrace,
    image: int,
    asked: Sequence[int],
    arrangement: Arrangement,
    sampling: Sampling,
    heads: bool,
) -> Rows:
    """The rows of the queries ``asked`` of an image's cross-attention; the arrangement is of its sources."""
    first, queries = image * trace.graphs, torch.tensor(asked, device=trace.signal.device)
    graphs = [trace.weights.graph(first + graph) for graph in range(trace.graphs)]
    rows = torch.cat([graph.rows(queries).float().cpu() for graph in graphs])
    return _measured(rows, arrangement, sampling, heads)


def count_cells(arrangement: Arrangement, sampling: Sampling) -> int:
    """The cells of all tiles of one graph."""
    (down, across), (height, width), frames = sampling.queries, sampling.targets, arrangement.frames
    return (frames * down * across + arrangement.extra) * frames * height * width


def _nodes(positions: Tensor, arrangement: Arrangement) -> Tensor:
    """The nodes of each position, one a channel, ``(m, channels)``."""
    channels = torch.arange(arrangement.channels) * arrangement.positions
    return arrangement.extra + positions.view(-1, 1) + channels


def _extra_nodes(arrangement: Arrangement) -> Tensor:
    return torch.arange(arrangement.extra).view(-1, 1).expand(-1, arrangement.channels)


def _folded(trace: Trace, image: int, nodes: Tensor, arrangement: Arrangement) -> Tensor:
    """``(G, m, extra + P)``: the mean row of each position's nodes, summed over the nodes of positions."""
    first = image * trace.graphs
    rows = torch.cat([_mean_rows(trace, first + graph, nodes) for graph in range(trace.graphs)])
    extra, positions = rows.split([arrangement.extra, rows.shape[-1] - arrangement.extra], dim=-1)
    return torch.cat([extra, positions.unflatten(-1, (arrangement.channels, -1)).sum(dim=-2)], dim=-1)


def _mean_rows(trace: Trace, graph: int, nodes: Tensor) -> Tensor:
    """Means over rows of ``S``: ``(1, m, N)`` for nodes ``(m, channels)``, with one product each."""
    shift, nodes = trace.shift.graph(graph), nodes.to(trace.shift.device)
    if nodes.shape[1] == 1:
        return attention_rows(shift, nodes[:, 0]).float().cpu()
    units = torch.zeros(1, shift.shape[-1], len(nodes), dtype=shift.dtype, device=shift.device)
    units[0].scatter_add_(0, nodes.T, torch.full_like(nodes.T, 1 / nodes.shape[1], dtype=shift.dtype))
    with torch.no_grad():
        return (shift.T @ units).mT.float().cpu()


def _measured(rows: Tensor, arrangement: Arrangement, sampling: Sampling, heads: bool) -> Rows:
    rows = rows if heads else rows.mean(dim=0, keepdim=True)
    finite = rows.isfinite().all(dim=-1)
    rows = rows.where(finite.unsqueeze(-1), 0.0)
    extra, positions = rows.split([arrangement.extra, arrangement.positions], dim=-1)
    where = positions.abs().argmax(dim=-1)
    greatest = positions.gather(-1, where.unsqueeze(-1)).squeeze(-1)
    total = rows.abs().sum(dim=-1)
    return Rows(
        _tiles(positions, arrangement, sampling),
        greatest.where(finite, torch.nan),
        where,
        extra.abs().sum(dim=-1) / total.clamp(min=1e-30),
        _spread(rows.abs(), total),
        total / rows.shape[-1],
    )


def _tiles(positions: Tensor, arrangement: Arrangement, sampling: Sampling) -> Tensor:
    frames = positions.unflatten(-1, (arrangement.frames, arrangement.height, arrangement.width))
    return montage(cell_means(frames, sampling.targets))


def _spread(magnitudes: Tensor, total: Tensor) -> Tensor:
    """``exp(−Σ p ln p)`` with ``p`` the share of each node; 0 where there is nothing."""
    shares = magnitudes / total.clamp(min=1e-30).unsqueeze(-1)
    entropy = -torch.special.xlogy(shares, shares).sum(dim=-1)
    return entropy.exp() * (total > 0)
