"""Graphs of some of the nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from scipy.sparse import identity
from torch import Tensor

from filters.checks import require_integer
from filters.operators.linear import factorised, symmetrised
from gsp_nonlocal.shifts import DenseShift, LowRankShift, ShiftOperator, SparseShift
from gsp_nonlocal.shifts.structure import factored, stored_edges
from gsp_nonlocal.signals.differences import (
    SparseGraph,
    WeightedEdges,
    combinatorial_laplacian,
    weighted_edges,
    with_edges,
)
from gsp_nonlocal.signals.known import (
    GROWTH,
    require_known_parts,
    require_reached,
    sparse_laplacian,
    undirected,
)
from gsp_nonlocal.signals.schur import SINGULAR, schur_complement, with_gradient
from gsp_nonlocal.spectral.matrices import dense_matrix


def kron_reduction(graph: SparseGraph | Tensor, keep: Tensor | Sequence[int]) -> SparseGraph:
    r"""``L' = L_kk − L_ku L_uu⁻¹ L_uk``: the graph of the kept nodes that acts on them as the whole one does.

    For ``L y = x`` with ``x = 0`` at the other nodes ``u``, ``L' y_k = x_k``. As a shift,

    .. math::
        S' = I − L' = S_{kk} + S_{ku} (I − S_{uu})^{-1} S_{uk}.

    Of ``S = F C Gᵀ`` that is ``F_k (I − C G_uᵀ F_u)^{-1} C G_kᵀ``, again of low rank, in time ``N R²``.

    Args:
        graph: a symmetric shift ``S = I − L``; or PyG's ``Data``, with the combinatorial ``L = D − A``.
        keep: the nodes, in the order in which they are to stand: numbers, or a boolean mask ``(N,)``.

    Returns:
        A shift of the same kind (low-rank, sparse; else dense), or a ``Data`` with ``edge_weight`` and
        the attributes of the kept nodes. Differentiable in the graph, of sparse ones once.

    Raises:
        TypeError: if ``graph`` is neither, or a node is no integer.
        ValueError: for fewer than two nodes to keep, or all, or one twice, or one that is not there; for a
            directed graph; where ``L_uu`` is singular: a part of the graph has no node that is kept.

    References:
        Dörfler, Bullo (2013), *Kron Reduction of Graphs with Applications to Electrical Networks*. As PyGSP's
        ``kron_reduction``, with the order of ``keep``.

    Example:
        >>> from torch_geometric.data import Data
        >>> path = Data(edge_index=torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), num_nodes=3)
        >>> kron_reduction(path, [0, 2]).edge_weight  # two edges in series
        tensor([0.5000, 0.5000], dtype=torch.float64)
    """
    if not isinstance(graph, ShiftOperator | Tensor):
        return _reduced_data(graph, keep)
    shift = undirected(graph)
    kept, rest = kept_nodes(keep, shift.shape[-1])
    require_reached(shift, _mask(kept, shift.shape[-1]))
    factors, exact = factored(shift), shift.to(torch.float64)
    if factors is not None:
        return _reduced_factors(factors.mapped(Tensor.double), kept, rest).to(shift.dtype)
    if stored_edges(shift) is not None:
        return _reduced_edges(exact, kept, rest).to(shift.device).to(shift.dtype)
    return _reduced_matrix(exact, kept, rest).to(shift.dtype)


def kept_nodes(keep: Tensor | Sequence[int], nodes: int) -> tuple[Tensor, Tensor]:
    """The nodes to keep in their order, and the others, ascending; errors as of :func:`kron_reduction`."""
    if isinstance(keep, Tensor) and keep.dtype == torch.bool:
        if keep.shape != (nodes,):
            raise ValueError(f"a mask of nodes to keep has shape ({nodes},), got {tuple(keep.shape)}")
        keep = keep.nonzero().flatten()
    numbers = keep.tolist() if isinstance(keep, Tensor) else keep
    chosen = [require_integer("a node to keep", node, 0) for node in numbers]
    if not 2 <= len(chosen) < nodes:
        raise ValueError(f"keep from 2 to {nodes - 1} of {nodes} nodes, got {len(chosen)}")
    if max(chosen) >= nodes or len(set(chosen)) < len(chosen):
        wrong = next(node for node in chosen if node >= nodes or chosen.count(node) > 1)
        raise ValueError(f"nodes to keep are from 0 to {nodes - 1}, each once, got {wrong}")
    kept = torch.tensor(chosen)
    others = torch.ones(nodes, dtype=torch.bool)
    others[kept] = False
    return kept, others.nonzero().flatten()


def _mask(kept: Tensor, nodes: int) -> Tensor:
    return torch.zeros(1, nodes, 1, dtype=torch.bool).index_fill(1, kept, True)


def _reduced_factors(shift: LowRankShift, kept: Tensor, rest: Tensor) -> LowRankShift:
    """``F_k (I − C G_uᵀ F_u)⁻¹ C G_kᵀ``."""
    eye = torch.eye(shift.rank, dtype=shift.dtype, device=shift.device)
    core = eye[None] if shift.core is None else shift.core
    system = eye - core @ shift.right[:, rest].mT @ shift.left[:, rest]
    _require_regular(torch.linalg.svdvals(system.detach()))
    inner = factorised(system)(core)
    left, right = shift.left[:, kept], shift.right[:, kept]
    same = shift.right is shift.left
    return LowRankShift(
        left,
        None if same else right,
        symmetrised(inner) if same else inner,
        is_symmetric=True,
        spectral_bound=_bound(shift),
    )


def _reduced_matrix(shift: ShiftOperator, kept: Tensor, rest: Tensor) -> DenseShift:
    matrix = dense_matrix(shift)
    whole, across = matrix[:, kept][..., kept], matrix[:, rest][..., kept]
    system = torch.eye(len(rest), dtype=matrix.dtype, device=matrix.device) - matrix[:, rest][..., rest]
    _require_regular(torch.linalg.eigvalsh(system.detach()).abs())
    found = whole + across.mT @ factorised(system)(across)
    return DenseShift(symmetrised(found), is_symmetric=True, spectral_bound=_bound(shift))


def _require_regular(sizes: Tensor) -> None:
    if not bool((sizes.amin(-1) * GROWTH > sizes.amax(-1)).all()):
        raise ValueError(SINGULAR)


def _bound(shift: ShiftOperator) -> float | None:
    """``0 ≤ L' ≤ L_kk`` where ``0 ≤ L``: eigenvalues stay in ``[−1, 1]``."""
    bound = shift.spectral_bound
    return 1.0 if bound is not None and bound <= 1 else None


def _reduced_edges(shift: ShiftOperator, kept: Tensor, rest: Tensor) -> SparseShift:
    edges = stored_edges(shift)
    assert edges is not None
    complement, extension = schur_complement(sparse_laplacian(shift), kept, rest)
    found = identity(len(kept), format="csr") - complement
    found.sort_indices()
    return SparseShift(
        torch.from_numpy(found.indptr.astype(np.int64)),
        torch.from_numpy(found.indices.astype(np.int64)),
        with_gradient(found, edges[1], edges[0].flip(0), extension),
        is_symmetric=True,
        spectral_bound=_bound(shift),
    )


def _reduced_data(graph: Any, keep: Tensor | Sequence[int]) -> Any:
    edges = weighted_edges(graph)
    nodes = len(edges.degree)
    kept, rest = kept_nodes(keep, nodes)
    laplacian = combinatorial_laplacian(edges)
    require_known_parts(laplacian, _mask(kept, nodes))
    found, extension = schur_complement(laplacian, kept, rest)
    places = np.stack(found.nonzero()).astype(np.int64)
    joined = (places[0] < places[1]) & (found.data < 0)
    first, second, weight = edges.first, edges.second, edges.weight
    ends = torch.stack([torch.cat([first, second] * 2), torch.cat([second, first, first, second])])
    values = torch.cat([-weight, -weight, weight, weight]).double()
    first, second = torch.from_numpy(places[:, joined]).to(weight.device)
    reduced = -with_gradient(found, values, ends, extension)[torch.from_numpy(joined)]
    kept_edges = WeightedEdges(first, second, reduced, reduced.new_zeros(len(kept)))
    return with_edges(graph.subgraph(kept), kept_edges)
