"""The graph of a convolution that a compiler records: its formula, without a look at a number."""

from __future__ import annotations

import torch
from torch import Tensor

from filters.operators.promises import Promises
from filters.precision import widened
from gsp_nonlocal.shifts.degrees import by_rows, by_rows_and_columns
from gsp_nonlocal.shifts.edge_list import EdgeListShift
from gsp_nonlocal.shifts.edges import LaplacianNormalization
from gsp_nonlocal.shifts.sparse import SparseShift


def recorded(
    edge_index: Tensor,
    weight: Tensor,
    batch: Tensor | None,
    num_nodes: int,
    normalization: LaplacianNormalization,
    bound: float | Tensor | None,
) -> EdgeListShift:
    """``S = I − 2 L / λ_max`` as ``SparseShift.from_edge_index`` has it, for any graph of any size.

    Edges, weights and ``λ_max`` are not checked, and no symmetry is found.

    Raises:
        ValueError: without a normalisation and without ``λ_max``, which is found by an eigen-solver.
    """
    (source, target), weight = edge_index.long().unbind(), widened(weight)
    if normalization is None and bound is None:
        raise ValueError(
            "a compiled or exported SpectralConv with normalization=None cannot look for λ_max; pass "
            "lambda_max=, or cached=True and one call before"
        )
    if normalization == "rw":
        entries = by_rows(weight, target, num_nodes)
    elif normalization == "sym":
        entries = by_rows_and_columns(weight, target, source, num_nodes)
    else:
        entries = weight
    if bound is None:
        return EdgeListShift(edge_index, entries, num_nodes, promises=Promises(bound=1.0))
    scale = 2 / _of_nodes(bound, batch, weight, num_nodes)
    degree = torch.ones_like(scale)
    if normalization is None:
        degree = weight.new_zeros(num_nodes).index_add(0, target, weight)
    return EdgeListShift(edge_index, entries * scale[target], num_nodes, 1 - scale * degree)


def listed(shift: SparseShift) -> EdgeListShift:
    """A shift that is known, as a list of its entries."""
    return EdgeListShift(shift.edge_index, shift.values, shift.pattern.num_nodes, promises=shift.promises)


def _of_nodes(bound: float | Tensor, batch: Tensor | None, weight: Tensor, num_nodes: int) -> Tensor:
    """``λ_max (N,)`` of the graph of each node."""
    if isinstance(bound, Tensor) and bound.dim() == 1 and batch is not None:
        return bound.to(weight.dtype)[batch]
    return torch.as_tensor(bound, dtype=weight.dtype, device=weight.device) * weight.new_ones(num_nodes)
