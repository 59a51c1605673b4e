"""Degrees and normalisation, computed from factors and never from the N×N matrix."""

import torch
from jaxtyping import Float
from torch import Tensor

from gsp_nonlocal.shifts import DenseShift, Form, LowRankShift, ShiftOperator, choose_form


def inverse_sqrt_degree(degree: Tensor) -> Tensor:
    r"""``d^{-1/2}``, and 0 where ``d ≤ 0`` (an isolated node), with finite gradients everywhere.

    Args:
        degree: ``d``, any shape.

    Example:
        >>> inverse_sqrt_degree(torch.tensor([4.0, 0.0]))
        tensor([0.5000, 0.0000])
    """
    isolated = degree <= 0
    return degree.masked_fill(isolated, 1.0).rsqrt().masked_fill(isolated, 0.0)


def symmetric_shift(features: Float[Tensor, "B N R"], form: Form = "auto") -> ShiftOperator:
    r"""``Â = D^{-1/2} ½(q kᵀ + k qᵀ) D^{-1/2}`` for non-negative factors ``q``, ``k``, exactly.

    The degrees ``d = ½ (q (kᵀ1) + k (qᵀ1))`` take ``N r`` operations. With ``E = D^{-1/2} [q, k]`` and
    ``J = ½ [[0, I], [I, 0]]`` the affinity *is* low-rank: ``Â = E J Eᵀ``, one factor of size ``N × 2r``.
    Its eigenvalues lie in ``[−1, 1]``. The diagonal of ``q kᵀ`` stays, and counts in the degree.

    Args:
        features: ``[q, k]`` side by side, ``(B, N, 2r)``, non-negative.
        form: ``"low_rank"``, ``"dense"``, or ``"auto"`` for the cheaper one by counted FLOPs.

    Returns:
        A symmetric shift with spectral bound 1: a :class:`LowRankShift` or a :class:`DenseShift`.

    References:
        Zhu et al. (2021) for the affinity; the factors are exact algebra, not an approximation.
    """
    nodes, rank = features.shape[-2:]
    scaled = features * _inverse_sqrt_degrees(features)
    if choose_form(form, nodes, rank // 2) == "dense":
        query, key = scaled.chunk(2, dim=-1)
        product = query @ key.mT
        return DenseShift(0.5 * (product + product.mT), is_symmetric=True, spectral_bound=1.0)
    return LowRankShift(scaled, core=swap_halves(features), is_symmetric=True, spectral_bound=1.0)


def swap_halves(features: Float[Tensor, "B N R"]) -> Float[Tensor, "R R"]:
    """``J = ½ [[0, I], [I, 0]]`` of the size, type and device of ``features (B, N, 2r)``."""
    rank = features.shape[-1]
    identity = torch.eye(rank, dtype=features.dtype, device=features.device)
    return 0.5 * identity.roll(rank // 2, dims=0)


def _inverse_sqrt_degrees(features: Float[Tensor, "B N R"]) -> Float[Tensor, "B N 1"]:
    """``D^{-1/2}`` of ``M̂ = ½ (q kᵀ + k qᵀ)`` as a column ``(B, N, 1)``."""
    totals = features.sum(dim=-2, keepdim=True)
    opposite = totals.roll(features.shape[-1] // 2, dims=-1)
    return inverse_sqrt_degree(0.5 * (features @ opposite.mT))
