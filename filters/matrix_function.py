"""A function of a symmetric matrix applied to a signal, and its derivative, from eigenpairs in float64."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from filters.operators.once import differentiable_once
from filters.operators.ranks import Ranks

_LOCAL, _GLOBAL = 32, 8
"""Units of rounding of ``g`` in which a difference quotient and a mean slope agree: of the values there and
of what rounding ``λ`` makes of them; and, since ``g`` may cancel inside, of its greatest value on the
graph."""


class Gains(NamedTuple):
    """The rounding of ``g``; ``λ (B, K)``, ``g(λ)``, ``g'(λ)``; the same at the frequency 1 ``(B, 1)``.

    The frequency 1 is that of the eigenvalues ``μ = 0`` which the eigenpairs leave out.
    """

    rounding: float
    lam: Tensor
    value: Tensor
    slope: Tensor
    lam_outside: Tensor
    value_outside: Tensor
    slope_outside: Tensor

    def differences(self) -> Tensor:
        """``Γ_ij = (f(μ_i) − f(μ_j)) / (μ_i − μ_j)`` with ``f(μ) = g(1 − μ)``, ``(B, K, K)``."""
        own = (self.lam, self.value, self.slope, self._noise(self.lam, self.value, self.slope))
        return -_divided(*(x.unsqueeze(-1) for x in own), *(x.unsqueeze(-2) for x in own))

    def differences_outside(self) -> Tensor:
        """``(f(μ_i) − f(0)) / μ_i``, ``(B, K, 1)``: against the eigenvalues left out."""
        own = (self.lam, self.value, self.slope)
        outside = (self.lam_outside, self.value_outside, self.slope_outside)
        return -_divided(*own, self._noise(*own), *outside, self._noise(*outside)).unsqueeze(-1)

    def _noise(self, lam: Tensor, value: Tensor, slope: Tensor) -> Tensor:
        """What rounding makes of the values, with a margin."""
        greatest = torch.maximum(self.value.abs().amax(-1, keepdim=True), self.value_outside.abs())
        return self.rounding * (_LOCAL * (value.abs() + (lam * slope).abs()) + _GLOBAL * greatest)


def _divided(
    x: Tensor, fx: Tensor, dx: Tensor, ex: Tensor, y: Tensor, fy: Tensor, dy: Tensor, ey: Tensor
) -> Tensor:
    """``(f(x) − f(y)) / (x − y)``; the mean slope where the two agree up to the rounding ``e`` of ``f``.

    A quotient loses its digits as its points come close, a mean slope as they part. Where they agree within
    the error of the former, the latter is as good or better; elsewhere the quotient has its digits, at a jump
    of ``f`` too. So no distance has to be chosen, which would have to know how stiff ``f`` is.
    """
    apart, rise, mean = x - y, fx - fy, 0.5 * (dx + dy)
    smooth = ((rise - mean * apart).abs() <= torch.maximum(ex, ey)) | (apart == 0)
    return torch.where(smooth, mean, rise / apart.masked_fill(smooth, 1.0))


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


class _Apply(torch.autograd.Function):
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
