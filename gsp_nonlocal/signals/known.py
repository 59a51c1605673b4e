"""Which nodes of a graph are known, and what is known of them: checked before any work."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.sparse import coo_matrix, csr_matrix, identity
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from filters.checks import require_number, require_tensor
from filters.operators.ranks import require_whole
from gsp_nonlocal.shifts import ShiftOperator, as_shift
from gsp_nonlocal.shifts.structure import recognise_symmetry, stored_edges
from gsp_nonlocal.spectral.matrices import require_finite

GROWTH = 1e12
"""Of a system's solution: beyond, in float64, it keeps fewer than four digits."""


def undirected(shift: ShiftOperator | Tensor) -> ShiftOperator:
    """``shift`` as a symmetric one, whole and finite.

    Raises:
        TypeError: if it is neither a shift nor a real floating-point tensor.
        ValueError: if it is directed, divided over processes, or has NaN or infinite entries.
    """
    shift = recognise_symmetry(as_shift(shift))
    if not shift.is_symmetric:
        raise ValueError(
            f"the energy yᵀ L y is one of an undirected graph, got a {type(shift).__name__} that is not "
            "symmetric; use symmetric_part(shift)"
        )
    require_whole(shift.ranks, "a signal's smoothness on such a graph")
    require_finite(shift)
    return shift


def require_not_negative(name: str, value: Any) -> float:
    """``value`` as a finite ``float`` of at least 0; see :func:`filters.checks.require_number`."""
    number = require_number(name, value)
    if number < 0:
        raise ValueError(f"{name} must be at least 0, got {number:g}")
    return number


def known_nodes(mask: Tensor, nodes: int) -> Tensor:
    """A mask ``(N,)`` or ``(B, N)`` as ``(1 or B, N, 1)``.

    Raises:
        TypeError: if it is no tensor of booleans.
        ValueError: if it is of another size, or names no node.
    """
    if require_tensor("mask", mask).dtype != torch.bool:
        raise TypeError(f"mask is a tensor of booleans, got {mask.dtype}; pass mask.bool(), or values != 0")
    if mask.dim() not in (1, 2) or mask.shape[-1] != nodes:
        raise ValueError(f"mask has shape ({nodes},) or (B, {nodes}), a node each, got {tuple(mask.shape)}")
    rows = mask.reshape(-1, nodes)
    if not rows.any(dim=-1).all():
        raise ValueError(f"mask {int((~rows.any(dim=-1)).nonzero()[0])} names no node; at least one is known")
    return rows.unsqueeze(-1)


def known_values(values: Tensor, known: Tensor) -> Tensor:
    """``values (B, N, C)`` where known, and 0 elsewhere, whatever stands there.

    Raises:
        TypeError: if they are not real floating-point.
        ValueError: if they are of another shape, or one that is known is NaN or infinite.
    """
    if not require_tensor("values", values).is_floating_point():
        raise TypeError(f"values are real floating-point, got {values.dtype}; convert with .float()")
    if values.dim() != 3 or values.shape[1] != known.shape[1]:
        raise ValueError(f"values have shape (B, {known.shape[1]}, C), got {tuple(values.shape)}")
    if len(known) not in (1, len(values)) and len(values) != 1:
        raise ValueError(f"{len(known)} masks do not fit {len(values)} signals; pass one for each, or one")
    wrong = known & ~values.isfinite()
    if wrong.any():
        graph, node, channel = wrong.nonzero()[0].tolist()
        raise ValueError(
            f"{int(wrong.sum())} values under the mask are NaN or infinite, first that of node {node}, "
            f"channel {channel} of signal {graph}; leave such nodes out of the mask"
        )
    return values.where(known, 0.0)


def require_reached(shift: ShiftOperator, known: Tensor) -> None:
    """Raise a ``ValueError`` where a component of a sparse graph has no known node; of others nothing is
    asked."""
    if stored_edges(shift) is not None:
        require_known_parts(sparse_laplacian(shift), known)


def sparse_laplacian(shift: ShiftOperator) -> csr_matrix:
    """``I − S`` of a shift that keeps its edges, in float64."""
    edges = stored_edges(shift)
    assert edges is not None
    source, target = edges[0].cpu().numpy()
    values, nodes = edges[1].detach().double().cpu().numpy(), shift.shape[-1]
    return (
        identity(nodes, format="csr") - coo_matrix((values, (target, source)), shape=(nodes, nodes)).tocsr()
    )


def own_weights(edge_index: Tensor, values: Tensor, nodes: int) -> Tensor:
    """``S_ii (N, 1)`` of a sparse shift, without gradients."""
    source, target = edge_index
    own = source == target
    return values.new_zeros(nodes, 1).index_add(0, target[own], values.detach()[own].unsqueeze(-1))


def require_known_parts(laplacian: csr_matrix, known: Tensor) -> None:
    """Raise a ``ValueError`` where a component has none of the nodes ``known (1 or B, N, 1)``.

    A node alone is let through where ``L`` is not 0 on it, as of a normalised Laplacian.
    """
    count, part = connected_components(laplacian, directed=False)
    alone = (np.bincount(part)[part] == 1) & (np.abs(laplacian.diagonal()) > 1e-12)
    for row in known[..., 0].cpu().numpy():
        found = np.zeros(count, dtype=bool)
        found[part[row | alone]] = True
        if not found.all():
            own = np.flatnonzero(part == found.argmin())
            raise ValueError(
                f"{int((~found).sum())} of {count} components of the graph have no known node, first that of "
                f"node {own[0]} with {len(own)} nodes: nothing is said about them; name a node of each"
            )


def solved(system: ShiftOperator, right: Tensor) -> Tensor:
    """``(I − system)⁻¹ right`` in float64; a ``ValueError`` where that is singular.

    One more column than asked for is solved: where it grows by :data:`GROWTH`, the system is singular.
    """
    nodes = torch.arange(system.shape[-1], dtype=right.dtype, device=right.device)
    probe = (1.5 + nodes.cos()).view(1, -1, 1).expand(len(right), -1, 1)
    found = system.solve(torch.cat([right, probe], dim=-1), 1.0, -1.0)
    grown = float((found[..., -1:].detach().norm(dim=1) / probe.norm(dim=1)).amax())
    if not grown < GROWTH:
        raise ValueError(
            f"the values at the known nodes do not determine the others (L grows them by {grown:.0e}): a "
            "part of the graph has no path to a known node; name a node of each part"
        )
    return found[..., :-1]
