"""What the rows of a shift look like: how widely, how far and how alike its nodes look."""

from __future__ import annotations

from collections.abc import Iterator
from math import log

import torch
from jaxtyping import Float
from torch import Tensor

from filters.operators.ranks import require_whole
from gsp_nonlocal.shifts import ShiftOperator, as_shift
from gsp_nonlocal.shifts.exponential import CHUNK
from gsp_nonlocal.spectral.layout import Layout
from gsp_nonlocal.spectral.matrices import require_finite
from gsp_nonlocal.spectral.shift_rows import attention_rows

ALL, SAMPLE = 1024, 256
"""Up to how many nodes all rows are taken by default, and how many of more."""


@torch.no_grad()
def row_entropy(shift: ShiftOperator | Tensor, nodes: Tensor | None = None) -> Tensor:
    r"""``−Σ_j p_ij ln p_ij / ln N`` with ``p_ij = |S_ij| / Σ_j |S_ij|``: how widely node ``i`` looks.

    Rows are scaled one by one: ``diag(l) S`` has the same for all ``l`` without zeros.

    Args:
        shift: any shift, or a plain tensor ``(B, N, N)`` or ``(N, N)``.
        nodes: ``i``, integers ``(m,)``; by default all, or 256 evenly spread ones of more than 1024.

    Returns:
        ``(B, m)`` in float64, in ``[0, 1]``: 0 for one neighbour, 1 for ``N`` with equal weights. 0 also for
        a node without edges, and on a graph of one node.

    Raises:
        IndexError: if a node is outside of the graph.
        TypeError: if ``nodes`` is not a tensor of integers.
        ValueError: if ``nodes`` is not ``(m,)`` with ``m ≥ 1``; for entries that are not finite.

    References:
        Shannon (1948), *A Mathematical Theory of Communication*.

    Example:
        >>> row_entropy(torch.tensor([[0.5, 0.5], [0.0, 1.0]]))
        tensor([[1., 0.]], dtype=torch.float64)
    """
    shift = as_shift(shift)
    scale = log(max(shift.shape[-1], 2))
    chunks = _row_chunks(shift, _chosen(shift, nodes))
    found = [torch.special.entr(_shares(rows)).sum(dim=-1) / scale for _, rows in chunks]
    return torch.cat(found, dim=1).clamp(0, 1)


@torch.no_grad()
def row_distance(shift: ShiftOperator | Tensor, layout: Layout, nodes: Tensor | None = None) -> Tensor:
    r"""``Σ_j p_ij ‖x_i − x_j‖`` with ``p_ij = |S_ij| / Σ_j |S_ij|``: how far node ``i`` looks, in grid cells.

    The sums run over nodes that are positions: weights on others, such as class tokens, are left out, and
    the rest sums to 1 again. Nodes of several channels are at the place of their position.

    Args:
        shift: any shift, or a plain tensor ``(B, N, N)`` or ``(N, N)``.
        layout: how the nodes lie on the grid, for example ``Layout((14, 14), extra=1)``.
        nodes: ``i``, integers ``(m,)`` from ``layout.extra`` up; by default all, or 256 evenly spread ones of
            more than 1024.

    Returns:
        ``(B, m)`` in float64, from 0 to the diagonal of the grid. 0 for a node that looks at itself alone, or
        at no position at all.

    Raises:
        IndexError: if a node is outside of the graph.
        TypeError: if ``layout`` is not a :class:`Layout`, or ``nodes`` not a tensor of integers.
        ValueError: if the layout has not ``N`` nodes; if ``nodes`` is not ``(m,)`` with ``m ≥ 1``, or has
            nodes that are no positions; for entries that are not finite.

    References:
        Dosovitskiy et al. (2021), *An Image Is Worth 16x16 Words*, mean attention distance.

    Deviations:
        In cells of the grid, where the reference counts pixels of the image; and of each row, not averaged.

    Example:
        >>> row_distance(torch.tensor([[0.5, 0.5, 0.0], [0.5, 0.0, 0.5], [1.0, 0.0, 0.0]]), Layout((3,)))
        tensor([[0.5000, 1.0000, 2.0000]], dtype=torch.float64)
    """
    shift = as_shift(shift)
    _require_layout(layout, shift.shape[-1])
    nodes = _chosen(shift, nodes, layout.extra)
    if ((nodes >= 0) & (nodes < layout.extra)).any():
        raise ValueError(
            f"nodes below {layout.extra} are no positions and have no distance, but nodes has "
            f"{int(nodes[nodes >= 0].min())}; leave it out"
        )
    chunks = _row_chunks(shift, nodes)
    return torch.cat([_mean_distance(rows, part, layout) for part, rows in chunks], dim=1)


@torch.no_grad()
def row_agreement(shift: ShiftOperator | Tensor, nodes: Tensor | None = None) -> Tensor:
    r"""``‖Σ_i û_i‖² / m²`` with the rows ``û_i`` of ``S`` at length 1: their mean cosine over all pairs.

    1: all nodes look at the same, whatever they ask. ``diag(l) S`` with ``l > 0`` has the same.

    Args:
        shift: any shift, or a plain tensor ``(B, N, N)`` or ``(N, N)``.
        nodes: ``i``, integers ``(m,)``; by default all, or 256 evenly spread ones of more than 1024. Rows of
            zeros are left out, of ``m`` too.

    Returns:
        ``(B,)`` in float64, in ``[0, 1]``: 1 where rows are positive multiples of one, ``1/m`` where they are
        orthogonal; less only where entries have both signs. 0 for a graph without edges.

    Raises:
        IndexError: if a node is outside of the graph.
        TypeError: if ``nodes`` is not a tensor of integers.
        ValueError: if ``nodes`` is not ``(m,)`` with ``m ≥ 1``; for entries that are not finite.

    References:
        Cao, Xu, Lin, Wei, Hu (2019), *GCNet*, who measure ``½ (1 − cosine)`` of attention maps.

    Example:
        >>> row_agreement(torch.ones(3, 3)).item(), round(row_agreement(torch.eye(4)).item(), 6)
        (1.0, 0.25)
    """
    shift = as_shift(shift)
    total, count = torch.zeros((), device=shift.device), torch.zeros((), device=shift.device)
    for _, rows in _row_chunks(shift, _chosen(shift, nodes)):
        rows = rows / _positive(rows.abs().amax(dim=-1, keepdim=True))
        length = rows.norm(dim=-1, keepdim=True)
        total = total + (rows / _positive(length)).sum(dim=1)
        count = count + (length > 0).sum(dim=(1, 2))
    return (total.norm(dim=-1) / _positive(count)).square().clamp(max=1)


def _chosen(shift: ShiftOperator, nodes: Tensor | None, first: int = 0) -> Tensor:
    """The nodes that are meant, ``(m,)`` on the CPU; by default from ``first`` up."""
    count = shift.shape[-1]
    if nodes is None:
        everything = torch.arange(first, count)
        sample = torch.linspace(first, count - 1, SAMPLE, dtype=torch.float64).round().long()
        return everything if len(everything) <= ALL else sample
    if not isinstance(nodes, Tensor) or nodes.is_floating_point() or nodes.dtype == torch.bool:
        kind = nodes.dtype if isinstance(nodes, Tensor) else type(nodes).__name__
        raise TypeError(f"nodes is a tensor of integers, such as torch.arange(10), got {kind}")
    if nodes.dim() != 1 or not len(nodes):
        raise ValueError(f"nodes has shape (m,) with at least one node, got {tuple(nodes.shape)}")
    return nodes.cpu()


def _row_chunks(shift: ShiftOperator, nodes: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Nodes ``(c,)`` and their rows ``(B, c, N)`` in float64, chunk by chunk."""
    require_whole(shift.ranks, "a measure of rows")
    require_finite(shift)
    batch, size, _ = shift.shape
    for part in nodes.split(max(1, CHUNK // (batch * size))):
        rows = attention_rows(shift, part).double()
        if not rows.isfinite().all():
            raise ValueError(f"rows of the shift overflow {shift.dtype}; pass shift.to(torch.float64)")
        yield part, rows


def _shares(rows: Float[Tensor, "B C N"]) -> Tensor:
    """``|S_ij| / Σ_j |S_ij|``; rows of zeros stay."""
    size = rows.abs()
    return size / _positive(size.sum(dim=-1, keepdim=True))


def _positive(divisor: Tensor) -> Tensor:
    return divisor.masked_fill(divisor == 0, 1)


def _mean_distance(rows: Float[Tensor, "B C N"], nodes: Tensor, layout: Layout) -> Tensor:
    shape = (layout.channels, layout.positions)
    weights = _shares(rows[..., layout.extra :]).unflatten(-1, shape).sum(dim=-2)
    axes = [torch.arange(size, dtype=torch.float64, device=rows.device) for size in layout.spatial]
    places = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).flatten(0, -2)
    own = places[((nodes - layout.extra) % layout.positions).to(rows.device)]
    return (weights * torch.cdist(own, places, compute_mode="donot_use_mm_for_euclid_dist")).sum(dim=-1)


def _require_layout(layout: Layout, nodes: int) -> None:
    if not isinstance(layout, Layout):
        raise TypeError(f"expected a Layout, such as Layout((14, 14), extra=1), got {layout!r}")
    described = layout.extra + layout.channels * layout.positions
    if described != nodes:
        raise ValueError(f"{layout} describes {described} nodes, but the graph has {nodes}")
