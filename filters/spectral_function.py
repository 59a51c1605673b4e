"""Filters with a fixed response: any function of the graph frequency."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor

from filters.checks import require_order
from filters.composition import GraphFilter
from filters.contract import is_built
from filters.interpolant import Interpolant
from filters.matrix_function import applied
from filters.operators.gains import Gains
from filters.operators.shift import ShiftOperator
from filters.operators.signal import Signal
from filters.sampled import at_jumps, rounding, values_and_slopes, within
from filters.shared_work import SharedWork
from filters.smooth import Smooth

_BEYOND = 1e-4  # of a spectrum beyond [−1, 1]: more is no rounding
_ROUNDING = 1e-5


class SpectralFunction(GraphFilter):
    r"""``y = g(L) z = U g(Λ) Uᵀ z``, for any function ``g(λ)``; no parameters, any number of channels.

    Exact on shifts that know their eigenpairs (``LowRankShift`` in time linear in ``N``, ``DenseShift``,
    ``DiagonalShift``). Of a smooth ``g`` on a ``LowRankShift`` of spectral bound 1, the eigenpairs are not
    needed: it is its Chebyshev interpolant there, of the degree that is ``g`` to the rounding of the shift.
    Elsewhere the interpolant ``p`` of degree ``order`` is used, with

    .. math::
        ‖g(L) z − p(L) z‖ ≤ \max_{λ ∈ [0, 2]} |g(λ) − p(λ)| \; ‖z‖,

    a number that ``error`` gives, measured at 4096 frequencies. Gradients flow into ``z`` and into the
    shift (Daleckii–Krein formula: eigenvalues may coincide); ``g`` itself is fixed. Eigenvalues, gains and
    their differences are computed in float64; interpolants run in the data type of the shift.

    Equal eigenvalues have equal gains, also where ``g`` jumps and rounding has spread them: an eigenvalue
    within rounding of a jump (``16 ε max|μ|`` in the data type of the shift) counts as one at the jump. If a
    fraction or decimal such as 0, 1/2, 4/3 or 0.35 lies there, it has the gain that ``g`` has at that number;
    elsewhere that below the jump.

    A subclass may write :meth:`gain` instead of passing ``g``; its settings follow ``super().__init__(…)``.

    Args:
        g: the response, called with frequencies ``λ (F,)``; returns ``(F,)``, real. Of PyTorch
            operations, through which its slope is found.
        order: degree of the interpolant where no exact way exists.
        name: what ``repr`` shows.

    Raises:
        TypeError: if ``g`` gives no tensor, or is left out and :meth:`gain` is not written.
        ValueError: if ``order`` is negative; if ``g`` gives another shape, or NaN or infinite values on
            ``[0, 2]``; at the call, if the shift is not symmetric or has NaN or infinite entries (it says
            where), or if there is no exact way and its spectrum leaves ``[−1, 1]``.

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

    def __init__(
        self, g: Callable[[Tensor], Tensor] | None = None, order: int = 40, name: str | None = None
    ) -> None:
        super().__init__()
        if g is None and type(self).gain is SpectralFunction.gain:
            raise TypeError(f"{type(self).__name__} has no response: pass g(lam), or write gain(lam)")
        self.g, self.order = g, require_order(order)
        self._name = name or f"{type(self).__name__}({getattr(g, '__name__', 'g')})"
        self._interpolant: Interpolant | None = None
        self._smooth: dict[torch.dtype, Smooth | None] = {}
        if is_built(self, SpectralFunction, "gain"):
            self._interpolate()

    @property
    def error(self) -> float:
        """What an approximation may lose, ``max |g(λ) − p(λ)|`` over 4096 frequencies in ``[0, 2]``."""
        return self._interpolate().error

    def gain(self, lam: Tensor) -> Tensor:
        """``g(λ)``, ``(F,) -> (F,)``."""
        return cast("Callable[[Tensor], Tensor]", self.g)(lam)

    def filter_signal(self, shift: ShiftOperator, z: Signal) -> Signal:
        return self.filtered(SharedWork(shift, z))

    def filtered(self, shared: SharedWork) -> Signal:
        """``g(L) z``, of a signal that other responses may filter as well."""
        shift, z = shared.shift, shared.z
        if shift.diagonal is not None:
            return at_jumps(self.gain, 1 - shift.diagonal).unsqueeze(-1) * z
        smooth = self._as_polynomial(shift, z)
        if smooth is not None:
            return _chebyshev_sum(smooth.coefficients, shared)
        small = shift.function(z, lambda mu: self._gains(mu, _width(shift, mu)))
        if small is not None:
            return small
        pairs = shared.pairs()
        if pairs is None:
            return self._approximate(shared)
        gains = self._gains(pairs.mu, _width(shift, pairs.mu))
        y = applied(pairs.z, pairs.shifted, pairs.basis, gains, shift.ranks)
        return shift.signal(y.to(z.dtype))

    def _gains(self, mu: Tensor, width: Tensor) -> Gains:
        """The response at the eigenvalues ``μ (B, K)``, known up to ``width (B, 1)``."""
        ones, unit = torch.ones_like(mu[:, :1]), rounding(self.gain, 1 - mu)
        frequencies = (within(1 - mu, width), ones)
        found = [(lam, *values_and_slopes(self.gain, lam, width, unit)) for lam in frequencies]
        self._require_finite(mu, found[0][1])
        return Gains(unit, *found[0], *found[1])

    def _require_finite(self, mu: Tensor, gains: Tensor) -> None:
        if torch.compiler.is_compiling() or gains.isfinite().all():
            return
        raise ValueError(
            f"{self} is not finite on the spectrum of this shift, whose eigenvalues reach "
            f"{float(mu.min()):.3g} and {float(mu.max()):.3g}; it is made for |μ| ≤ 1: normalise the shift"
        )

    def _approximate(self, shared: SharedWork) -> Signal:
        self._require_inside(shared)
        interpolant = self._interpolate()
        if interpolant.is_poor:
            warnings.warn(
                f"{self} on {type(shared.shift).__name__} is approximated by a polynomial of degree "
                f"{self.order}, off by up to {interpolant.error:.1e}; raise order, choose a smoother "
                "response, or use shift.to_dense()",
                stacklevel=2,
            )
        return _chebyshev_sum(interpolant.coefficients, shared)

    def _as_polynomial(self, shift: ShiftOperator, z: Signal) -> Smooth | None:
        """The response as a polynomial, where that is exact and products are cheap: on lazy signals."""
        if isinstance(z, Tensor) or not _is_bounded(shift):
            return None
        self._interpolate()
        smooth = self._smooth[shift.dtype]
        if smooth is None or torch.compiler.is_compiling() or smooth.is_still(self.gain):
            return smooth
        self._interpolant = None
        return self._as_polynomial(shift, z)

    def _require_inside(self, shared: SharedWork) -> None:
        """Refuse a spectrum that leaves ``[−1, 1]``, where a polynomial approximates nothing."""
        if _is_bounded(shared.shift) or torch.compiler.is_compiling():
            return
        reached = shared.reach()
        if reached > 1 + _BEYOND:
            raise ValueError(
                f"{self} on {type(shared.shift).__name__} is approximated by a polynomial on λ ∈ [0, 2], and "
                f"eigenvalues of this shift reach |μ| = {reached:.3g} at least; scale it to |μ| ≤ 1, use a "
                "symmetric normalisation, or shift.to_dense()"
            )

    def _interpolate(self) -> Interpolant:
        """The interpolant and how far it is from the response: found once, and not at a call if it can be."""
        if self._interpolant is None:
            self._interpolant = Interpolant.of(self.gain, self.order, str(self))
            self._smooth = {dtype: Smooth.of(self.gain, dtype) for dtype in (torch.float32, torch.float64)}
        return self._interpolant

    def __repr__(self) -> str:
        return self._name


def _chebyshev_sum(coefficients: Sequence[float], shared: SharedWork) -> Signal:
    """``Σ_k c_k T_k(S) z``."""
    terms = shared.terms(len(coefficients) - 1)
    weighted = (c * term for c, term in zip(coefficients, terms, strict=True))
    return sum(weighted, start=next(weighted))


def _is_bounded(shift: ShiftOperator) -> bool:
    """Whether ``|μ| ≤ 1`` is promised."""
    return shift.spectral_bound is not None and shift.spectral_bound <= 1 + _ROUNDING


def _width(shift: ShiftOperator, mu: Tensor) -> Tensor:
    """``16 ε max|μ|`` of each graph, ``(B, 1)``: the rounding of the shift's entries; and LAPACK's, in
    float64."""
    own, double = (torch.finfo(dtype).eps for dtype in (shift.dtype, torch.float64))
    reach = mu.abs().amax(-1, keepdim=True)
    return 16 * own * reach + 4 * mu.shape[-1] * double * reach.clamp(min=1.0)
