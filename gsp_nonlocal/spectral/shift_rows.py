"""What one position looks at: a row of the shift, without the shift."""

from __future__ import annotations

import operator
from math import prod
from typing import SupportsIndex

import torch
from torch import Tensor

from filters.checks import require_tensor
from filters.operators.ranks import require_whole
from gsp_nonlocal.shifts import ShiftOperator, as_shift
from gsp_nonlocal.shifts.structure import rows


@torch.no_grad()
def attention_map(
    shift: ShiftOperator | Tensor,
    node: int | tuple[int, ...],
    *,
    grid: tuple[int, ...] | None = None,
) -> Tensor:
    r"""``Sᵀ e_i``: row ``i`` of ``S``, the weights with which node ``i`` collects from all nodes.

    One product with one unit vector: ``O(N R)`` on a low-rank shift, and never ``N²`` numbers.

    Args:
        shift: any shift, or a plain tensor ``(B, N, N)`` or ``(N, N)``.
        node: ``i``, from 0 to ``N − 1``; or, with ``grid``, a position such as ``(row, column)``.
        grid: spatial shape of the map, ``prod(grid) = N``; by default none.

    Returns:
        ``(B, N)``, or ``(B, *grid)`` where a grid is given; in the data type of the shift, no gradients.

    Raises:
        IndexError: if ``node`` is outside of the graph; nodes do not count from the end.
        TypeError: if ``node`` is neither an integer nor a position on a grid.
        ValueError: if the grid does not have ``N`` positions.

    Example:
        >>> S = torch.tensor([[0.0, 1.0], [0.5, 0.5]])
        >>> attention_map(S, 1)
        tensor([[0.5000, 0.5000]])
        >>> attention_map(torch.eye(6), (1, 0), grid=(2, 3))
        tensor([[[0., 0., 0.],
                 [1., 0., 0.]]])
    """
    shift = as_shift(shift)
    nodes = shift.shape[-1]
    if grid is not None and prod(grid) != nodes:
        raise ValueError(
            f"grid {grid} has {prod(grid)} positions, but the graph has {nodes} nodes; "
            "pass the spatial shape of the map that the graph was made from"
        )
    require_whole(shift.ranks, "a map of one node's row", "use attention_rows(shift, nodes)")
    row = attention_rows(shift, torch.tensor([_flat_index(node, nodes, grid)]))[:, 0]
    return row if grid is None else row.unflatten(-1, grid)


@torch.no_grad()
def attention_rows(shift: ShiftOperator | Tensor, nodes: Tensor) -> Tensor:
    """``e_iᵀ S``: rows ``i`` of ``S`` for all ``i`` of ``nodes``, without ``S``.

    Costs ``m N R`` on low-rank and attention shifts, and a product with ``m`` unit vectors on others. Of a
    low-rank graph that is divided over processes each asks for nodes of its own, and gets the rows of all of
    them, in the order of the processes, at the nodes that it has.

    Args:
        shift: any shift, or a plain tensor ``(B, N, N)`` or ``(N, N)``.
        nodes: ``i``, integers ``(m,)`` from 0 to ``N − 1``.

    Returns:
        ``(B, m, N)``, in the data type of the shift, no gradients.

    Raises:
        IndexError: if a node is outside of the graph.

    Example:
        >>> attention_rows(torch.eye(3), torch.tensor([2, 0]))
        tensor([[[0., 0., 1.],
                 [1., 0., 0.]]])
    """
    shift = as_shift(shift)
    count = shift.shape[-1]
    if require_tensor("nodes", nodes).is_floating_point() or nodes.dim() != 1 or nodes.is_complex():
        raise TypeError(f"nodes are integers of shape (m,), got {nodes.dtype} of shape {tuple(nodes.shape)}")
    if nodes.numel() and not 0 <= int(nodes.min()) <= int(nodes.max()) < count:
        raise IndexError(f"nodes {int(nodes.min())} to {int(nodes.max())} are not among 0 to {count - 1}")
    return rows(shift, nodes.to(shift.device))


def _flat_index(node: int | tuple[int, ...], nodes: int, grid: tuple[int, ...] | None) -> int:
    """The index in ``[0, N)`` of a node or of a position on the grid, row by row."""
    position, extent = (
        ((operator.index(node),), (nodes,)) if isinstance(node, SupportsIndex) else (node, grid)
    )
    if not isinstance(position, tuple) or extent is None or len(position) != len(extent):
        raise TypeError(
            f"a node is an integer below {nodes}, or a position with as many coordinates as grid={grid}; "
            f"got {node!r}"
        )
    if any(not 0 <= index < size for index, size in zip(position, extent, strict=True)):
        raise IndexError(
            f"node {node} is outside of the graph, which has positions 0 to "
            f"{nodes - 1 if isinstance(node, SupportsIndex) else tuple(size - 1 for size in extent)}"
        )
    flat = 0
    for index, size in zip(position, extent, strict=True):
        flat = flat * size + index
    return flat
