"""A filter in two halves: what meets the graph, once for all, and what meets the weights, node by node."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from filters import Filter, GraphFilter
from filters.operators.signal import materialise
from gsp_nonlocal.interop.pyg.edge_inputs import edges_of, signal_of
from gsp_nonlocal.shifts.edges import LaplacianNormalization
from gsp_nonlocal.shifts.sparse import SparseShift


@torch.no_grad()
def propagate(
    filter: GraphFilter,
    x: Tensor,
    edge_index: Any,
    edge_weight: Tensor | None = None,
    *,
    normalization: LaplacianNormalization = "sym",
    lambda_max: float | Tensor | None = None,
    batch: Tensor | None = None,
) -> Float[Tensor, "N terms C"]:
    r"""``X_k = g_k(S) x``, all terms of a filter, without gradients: ``(N, C) -> (N, terms, C)``.

    What is left of ``y = Σ_k X_k W_k`` meets no edges: :func:`combine`, or any network of ``X_k`` in place of
    it, trains in batches of nodes, on graphs of any size, by the loaders of PyTorch.

    Args:
        filter: one with terms; what they learn (poles, zooms) has its present value.
        x: signal of all nodes, of any number of channels.
        edge_index: ``(2, E)``, an ``EdgeIndex``, or ``adj_t``.
        edge_weight: ``(E,)`` or ``(E, 1)``; 1 by default.
        normalization: as in :class:`SpectralConv`.
        lambda_max: as in :class:`SpectralConv`.
        batch: graph of each node.

    Raises:
        TypeError: if ``filter`` is a composition, or has no terms.
        ValueError: see :meth:`SparseShift.from_edge_index`.

    References:
        Frasca et al. (2020), *SIGN*, for monomials; Liao et al. (2024) call it decoupled, precomputed.

    Example:
        >>> from filters import Chebyshev
        >>> ring = torch.tensor([[0, 1, 2, 3], [1, 2, 3, 0]])
        >>> f = Chebyshev(3, 5, order=2)
        >>> terms = propagate(f, torch.randn(4, 3), torch.cat([ring, ring.flip(0)], dim=1))
        >>> terms.shape, combine(f, terms[:2]).shape
        (torch.Size([4, 3, 3]), torch.Size([2, 5]))
    """
    f, x = _with_terms(filter), signal_of(x)
    places, weight = edges_of(edge_index, edge_weight)
    shift = SparseShift.from_edge_index(places, weight, len(x), normalization, lambda_max, batch)
    z = shift.signal(x.unsqueeze(0).to(shift.dtype))
    return torch.stack([materialise(term) for term in f.terms(shift, z)], dim=2).squeeze(0)


def combine(filter: GraphFilter, terms: Float[Tensor, "M terms C"]) -> Float[Tensor, "M D"]:
    r"""``y = Σ_k X_k W_k`` of some nodes, with the weights of the filter: ``(M, terms, in) -> (M, out)``.

    Args:
        filter: as :func:`propagate` was given it.
        terms: rows of what it returned.

    Raises:
        TypeError: if ``filter`` is a composition, or has no terms.
        ValueError: if there are other terms or channels than the filter has.

    Example:
        >>> from filters import Chebyshev
        >>> from gsp_nonlocal.interop.pyg import SpectralConv
        >>> f, edges = Chebyshev(3, 5, order=2), torch.tensor([[0, 1, 2, 3], [1, 0, 3, 2]])
        >>> x = torch.randn(4, 3)
        >>> y = combine(f, propagate(f, x, edges))
        >>> torch.allclose(y, SpectralConv(f)(x, edges), atol=1e-6)
        True
    """
    f = _with_terms(filter)
    weight = f.mixing(f.weight)
    if terms.dim() != 3 or terms.shape[1:] != weight.shape[:2]:
        raise ValueError(
            f"terms have shape (M, {weight.shape[0]}, {weight.shape[1]}) for {filter}, "
            f"got {tuple(terms.shape)}"
        )
    return terms.flatten(1) @ weight.flatten(0, 1).to(terms.dtype)


def _with_terms(filter: GraphFilter) -> Filter:
    if not isinstance(filter, Filter) or type(filter).terms is Filter.terms:
        raise TypeError(
            f"{filter} has no terms g_k(S) x that are mixed at the end; take one filter of a family, not a "
            "composition, nor one that writes evaluate"
        )
    return filter
