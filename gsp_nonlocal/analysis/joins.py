"""What is measured of cross-attention: singular values, and how its rows are."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from gsp_nonlocal.analysis.arrangement import arranged
from gsp_nonlocal.analysis.record import JoinRecord
from gsp_nonlocal.probe.trace import CrossTrace
from gsp_nonlocal.shifts.biadjacency import Biadjacency
from gsp_nonlocal.spectral.layout import Layout
from gsp_nonlocal.spectral.singular import singular_values

ROWS_AT_ONCE = 2048
"""Rows that exist at once."""

QUERIES, MAP_CELLS = 12, 24
"""Queries whose maps are kept, and the cells of a side of each."""

JOINED = {
    "effective_rank": ("effective rank", "near 1: all queries collect the same"),
    "row_entropy": ("entropy of rows", "near 1: weights are even; near 0: one key has them all"),
    "coverage": ("share of the keys used", "near 0: few keys are collected from by all queries together"),
}
"""Measures by name: label, and how to read it."""


def join_record(
    name: str, kind: str, trace: CrossTrace, most: int, image_size: tuple[int, ...]
) -> JoinRecord:
    """The record of one application of cross-attention, over at most so many of its graphs."""
    queries, grid, maps = _maps(trace, image_size)
    count = trace.weights.shape[0]
    chosen = torch.linspace(0, count - 1, min(count, most)).round().long().unique().tolist()
    found = [_measured(trace.weights.graph(index)) for index in chosen]
    return JoinRecord(
        name=name,
        kind=kind,
        targets=trace.weights.shape[1],
        sources=trace.weights.shape[2],
        heads=trace.graphs,
        singular=[values for values, _ in found],
        measures=[measures for _, measures in found],
        queries=queries,
        grid=grid,
        maps=maps,
    )


@torch.no_grad()
def _maps(
    trace: CrossTrace, image_size: tuple[int, ...]
) -> tuple[list[int], tuple[int, int], list[list[float]]]:
    """Some queries of the first image, and their mean rows over the cells of the keys' map."""
    targets, sources = trace.weights.shape[1:]
    chosen = torch.linspace(0, targets - 1, min(targets, QUERIES)).round().long().unique()
    heads = [trace.weights.graph(head).rows(chosen.to(trace.weights.device)) for head in range(trace.graphs)]
    rows = torch.cat(heads).double().mean(0).cpu()
    keys = arranged(Layout((sources,)), image_size)
    height, width = (1, *keys.spatial)[-2:]
    maps = rows[:, keys.extra :].unflatten(1, (height, width))
    grid = (min(height, MAP_CELLS), min(width, MAP_CELLS if height > 1 else MAP_CELLS**2))
    means = interpolate(maps.unsqueeze(1), grid, mode="area").flatten(1)
    return chosen.tolist(), grid, [[float(f"{value:.3g}") for value in row] for row in means.tolist()]


@torch.no_grad()
def _measured(graph: Biadjacency) -> tuple[list[float], dict[str, float]]:
    values = singular_values(graph)[0]
    entropy, mean = _rows(graph)
    sources = graph.shape[2]
    measures = {
        "effective_rank": _spread(values),
        "row_entropy": entropy / float(torch.tensor(sources).double().log()) if sources > 1 else 0.0,
        "coverage": _spread(mean) / sources,
    }
    return values.tolist(), measures


def _rows(graph: Biadjacency) -> tuple[float, Tensor]:
    """The mean entropy of the rows, and the mean row."""
    _, targets, sources = graph.shape
    entropy, total = 0.0, torch.zeros(sources, dtype=torch.float64)
    for part in torch.arange(targets, device=graph.device).split(ROWS_AT_ONCE):
        rows = graph.rows(part)[0].double().cpu()
        entropy -= float(torch.special.xlogy(rows.abs(), rows.abs()).sum())
        total += rows.abs().sum(0)
    return entropy / targets, total / targets


def _spread(values: Tensor) -> float:
    """``exp(−Σ p ln p)`` with ``p`` the shares of the values: how many of them count."""
    shares = values / values.sum().clamp(min=1e-300)
    return float(torch.exp(-torch.special.xlogy(shares, shares).sum()))
