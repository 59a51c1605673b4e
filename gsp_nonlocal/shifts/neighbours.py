"""The edges of a shift as a list: all of them, or the strongest of every node."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

from filters.checks import require_integer
from filters.operators.shift import ShiftOperator
from gsp_nonlocal.shifts.structure import entries, rows, stored_edges

_ROWS = 256  # rows of S that are in memory at once


class EdgeList(NamedTuple):
    """Edges ``source → target`` ``(2, E)`` over ``B N`` nodes, graph after graph, with weights
    ``S_ij (E,)``."""

    edge_index: Tensor
    edge_weight: Tensor


def complete_edges(shift: ShiftOperator) -> EdgeList:
    """All ``N²`` edges of every graph, those of weight 0 too: for small graphs."""
    if (stored := stored_edges(shift)) is not None:
        return EdgeList(*stored)
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
    if (stored := stored_edges(shift)) is not None:
        return EdgeList(*stored)
    sources = _strongest(shift, neighbours)
    return EdgeList(_joined(sources), entries(shift, sources).flatten())


@torch.no_grad()
def _strongest(shift: ShiftOperator, neighbours: int) -> Int[Tensor, "B N K"]:
    count = shift.shape[-1]
    chunks = torch.arange(count, device=shift.device).split(_ROWS)
    found = [rows(shift, chunk).topk(min(neighbours, count), dim=-1).indices for chunk in chunks]
    return torch.cat(found, dim=1)


def _joined(sources: Int[Tensor, "B N K"]) -> Int[Tensor, "2 E"]:
    """Edges ``(2, B N K)`` over the nodes of all graphs, numbered one after another."""
    batch, nodes, width = sources.shape
    offset = nodes * torch.arange(batch, device=sources.device).view(-1, 1, 1)
    target = torch.arange(nodes, device=sources.device).view(1, -1, 1).expand(batch, nodes, width)
    return torch.stack([(sources + offset).flatten(), (target + offset).flatten()])
