"""Filters with a fixed response: any function of the graph frequency."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from filters.base import GraphFilter, materialise
from filters.chebyshev import chebyshev_interpolation, chebyshev_nodes, chebyshev_recurrence
from filters.plain import DiagonalShift
from filters.polynomial import three_terms
from filters.shift import ShiftOperator, Signal

_GRID = 4096
_BEYOND = 1e-4  # of a spectrum beyond [−1, 1]: more is no rounding
_ROUNDING = 1e-5
_POOR = 1e-2  # an approximation worse than this share of the greatest gain is warned of


class SpectralFunction(GraphFilter):
    r"""``y = g(L) z = U g(Λ) Uᵀ z``, for any function ``g(λ)``; no parameters, any number of channels.

    Exact on shifts that know their eigenpairs (``LowRankShift`` in time linear in ``N``, ``DenseShift``,
    ``DiagonalShift``); elsewhere the Chebyshev interpolant ``p`` of degree ``order`` is used, with

    .. math::
        ‖g(L) z − p(L) z‖ ≤ \max_{λ ∈ [0, 2]} |g(λ) − p(λ)| \; ‖z‖,

    a number that ``error`` gives, measured at 4096 frequencies. Gradients flow into ``z`` and into the
    shift (Daleckii–Krein formula: eigenvalues may coincide); ``g`` itself is fixed.

    A subclass may write :meth:`gain` instead of passing ``g``.

    Args:
        g: the response, called with frequencies ``λ (F,)``; returns ``(F,)``, real. Of PyTorch
            operations, through which its slope is found.
        order: degree of the interpolant where no exact way exists.
        name: what ``repr`` shows.

    Attributes:
        error: ``max |g(λ) − p(λ)|`` over 4096 frequencies in ``[0, 2]``: what an approximation may lose.

    Raises:
        TypeError: if ``g`` gives no tensor.
        ValueError: if ``order`` is negative; if ``g`` gives another shape, or NaN or infinite values on
            ``[0, 2]``; at the call, if the shift is not symmetric, or if there is no exact way and its
            spectrum leaves ``[−1, 1]``.

    References:
        Shuman, Vandergheynst, Frossard (2011) for the interpolation; Daleckii, Krein (1965) for the
        derivative.

    Example:
        >>> low = SpectralFunction(lambda lam: 1 / (1 + lam) ** 2)
        >>> low.response(torch.tensor([0.0, 1.0])).flatten()
        tensor([1.0000, 0.2500])
        >>> low.error < 1e-12
        True
    """

    formula = "g(1 − μ)"

    in_channels = out_channels = None
    requires_symmetric = True

    def __init__(self, g: Callable[[Tensor], Tensor], order: int = 40, name: str | None = None) -> None:
        super().__init__()
        self.g = g
        self._name = name or f"SpectralFunction({getattr(g, '__name__', 'g')})"
        self._interpolate(order)

    def gain(self, lam: Tensor) -> Tensor:
        """``g(λ)``, ``(F,) -> (F,)``."""
        return self.g(lam)

    def filter_signal(self, shift: ShiftOperator, z: Signal) -> Signal:
        if isinstance(shift, DiagonalShift):
            return self._gains(1 - shift.eigenvalues).unsqueeze(-1) * z
        pairs = shift.eigenpairs()
        if pairs is None:
            return self._approximate(shift, z)
        return shift.signal(self._exact(shift, materialise(z), *pairs))

    def _exact(self, shift: ShiftOperator, z: Tensor, mu: Tensor, basis: Tensor) -> Tensor:
        """``g(L) z`` by the eigenpairs; gradients reach ``S`` through one product with constants."""
        zero = torch.zeros_like(mu[:, :1])
        self._require_finite(mu)
        gains = _Gains(
            mu, self._gains(1 - mu), self._gains(1 - zero), -self._slopes(1 - mu), -self._slopes(1 - zero)
        )
        shifted = basis
        if torch.is_grad_enabled():
            with torch.no_grad():
                outside = z - basis @ (basis.mT @ z)
                probes = torch.cat([basis.expand(z.shape[0], -1, -1), outside], dim=-1)
            shifted = shift(probes)
        return _Apply.apply(z, shifted, basis, gains)

    def _require_finite(self, mu: Tensor) -> None:
        if torch.compiler.is_compiling() or self._gains(1 - mu).isfinite().all():
            return
        raise ValueError(
            f"{self} is not finite on the spectrum of this shift, whose eigenvalues reach "
            f"{float(mu.min()):.3g} and {float(mu.max()):.3g}; it is made for |μ| ≤ 1: normalise the shift"
        )

    def _approximate(self, shift: ShiftOperator, z: Signal) -> Signal:
        self._require_inside(shift)
        if self._is_poor:
            warnings.warn(
                f"{self} on {type(shift).__name__} is approximated by a polynomial of degree {self.order}, "
                f"off by up to {self.error:.1e}; raise order, choose a smoother response, or use "
                "shift.to_dense()",
                stacklevel=2,
            )
        terms = three_terms(chebyshev_recurrence, self.order, shift, z)
        weighted = [c * term for c, term in zip(self._coefficients.tolist(), terms, strict=True)]
        return sum(weighted[1:], start=weighted[0])

    def _require_inside(self, shift: ShiftOperator) -> None:
        """Refuse a spectrum that leaves ``[−1, 1]``, where a polynomial approximates nothing."""
        known = shift.spectral_bound is not None and shift.spectral_bound <= 1 + _ROUNDING
        if known or torch.compiler.is_compiling():
            return
        reached = greatest_gain(shift)
        if reached > 1 + _BEYOND:
            raise ValueError(
                f"{self} on {type(shift).__name__} is approximated by a polynomial on λ ∈ [0, 2], and "
                f"eigenvalues of this shift reach |μ| = {reached:.3g} at least; scale it to |μ| ≤ 1, use a "
                "symmetric normalisation, or shift.to_dense()"
            )

    def _interpolate(self, order: int) -> None:
        """Find the interpolant, and how far it is from the response: once, not at every call."""
        if order < 0:
            raise ValueError(f"order must be at least 0 (the polynomial degree), got {order}")
        self._check_gain()
        self.order = order
        self._coefficients = chebyshev_interpolation(order) @ self._gains(1 - chebyshev_nodes(order))
        lam = torch.linspace(0, 2, _GRID, dtype=torch.float64)
        gains = self._gains(lam)
        self.error = float((gains - self._interpolant(lam)).abs().max())
        self._is_poor = self.error > _POOR * float(gains.abs().max())

    def _interpolant(self, lam: Tensor) -> Tensor:
        angles = torch.arccos((1 - lam).clamp(-1, 1)).unsqueeze(-1)
        return torch.cos(angles * torch.arange(self.order + 1)) @ self._coefficients

    def _gains(self, lam: Tensor) -> Tensor:
        """``g`` at frequencies of any shape, in their data type."""
        lam = _within(lam)
        return self.gain(lam.flatten()).to(lam.dtype).view_as(lam)

    def _slopes(self, lam: Tensor) -> Tensor:
        """``g'``, by differentiating ``g`` itself; 0 where ``g`` is piecewise constant."""
        lam = _within(lam)
        return torch.func.jvp(
            lambda at: self.gain(at.flatten()).to(at.dtype).view_as(at), (lam,), (torch.ones_like(lam),)
        )[1]

    def _check_gain(self) -> None:
        lam = torch.linspace(0, 2, _GRID, dtype=torch.float64)
        values = self.gain(lam)
        if not isinstance(values, Tensor):
            raise TypeError(f"a response returns a tensor, {self} returned {type(values).__name__}")
        if values.is_complex():
            raise TypeError(f"a response is real, {self} returned {values.dtype}")
        if values.shape != lam.shape:
            raise ValueError(
                f"a response maps frequencies (F,) to gains (F,): {self} gave {tuple(values.shape)} for "
                f"{tuple(lam.shape)}"
            )
        wrong = ~torch.isfinite(values)
        if wrong.any():
            raise ValueError(
                f"{self} is NaN or infinite at λ = {lam[wrong][0]:.3g}; a response is finite on [0, 2]"
            )

    def __repr__(self) -> str:
        return self._name


@torch.no_grad()
def greatest_gain(shift: ShiftOperator, steps: int = 20) -> float:
    """``‖S v‖ / ‖v‖`` after some power iterations: at most the greatest ``|μ|`` of a symmetric ``S``."""
    nodes = torch.arange(shift.shape[-1], dtype=shift.dtype, device=shift.device)
    v = (1 + nodes.cos()).view(1, -1, 1)
    for _ in range(steps):
        v = shift(v)
        gain = torch.linalg.vector_norm(v, dim=1, keepdim=True)
        v = v / gain.clamp_min(torch.finfo(shift.dtype).tiny)
    return float(gain.max())


def _within(lam: Tensor) -> Tensor:
    """Frequencies, those that left ``[0, 2]`` by rounding put back."""
    inside = lam.clamp(0, 2)
    return torch.where((lam - inside).abs() < _ROUNDING, inside, lam)


class _Gains(NamedTuple):
    """``μ (B, K)``, ``f(μ)``, ``f(0) (B, 1)``, ``f'(μ)`` and ``f'(0)``, for ``f(μ) = g(1 − μ)``."""

    mu: Tensor
    value: Tensor
    value_at_zero: Tensor
    slope: Tensor
    slope_at_zero: Tensor

    def differences(self) -> Tensor:
        """``Γ_ij = (f(μ_i) − f(μ_j)) / (μ_i − μ_j)``, ``(B, K, K)``; ``f'`` where they coincide."""
        return _divided(
            *(x.unsqueeze(-1) for x in (self.mu, self.value, self.slope)),
            *(x.unsqueeze(-2) for x in (self.mu, self.value, self.slope)),
        )

    def differences_to_zero(self) -> Tensor:
        """``(f(μ_i) − f(0)) / μ_i``, ``(B, K, 1)``: against the eigenvalues left out, all 0."""
        zero = torch.zeros_like(self.value_at_zero)
        own = (self.mu, self.value, self.slope)
        return _divided(*own, zero, self.value_at_zero, self.slope_at_zero).unsqueeze(-1)


def _divided(x: Tensor, fx: Tensor, dx: Tensor, y: Tensor, fy: Tensor, dy: Tensor) -> Tensor:
    apart = x - y
    close = apart.abs() < torch.finfo(x.dtype).eps ** (1 / 3)
    return torch.where(close, 0.5 * (dx + dy), (fx - fy) / apart.masked_fill(close, 1.0))


class _Apply(torch.autograd.Function):
    r"""``y = f(0) z + U (f(μ) − f(0)) Uᵀ z``, with the derivative in ``S`` by the Daleckii–Krein formula.

    ``⟨ȳ, df z⟩ = ⟨P, dS⟩`` with ``P = Σ p qᵀ``; the columns ``q`` are ``[U, z_⊥]``, constants, and ``p`` is
    the gradient given to ``S [U, z_⊥]``. Columns ``z_⊥`` stand for the eigenvalues left out.
    """

    @staticmethod
    def forward(ctx: Any, z: Tensor, shifted: Tensor, basis: Tensor, gains: _Gains) -> Tensor:
        ctx.save_for_backward(z, basis, *gains)
        return _filtered(z, basis, gains)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor | None, None, None]:
        z, basis, *values = ctx.saved_tensors
        gains = _Gains(*values)
        to_z = _filtered(grad, basis, gains)
        return to_z, _towards_shift(z, grad, basis, gains) if ctx.needs_input_grad[1] else None, None, None


def _filtered(z: Tensor, basis: Tensor, gains: _Gains) -> Tensor:
    offset = gains.value_at_zero.unsqueeze(-1)
    return offset * z + basis @ ((gains.value.unsqueeze(-1) - offset) * (basis.mT @ z))


def _towards_shift(z: Tensor, grad: Tensor, basis: Tensor, gains: _Gains) -> Tensor:
    z_hat, grad_hat = basis.mT @ z, basis.mT @ grad
    outside = grad - basis @ grad_hat
    to_zero = gains.differences_to_zero()
    inner = basis @ (gains.differences() * (grad_hat @ z_hat.mT)) + outside @ (to_zero * z_hat).mT
    outer = basis @ (to_zero * grad_hat) + gains.slope_at_zero.unsqueeze(-1) * outside
    return torch.cat([inner, outer], dim=-1)
