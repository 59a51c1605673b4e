"""Sparse graphs: edges by name, and ``S = I − 2 L / λ_max`` as a matrix."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gsp_nonlocal.shifts import SparseShift
from tests.fuzz.affinities import power

if TYPE_CHECKING:
    from tests.fuzz.graphs import Graph

SHAPES = (
    "ring",
    "path",
    "star",
    "complete",
    "grid",
    "rings",
    "random",
    "loops",
    "duplicates",
    "one edge",
    "directed",
)
NORMALIZATIONS = ("sym", "rw", "none", "given")
OPTIONS = tuple(
    f"{shape}, {normalization}"
    for shape in SHAPES
    for normalization in NORMALIZATIONS
    if (shape, normalization)
    != ("directed", "none")  # refused, as documented: it has no λ_max that bounds it
)
"""``"ring, sym"`` and so on; ``"given"`` is ``normalization=None`` with a ``lambda_max``."""


def pairs(shape: str, nodes: int, seed: int) -> list[tuple[int, int]]:
    """Edges ``(i, j)``, each once."""
    line = [(i, i + 1) for i in range(nodes - 1)]
    if shape in ("ring", "path", "loops", "duplicates"):
        ring = line + ([(0, nodes - 1)] if shape == "ring" and nodes > 2 else [])
        return ring + {"loops": [(i, i) for i in range(0, nodes, 2)], "duplicates": line[::2]}.get(shape, [])
    if shape == "rings":
        return [(i, i + 1 if (i + 1) % 3 else i - 2) for i in range(nodes - nodes % 3)]
    if shape == "star":
        return [(0, i) for i in range(1, nodes)]
    if shape == "grid":
        width = max(int(nodes**0.5), 1)
        return [p for p in line if p[1] % width] + [(i, i + width) for i in range(nodes - width)]
    if shape == "one edge":
        return line[:1]
    generator = torch.Generator().manual_seed(seed)
    everything = [(i, j) for i in range(nodes) for j in range(i)]
    kept = torch.rand(len(everything), generator=generator) < (1.0 if shape == "complete" else 0.4)
    return [pair for pair, keep in zip(everything, kept.tolist(), strict=True) if keep]


def _ends(g: Graph) -> tuple[Tensor, Tensor, bool]:
    """Sources and targets of the pairs, and whether each pair is an edge in both directions."""
    shape = g.option.split(", ")[0]
    found = torch.tensor(pairs(shape, g.nodes, g.seed), dtype=torch.long).view(-1, 2)
    return found[:, 0], found[:, 1], shape != "directed"


def shapes(g: Graph) -> list[tuple[int, ...]]:
    """One weight a pair."""
    return [(1, len(_ends(g)[0]))]


def constants(g: Graph) -> list[int]:
    """The weights, where ``λ_max`` is computed from them: it is a constant, which differences do not know."""
    return [0] if g.option.endswith((", none", ", given")) else []


def _edges(g: Graph, inputs: list[Tensor]) -> tuple[Tensor, Tensor]:
    source, target, both = _ends(g)
    weight, loop = inputs[0][0].abs(), source == target
    if not both:
        return torch.stack([source, target]), weight
    back = torch.stack([target[~loop], source[~loop]])
    return torch.cat([torch.stack([source, target]), back], dim=1), torch.cat([weight, weight[~loop]])


def build(g: Graph, inputs: list[Tensor]) -> SparseShift:
    """By the library."""
    edge_index, weight = _edges(g, inputs)
    kind = g.option.split(", ")[1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return SparseShift.from_edge_index(
            edge_index,
            weight,
            g.nodes,
            kind if kind in ("sym", "rw") else None,  # type: ignore[arg-type]
            lambda_max=_given(weight, edge_index, g.nodes) if kind == "given" else None,
        )


def _given(weight: Tensor, edge_index: Tensor, nodes: int) -> float:
    """Twice the greatest sum of weights at a node, in and out: a constant beyond every eigenvalue."""
    with torch.no_grad():
        ends = weight.double().new_zeros(nodes)
        for end in edge_index:
            ends = ends.index_add(0, end, weight.double())
    return float(f"{2 * float(ends.max()) or 1.0:.3g}")


def matrix(g: Graph, inputs: list[Tensor]) -> Tensor:
    """As the table of ``SparseShift.from_edge_index`` reads."""
    return _matrix(g, inputs, -1)


def magnitude(g: Graph, inputs: list[Tensor]) -> Tensor:
    """``I + 2 (D + A) / λ_max``: a diagonal ``1 − 2d/λ`` near 0 is rounded in units of the 1."""
    return _matrix(g, inputs, 1)


def _matrix(g: Graph, inputs: list[Tensor], sign: int) -> Tensor:
    """The matrix, or with ``sign = 1`` the sum of the magnitudes of its terms."""
    (source, target), weight = _edges(g, inputs)
    adjacency = weight.new_zeros(g.nodes, g.nodes).index_put((target, source), weight, accumulate=True)
    rows, columns = adjacency.sum(-1, keepdim=True), adjacency.sum(-2, keepdim=True)
    kind = g.option.split(", ")[1]
    if kind == "sym":
        return (power(rows, -0.5) * adjacency * power(columns, -0.5)).unsqueeze(0)
    if kind == "rw":
        return (power(rows, -1.0) * adjacency).unsqueeze(0)
    laplacian = torch.diag(rows.squeeze(-1)) - adjacency
    greatest = (
        torch.tensor(_given(weight, torch.stack([source, target]), g.nodes), dtype=weight.dtype)
        if kind == "given"
        else torch.linalg.eigvalsh(laplacian.detach())[-1]
    )
    terms = 2 * (laplacian if sign < 0 else laplacian.abs()) / torch.where(greatest > 0, greatest, 1.0)
    return (torch.eye(g.nodes, dtype=weight.dtype) + sign * terms).unsqueeze(0)
