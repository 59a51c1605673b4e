"""The edges of a shift as a list: all of them, or the strongest of every node."""

from __future__ import annotations

from functools import singledispatch
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from filters.checks import require_integer
from filters.operators.shift import ShiftOperator
from gsp_nonlocal.shifts.low_rank import LowRankShift
from gsp_nonlocal.shifts.sparse import SparseShift

_ROWS = 256  # rows of S that are in memory at once


class EdgeList(NamedTuple):
    """Edges ``source → target`` ``(2, E)`` over ``B N`` nodes, graph after graph, with weights
    ``S_ij (E,)``."""

    edge_index: Tensor
    edge_weight: Tensor


def complete_edges(shift: ShiftOperator) -> EdgeList:
    """All ``N²`` edges of every graph, those of weight 0 too: for small graphs."""
    if isinstance(shift, SparseShift):
        return EdgeList(shift.edge_index, shift.values)
    matrix = shift.to_dense()
    batch, nodes, _ = matrix.shape
    everyone = torch.arange(nodes, device=matrix.device).expand(batch, nodes, nodes)
    return EdgeList(_joined(everyone), matrix.flatten())


def nearest_edges(shift: ShiftOperator, neighbours: int) -> EdgeList:
    """The ``neighbours`` greatest entries of every row of ``S``, never ``N²`` numbers.

    Rows are formed 256 at a time; the choice carries no gradient, the weights do. A sparse shift keeps its
    own edges.
    """
    neighbours = require_integer("neighbours", neighbours)
    if isinstance(shift, SparseShift):
        return EdgeList(shift.edge_index, shift.values)
    sources = _strongest(shift, neighbours)
    return EdgeList(_joined(sources), entries(shift, sources).flatten())


@torch.no_grad()
def _strongest(shift: ShiftOperator, neighbours: int) -> Int[Tensor, "B N K"]:
    batch, nodes, _ = shift.shape
    transposed, chosen = shift.T, []
    for begin in range(0, nodes, _ROWS):
        width = min(_ROWS, nodes - begin)
        unit = torch.zeros(batch, nodes, width, dtype=shift.dtype, device=shift.device)
        unit[:, begin : begin + width] = torch.eye(width, dtype=shift.dtype, device=shift.device)
        rows = transposed(unit).mT
        chosen.append(rows.topk(min(neighbours, nodes), dim=-1).indices)
    return torch.cat(chosen, dim=1)


@singledispatch
def entries(shift: ShiftOperator, sources: Int[Tensor, "B N K"]) -> Float[Tensor, "B N K"]:
    """``S_ij`` for the ``K`` sources ``j`` of every node ``i``, differentiable."""
    return shift.to_dense().gather(-1, sources)


@entries.register
def _(shift: LowRankShift, sources: Tensor) -> Tensor:
    left = shift.left if shift.core is None else shift.left @ shift.core
    batch, nodes, width = sources.shape
    index = sources.reshape(batch, nodes * width, 1).expand(-1, -1, shift.rank)
    right = shift.right.gather(1, index).view(batch, nodes, width, shift.rank)
    return (right @ left.unsqueeze(-1)).squeeze(-1)


def _joined(sources: Int[Tensor, "B N K"]) -> Int[Tensor, "2 E"]:
    """Edges ``(2, B N K)`` over the nodes of all graphs, numbered one after another."""
    batch, nodes, width = sources.shape
    offset = nodes * torch.arange(batch, device=sources.device).view(-1, 1, 1)
    target = torch.arange(nodes, device=sources.device).view(1, -1, 1).expand(batch, nodes, width)
    return torch.stack([(sources + offset).flatten(), (target + offset).flatten()])
