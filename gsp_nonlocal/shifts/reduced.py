"""Functions of ``E C Eᵀ`` by an eigenvalue problem of the size of ``C``, on lazy signals."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from filters.operators.by_hand import HandDifferentiated
from filters.operators.gains import Gains
from filters.operators.linear import symmetrised
from filters.operators.once import differentiable_once
from filters.operators.ranks import Ranks
from gsp_nonlocal.shifts.gram import gram
from gsp_nonlocal.shifts.lazy import LowRankSignal

WORST_CONDITION = 2.0**12
"""The greatest condition of ``G = EᵀE``: the basis ``E W`` is orthonormal up to ``ε`` of float64 times this,
and products with ``E`` in the data type of the shift are off by its ``ε`` times the root of this. Beyond, and
where columns are dependent, a factor has its basis by QR."""


class Reduced(NamedTuple):
    r"""``E C Eᵀ = U diag(μ) Uᵀ`` with ``U = E W``, known by ``W (B, R, R)`` alone.

    With ``Δ_i = f(μ_i) − f(0)``, a function is ``f(S) z = f(0) z + E W Δ Wᵀ Eᵀ z``.
    """

    gram: Tensor
    core: Tensor
    mu: Tensor
    basis: Tensor

    def __call__(self, z: LowRankSignal, gains: Gains) -> LowRankSignal | None:
        """``f(S) z``, lazy, with gradients in ``z``, ``E`` and ``C``.

        ``None`` where ``f(0)`` differs by graph, as it may by a jump that is within the rounding of some.
        """
        outside = float(gains.value_outside[0])
        if bool((gains.value_outside != outside).any()):
            return None
        coefficients = _Function.apply(self.gram, self.core, z.met(self.gram), self.basis, self.mu, *gains)
        return z.plus(outside, coefficients.to(z.dtype))


def reduced(
    factor: Float[Tensor, "B N R"], core: Float[Tensor, "#B R R"] | None, ranks: Ranks
) -> Reduced | None:
    """The small problem in float64; ``None`` where ``G`` is near to singular, or overflows."""
    metric = ranks.sum(gram(factor, torch.float64))
    if core is None:
        core = torch.eye(metric.shape[-1], dtype=metric.dtype, device=metric.device).unsqueeze(0)
    core = symmetrised(core.double())
    with torch.no_grad():
        lower, wrong = torch.linalg.cholesky_ex(metric)
        eye = torch.eye(metric.shape[-1], dtype=metric.dtype, device=metric.device)
        inverse = torch.linalg.solve_triangular(lower, eye, upper=False)
        if not len(metric):  # an empty batch has no condition
            return None
        is_poor = wrong.any() | ~(_condition(lower, inverse) <= WORST_CONDITION).all()
        if bool(ranks.greatest(is_poor.to(metric))):  # all processes go one way
            return None
        mu, vectors = map(ranks.agreed, torch.linalg.eigh(symmetrised(lower.mT @ core @ lower)))
        return Reduced(metric, core, mu, inverse.mT @ vectors)


class _Function(HandDifferentiated):
    r"""``c = W Δ Wᵀ x`` for ``x = Eᵀ z``, with the derivative of ``y = f(0) z + E c`` by Daleckii–Krein.

    With ``x̂ = Wᵀ x``, ``ĝ = Wᵀ c̄`` and the divided differences ``Γ`` of ``f``,

    .. math::
        \bar x = W Δ ĝ, \quad
        \bar G = ½ W \big((ĝ x̂^\top + x̂ ĝ^\top) ∘ Θ\big) W^\top, \quad
        \bar C = ½ G W \big((ĝ x̂^\top + x̂ ĝ^\top) ∘ Γ\big) W^\top G,

    ``Θ_ij = Γ_ij μ_j − Δ_j``, which is symmetric. The gradient of ``E`` follows from those of ``x``, ``G``
    and ``E c``.
    """

    @staticmethod
    def forward(
        ctx: Any,
        metric: Tensor,
        core: Tensor,
        met: Tensor,
        basis: Tensor,
        mu: Tensor,
        rounding: float,
        *tensors: Tensor,
    ) -> Tensor:
        ctx.save_for_backward(metric, core, met, basis, mu, *tensors)
        ctx.rounding = rounding
        return basis @ (_rise(Gains(rounding, *tensors)) * (basis.mT @ met))

    @staticmethod
    @differentiable_once("use a polynomial or rational filter, such as ChebyshevInterpolation or Rational")
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        metric, core, met, basis, mu, *tensors = ctx.saved_tensors
        gains = Gains(ctx.rounding, *tensors)
        x, g = basis.mT @ met, basis.mT @ grad
        both = _summed_to(basis, g @ x.mT)
        both, slopes, rise = both + both.mT, gains.differences(), _rise(gains)
        theta = symmetrised(slopes * mu.unsqueeze(-2) - rise.mT)
        to_metric = 0.5 * basis @ (both * theta) @ basis.mT
        outer = metric @ basis
        to_core = 0.5 * outer @ (both * slopes) @ outer.mT
        nothing = [None] * (3 + len(tensors))
        return to_metric, _summed_to(core, to_core), basis @ (rise * g), *nothing


def _rise(gains: Gains) -> Float[Tensor, "B R 1"]:
    """``Δ_i = f(μ_i) − f(0)``."""
    return (gains.value - gains.value_outside).unsqueeze(-1)


def _summed_to(like: Tensor, value: Tensor) -> Tensor:
    """``value``, summed over the batch where that of ``like`` is 1."""
    return value.sum(0, keepdim=True) if len(like) == 1 else value


def _condition(lower: Tensor, inverse: Tensor) -> Tensor:
    """The condition ``‖L‖² ‖L⁻¹‖²`` of ``L Lᵀ``, ``(B, 1, 1)``, by power iterations."""
    return _squared_norm(lower) * _squared_norm(inverse)


def _squared_norm(matrix: Tensor, steps: int = 12) -> Tensor:
    size = torch.ones_like(matrix[:, :1, :1])
    v = (1 + torch.arange(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device).cos()).view(1, -1, 1)
    for _ in range(steps):
        v = matrix.mT @ (matrix @ (v / size))
        size = torch.linalg.vector_norm(v, dim=1, keepdim=True)
    return size
