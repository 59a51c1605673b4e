"""From a graph's edges to the entries of ``S = I − 2 L / λ_max``."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from filters.operators.promises import Promises
from gsp_nonlocal.shifts.degrees import added, by_rows, by_rows_and_columns, greatest, power_below
from gsp_nonlocal.shifts.edges import Edges, LaplacianNormalization
from gsp_nonlocal.shifts.lambda_max import Laplacian, lambda_max_of


class Entries(NamedTuple):
    """Entries ``S[row, column] = value``, and what is known of ``S``."""

    row: Tensor
    column: Tensor
    value: Tensor
    promises: Promises


def laplacian_shift(
    edges: Edges,
    normalization: LaplacianNormalization,
    lambda_max: float | Tensor | None,
    undirected: bool,
) -> Entries:
    """The entries of ``S``, one an edge, and then one a node where its diagonal has another; see
    ``SparseShift.from_edge_index``."""
    symmetric = undirected and normalization != "rw"
    if normalization and lambda_max is None:  # λ_max = 2: S is the normalised adjacency
        promises = Promises(symmetric, normalization == "rw", 1.0)
        return Entries(edges.target, edges.source, _adjacency(edges, normalization), promises)
    laplacian = _laplacian(edges, normalization)
    similar = _laplacian(edges, "sym") if normalization == "rw" else laplacian  # the same eigenvalues
    per_node = lambda_max_of(similar, lambda_max, undirected)[edges.batch]
    nodes = torch.arange(edges.num_nodes, device=per_node.device)
    return Entries(
        torch.cat([edges.target, nodes]),
        torch.cat([edges.source, nodes]),
        torch.cat([2 * laplacian.value / per_node[edges.target], 1 - 2 * laplacian.diagonal / per_node]),
        Promises(symmetric, bound=1.0 if undirected else None),
    )


def _adjacency(edges: Edges, normalization: LaplacianNormalization) -> Tensor:
    """``D⁻¹ A`` or ``D^{-1/2} A D'^{-1/2}``, entry by entry."""
    if normalization == "rw":
        return by_rows(edges.weight, edges.target, edges.num_nodes)
    return by_rows_and_columns(edges.weight, edges.target, edges.source, edges.num_nodes)


def _laplacian(edges: Edges, normalization: LaplacianNormalization) -> Laplacian:
    """``L`` of every graph; of ``D − A`` in units of a power of two close to the graph's greatest weight.

    The diagonal is formed without self-loops, ``(D − A)_ii = Σ_{j≠i} a_ij``: a difference would lose a small
    sum beside a great loop.
    """
    loop = edges.source == edges.target
    if normalization:
        value, unit = _adjacency(edges, normalization), edges.weight.new_ones(_graphs(edges))
        diagonal = _normalised_diagonal(edges, loop, normalization)
    else:
        unit = power_below(greatest(edges.weight, edges.batch[edges.target], _graphs(edges)))
        value = edges.weight / unit[edges.batch[edges.target]]
        diagonal = added(value.masked_fill(loop, 0.0), edges.target, edges.num_nodes)
    return Laplacian(edges, diagonal, value.masked_fill(loop, 0.0), unit, normalization is not None)


def _graphs(edges: Edges) -> int:
    return int(edges.batch[-1]) + 1


def _normalised_diagonal(edges: Edges, loop: Tensor, normalization: LaplacianNormalization) -> Tensor:
    r"""``L_ii = 1 − S_ii``, 1 at a node without a loop.

    With the shares ``p`` of loops in the row's sum and ``p'`` in the column's, and ``o``, ``o'`` of all other
    edges, it is ``o`` of ``D⁻¹ A``; in symmetric form ``1 − √(p p') = (o o' + o p' + p o') / (1 + √(p p'))``.
    """
    ones = edges.weight.new_ones(edges.num_nodes)
    if not loop.any():
        return ones
    rest, loops = _shares(edges, edges.target, loop)
    if normalization == "rw":
        return rest.where((rest + loops > 0) & _with_loop(edges, loop), ones)
    others, own = _shares(edges, edges.source, loop)
    joined = (rest + loops > 0) & (others + own > 0) & _with_loop(edges, loop)
    entry = added(_adjacency(edges, "sym").where(loop, 0.0), edges.target, edges.num_nodes)
    return ((rest * others + rest * own + loops * others) / (1 + entry)).where(joined, ones)


def _shares(edges: Edges, index: Tensor, loop: Tensor) -> tuple[Tensor, Tensor]:
    """The shares of edges to others, and of loops, in the sum of every row or column."""
    share = by_rows(edges.weight, index, edges.num_nodes)
    rest, loops = (added(share.where(kept, 0.0), index, edges.num_nodes) for kept in (~loop, loop))
    return rest, loops


def _with_loop(edges: Edges, loop: Tensor) -> Tensor:
    return added(loop.to(edges.weight), edges.target, edges.num_nodes) > 0
