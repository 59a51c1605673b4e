"""From edge weights to a shift: symmetrisation and normalisation, for any kind of weights."""

from __future__ import annotations

from functools import partial
from typing import Literal

import torch
from torch import Tensor

from filters.operators.promises import Promises
from filters.operators.ranks import ALL_HERE, Ranks
from filters.operators.shift import ShiftOperator
from gsp_nonlocal.shifts import AttentionShift, ExponentialShift, SumShift, scaled
from gsp_nonlocal.shifts.attention import SOFTMAX
from gsp_nonlocal.shifts.degrees import inverse_degree, inverse_sqrt_degree
from gsp_nonlocal.shifts.derived import DerivedShift
from gsp_nonlocal.shifts.split_exponential import product_over
from gsp_nonlocal.shifts.structure import at_unit_scale, symmetric_part

Symmetrization = Literal["none", "average"]
"""``M`` as it is, or ``½ (M + Mᵀ)``."""

Normalization = Literal["none", "mean", "random_walk", "symmetric"]
"""``M``; ``M / N``; ``D⁻¹ M``; ``D^{-1/2} M D'^{-1/2}`` with the sums ``D`` of rows and ``D'`` of columns.

The last two need weights ``≥ 0``, and have a spectrum in the unit disk: ``D⁻¹ M`` is row-stochastic, and the
greatest singular value of ``D^{-1/2} M D'^{-1/2}`` is 1. A node without edges stays without.
"""

averaged = symmetric_part
"""``½ (M + Mᵀ)``, under the name that it has among the symmetrisations."""

SCALE_FREE = ("random_walk", "symmetric")
"""Normalisations by degrees: the shift does not depend on the scale of the weights."""


def normalise(
    weights: ShiftOperator,
    symmetrization: Symmetrization,
    normalization: Normalization,
    promises: Promises,
) -> ShiftOperator:
    """The shift of ``weights``, with what the affinity promises.

    Normalised by degrees, the shift does not depend on the scale of a sample's weights, which is brought to 1
    first: neither products nor sums of them overflow or vanish.
    """
    if normalization in SCALE_FREE:
        weights = at_unit_scale(weights)
    if symmetrization == "average":
        weights = symmetric_part(weights)
    if normalization == "none":
        return weights.promising(promises)
    left, right = _diagonals(weights, normalization)
    return scaled(weights, left, right, **promises.keywords())


def _diagonals(weights: ShiftOperator, normalization: Normalization) -> tuple[Tensor, Tensor]:
    ones = torch.ones(1, weights.shape[-1], 1, dtype=weights.dtype, device=weights.device)
    if normalization == "mean":
        return ones / weights.ranks.count(ones), ones
    rows = weights(ones)
    if normalization == "random_walk":
        return inverse_degree(rows), ones
    columns = rows if weights.is_symmetric else weights.T(ones)
    return inverse_sqrt_degree(rows), inverse_sqrt_degree(columns)


def normalise_exponential(
    query: Tensor,
    key: Tensor,
    symmetrization: Symmetrization,
    normalization: Normalization,
    ranks: Ranks = ALL_HERE,
) -> ShiftOperator:
    r"""The shift of ``M_ij = exp(q_iᵀ k_j)``, with weights and degrees below overflow at any scale.

    A row's sum is kept as ``e^{m_i} t_i`` with its greatest exponent ``m_i``, so that only differences are
    exponentiated: ``M_ij / √(d_i d'_j) = exp(q_iᵀ k_j − ½ m_i − ½ m'_j) / √(t_i t'_j)``.

    Args:
        query: ``q (B, N, R)``.
        key: ``k (B, N, R)``; the same tensor as ``query`` for weights that are symmetric by themselves.
        symmetrization: see :data:`Symmetrization`.
        normalization: ``"random_walk"`` or ``"symmetric"``.
        ranks: the processes that hold the nodes.
    """
    average = symmetrization == "average" and query is not key
    if normalization == "random_walk" and not average:
        return AttentionShift(query, key, ranks=ranks)
    symmetric = normalization == "symmetric" and (average or query is key)
    promises = Promises(symmetric, normalization == "random_walk", 1.0)
    derive = partial(_normalised_exponential, ranks, average, normalization)
    return DerivedShift(derive, query, key, promises, ranks=ranks)


def _normalised_exponential(
    ranks: Ranks, average: bool, normalization: Normalization, query: Tensor, key: Tensor
) -> ShiftOperator:
    exponential = partial(ExponentialShift, ceiling=0.0, ranks=ranks)
    rows, above = _sums(ranks, query, key)
    columns, aside = (rows, above) if query is key else _sums(ranks, key, query)
    if not average:
        weights = exponential(query, key, above / 2, aside / 2, is_symmetric=query is key)
        return _between(weights, rows.rsqrt(), columns.rsqrt(), Promises(query is key, bound=1.0))
    greatest = torch.maximum(above, aside)
    degree = 0.5 * (rows * (above - greatest).exp() + columns * (aside - greatest).exp())
    if normalization == "random_walk":
        there, back = exponential(query, key, greatest), exponential(key, query, greatest)
        return _between(SumShift([there, back]), 0.5 / degree, torch.ones_like(degree), SOFTMAX)
    weights = exponential(query, key, greatest / 2, greatest / 2)
    both = SumShift([weights, weights.T], is_symmetric=True)
    return _between(both, 0.5 * degree.rsqrt(), degree.rsqrt(), Promises(symmetric=True, bound=1.0))


def _between(weights: ShiftOperator, left: Tensor, right: Tensor, promises: Promises) -> ShiftOperator:
    return scaled(weights, left, right, **promises.keywords())


def _sums(ranks: Ranks, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
    """``t_i = Σ_j exp(q_iᵀ k_j − m_i)`` and ``m_i``, each ``(B, N, 1)``."""
    _, sums, greatest = product_over(ranks, query, key, key[..., :0])
    return sums, greatest
