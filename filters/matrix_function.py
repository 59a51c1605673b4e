"""A function of a symmetric matrix applied to a signal, and its derivative, from eigenpairs in float64."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from filters.operators.by_hand import HandDifferentiated
from filters.operators.gains import Gains
from filters.operators.once import differentiable_once
from filters.operators.ranks import Ranks


def applied(z: Tensor, shifted: Tensor, basis: Tensor, gains: Gains, ranks: Ranks) -> Tensor:
    r"""``y = g(L) z`` for ``S = U diag(μ) Uᵀ``, with a gradient in ``z`` and, by ``shifted``, in ``S``.

    Args:
        z: signal ``(B, N, C)``.
        shifted: ``S [U, z_⊥] (B, N, K + C)``, see :func:`probes`; anything without gradients where none is
            wanted.
        basis: ``U (B, N, K)``, orthonormal; eigenvalues left out are 0.
        gains: at ``1 − μ``.
        ranks: the processes that hold the nodes.
    """
    rounding, *tensors = gains
    return _Apply.apply(z, shifted, basis, ranks, rounding, *tensors)


def probes(z: Tensor, basis: Tensor, ranks: Ranks) -> Tensor:
    """``[U, z_⊥] (B, N, K + C)``: constants whose products with ``S`` carry the gradient of ``S``."""
    z, basis = z.detach(), basis.detach()
    return torch.cat([basis.expand(z.shape[0], -1, -1), z - basis @ ranks.sum(basis.mT @ z)], dim=-1)


class _Apply(HandDifferentiated):
    r"""``y = f(0) z + U (f(μ) − f(0)) Uᵀ z``, with the derivative in ``S`` by the Daleckii–Krein formula.

    ``⟨ȳ, df z⟩ = ⟨P, dS⟩`` with ``P = Σ p qᵀ``; the columns ``q`` are ``[U, z_⊥]``, constants, and ``p`` is
    the gradient given to ``S [U, z_⊥]``. Columns ``z_⊥`` stand for the eigenvalues left out.
    """

    @staticmethod
    def forward(
        ctx: Any,
        z: Tensor,
        shifted: Tensor,
        basis: Tensor,
        ranks: Ranks,
        rounding: float,
        *tensors: Tensor,
    ) -> Tensor:
        ctx.save_for_backward(z, basis, *tensors)
        ctx.ranks, ctx.rounding = ranks, rounding
        return _filtered(z, basis, Gains(rounding, *tensors), ranks)

    @staticmethod
    @differentiable_once("use a polynomial or rational filter, such as ChebyshevInterpolation or Rational")
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        z, basis, *tensors = ctx.saved_tensors
        gains = Gains(ctx.rounding, *tensors)
        to_shift = _towards_shift(z, grad, basis, gains, ctx.ranks) if ctx.needs_input_grad[1] else None
        return _filtered(grad, basis, gains, ctx.ranks), to_shift, *[None] * (3 + len(tensors))


def _filtered(z: Tensor, basis: Tensor, gains: Gains, ranks: Ranks) -> Tensor:
    offset = gains.value_outside.unsqueeze(-1)
    return offset * z + basis @ ((gains.value.unsqueeze(-1) - offset) * ranks.sum(basis.mT @ z))


def _towards_shift(z: Tensor, grad: Tensor, basis: Tensor, gains: Gains, ranks: Ranks) -> Tensor:
    z_hat, grad_hat = ranks.sum(basis.mT @ z), ranks.sum(basis.mT @ grad)
    outside = grad - basis @ grad_hat
    to_zero = gains.differences_outside()
    inner = basis @ (gains.differences() * (grad_hat @ z_hat.mT)) + outside @ (to_zero * z_hat).mT
    outer = basis @ (to_zero * grad_hat) - gains.slope_outside.unsqueeze(-1) * outside
    return torch.cat([inner, outer], dim=-1)
