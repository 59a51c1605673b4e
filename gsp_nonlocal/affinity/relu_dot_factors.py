"""The symmetric ReLU-dot affinity in one pass: degrees, normalisation and gradient on its exact factors."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from filters.once import differentiable_once
from gsp_nonlocal.shifts import DenseShift, Form, LowRankShift, ShiftOperator, choose_form
from gsp_nonlocal.shifts.degrees import inverse_sqrt_degree, power_below, to_unit_scale


def relu_dot_shift(embeddings: Float[Tensor, "B N R"], form: Form = "auto") -> ShiftOperator:
    r"""``Â = D^{-1/2} ½(q kᵀ + k qᵀ) D^{-1/2}`` with ``[q, k] = relu(embeddings)``, exactly.

    The degrees ``d = ½ (q (kᵀ1) + k (qᵀ1))`` take ``N r`` operations. With ``E = D^{-1/2} [q, k]`` and
    ``J = ½ [[0, I], [I, 0]]`` the affinity *is* low-rank: ``Â = E J Eᵀ``, one factor of size ``N × 2r``.
    Its eigenvalues lie in ``[−1, 1]``. The diagonal of ``q kᵀ`` stays, and counts in the degree.

    Args:
        embeddings: ``[X θ, X φ]`` side by side, ``(B, N, 2r)``.
        form: ``"low_rank"``, ``"dense"``, or ``"auto"`` for the cheaper one by counted FLOPs.

    Returns:
        A symmetric shift with spectral bound 1: a :class:`LowRankShift` or a :class:`DenseShift`.
        The low-rank factors are differentiable once; ``"dense"`` any number of times.

    References:
        Zhu et al. (2021) for the affinity; the factors are exact algebra, not an approximation.
    """
    nodes, rank = embeddings.shape[-2:]
    if choose_form(form, nodes, rank // 2) == "dense":
        return DenseShift(_dense_affinity(embeddings.relu()), is_symmetric=True, spectral_bound=1.0)
    factor, *_ = NormalisedReLU.apply(embeddings)
    return LowRankShift(factor, core=swap_halves(factor), is_symmetric=True, spectral_bound=1.0)


def swap_halves(features: Float[Tensor, "B N R"]) -> Float[Tensor, "R R"]:
    """``J = ½ [[0, I], [I, 0]]`` of the size, type and device of ``features (B, N, 2r)``."""
    rank = features.shape[-1]
    identity = torch.eye(rank, dtype=features.dtype, device=features.device)
    return 0.5 * identity.roll(rank // 2, dims=0)


def _dense_affinity(features: Float[Tensor, "B N R"]) -> Float[Tensor, "B N N"]:
    query, key = (part for half in features.chunk(2, dim=-1) for part in to_unit_scale(half))
    product = query @ key.mT
    symmetric = 0.5 * (product + product.mT)
    scale = inverse_sqrt_degree(symmetric.sum(dim=-1, keepdim=True))
    return scale * symmetric * scale.mT


class NormalisedReLU(torch.autograd.Function):
    r"""``E = D^{-1/2} F``, ``F = relu(P) c``, with ``d = ½ F o`` and ``o = swap(Fᵀ 1)``, halves swapped.

    The affinity does not depend on the scales of ``q`` and ``k``: ``c`` divides each half of a sample by a
    power of two, which rounds nothing, so that its greatest column sums to about 1. A node whose degree is
    then below ``tiny^0.96``, 3e-37 in float32, has no edges that count, and is isolated.

    With ``s = d^{-1/2}``, cotangent ``Ē`` and ``t = rowsum(Ē ∘ E)``, the gradient needs ``E``, ``s``, ``o``
    and ``c``:

    .. math::
        \bar d = -\tfrac12 s^2 t, \quad v = -\tfrac12 E^\top (s\,t), \quad
        \bar P = [E > 0] \circ (s\,\bar E + \tfrac12 \bar d\,o^\top + \tfrac12 1\,\mathrm{swap}(v)^\top)\,c.

    This takes half the passes over memory, and half the memory, of the same steps left to autograd. Where
    a node is isolated, ``E`` vanishes although ``F`` may not; the gradient is 0 there in truth: all ``F``
    that such a node could meet are 0.
    """

    @staticmethod
    def forward(embeddings: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """``P (B, N, 2r) -> E (B, N, 2r), s (B, N, 1), o (B, 1, 2r), c (B, 1, 2r)``."""
        features = embeddings.relu()
        sums = features.sum(dim=-2, keepdim=True)
        scales = power_below(sums.unflatten(-1, (2, -1)).amax(dim=-1, keepdim=True)).reciprocal()
        balance = scales.expand(-1, -1, -1, sums.shape[-1] // 2).flatten(-2)
        opposite = _swap(sums * balance)
        scale = _inverse_root(0.5 * ((opposite * balance) @ features.mT)).mT
        return _by_halves(features, scale, balance), scale, opposite, balance

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: tuple[Tensor, ...]) -> None:
        """Keep what :meth:`backward` reads."""
        ctx.save_for_backward(*output)
        ctx.mark_non_differentiable(*output[1:])

    @staticmethod
    @differentiable_once('use form="dense" for it')
    def backward(ctx: Any, grad: Tensor, *ignored: Tensor) -> Tensor:
        """The gradient of the class's docstring."""
        factor, scale, opposite, balance = ctx.saved_tensors
        weighted = -0.25 * scale * (grad * factor).sum(dim=-1, keepdim=True)
        total = _by_halves(grad, scale, balance).addcmul_(scale * weighted, opposite * balance)
        total.add_(_swap(weighted.mT @ factor) * balance)
        return torch.ops.aten.threshold_backward(total, factor, 0.0)


def _by_halves(x: Tensor, scale: Tensor, balance: Tensor) -> Tensor:
    """``x ∘ (s c)`` for ``s (B, N, 1)`` and ``c (B, 1, 2r)``, constant on each half: one pass over ``x``."""
    halves = scale.unsqueeze(-1) * balance.unflatten(-1, (2, -1))[..., :1]
    return (x.unflatten(-1, (2, -1)) * halves).flatten(-2)


def _inverse_root(degree: Tensor) -> Tensor:
    """``d^{-1/2}``, and 0 for an isolated node; ``s²`` in the gradient stays below overflow."""
    isolated = degree <= torch.finfo(degree.dtype).tiny ** 0.96
    return degree.masked_fill(isolated, 1.0).rsqrt().masked_fill(isolated, 0.0)


def _swap(row: Tensor) -> Tensor:
    return row.roll(row.shape[-1] // 2, dims=-1)
