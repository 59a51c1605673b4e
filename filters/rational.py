"""Rational filters with a learned, positive denominator."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import softplus

from filters.base import mixed_sum
from filters.chebyshev import Chebyshev
from filters.checks import Device, require_integer
from filters.operators.shift import ShiftOperator
from filters.operators.signal import Signal

MIN_WIDTH = 0.05
"""Smallest half-width ``v`` of a peak of ``1/Q``, in units of graph frequency."""


class Rational(Chebyshev):
    r"""``y = Q(L)⁻¹ Σ_{k=0}^{K} T_k(S) z W_k``, with ``Q(λ) = Π_j ((λ − u_j)² + v_j²) / v_j² ≥ 1``.

    Each pair of complex poles ``u_j ± i v_j`` makes a peak of ``1/Q`` at the graph frequency ``u_j`` with
    half-width ``v_j > 0``, so that one filter can be as sharp as a polynomial of a much higher order.
    ``Q ≥ 1`` keeps it stable on every symmetric shift: ``‖Q(L)⁻¹‖ ≤ 1``.

    One complex solve a pair: for real ``z``, ``v² ((L − u)² + v²)⁻¹ z = v · Im (L − (u + iv) I)⁻¹ z``.

    Args:
        in_channels: channels of ``z (B, N, in)``.
        out_channels: channels of ``y (B, N, out)``.
        order: degree ``K ≥ 0`` of the numerator.
        poles: number of pairs of poles, at least 1.
        device, dtype: of the parameters; see :class:`Filter`.

    Raises:
        ValueError: if a number is out of range.

    References:
        Chen, Chen, Lai, Zhang, Lu (2018), *Rational Neural Networks for Approximating Graph Convolution
        Operator on Jump Discontinuities*. Deviation: the denominator as a product of peaks, which cannot
        vanish.

    Example:
        >>> Rational(3, 5, order=2)(torch.randn(2, 10, 3), torch.eye(10)).shape
        torch.Size([2, 10, 5])
    """

    formula = "Σ_k T_k(μ) W_k / Q(1 − μ)"

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        order: int = 1,
        poles: int = 1,
        *,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, order, device=device, dtype=dtype)
        self.poles = require_integer("poles", poles, 1, "pairs of complex poles")
        self.centre = self._parameter(self._centres())
        self.raw_width = self._parameter(torch.zeros(self.poles, device="cpu"))
        self._built(Rational)

    @property
    def uses_graph(self) -> bool:
        return True

    @property
    def width(self) -> Tensor:
        """The half-widths ``v`` of the peaks, ``(poles,)``."""
        return MIN_WIDTH + softplus(self.raw_width)

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw ``W`` as every filter does; spread the peaks over ``[0, 2]``, of half-width about 0.74."""
        super().reset_parameters()
        self.centre.copy_(self._centres())
        self.raw_width.zero_()

    def _centres(self) -> Tensor:
        return 2 * (torch.arange(self.poles, dtype=torch.float64, device="cpu") + 0.5) / self.poles

    def terms(self, shift: ShiftOperator, z: Signal) -> Iterator[Signal]:
        if self._solves_first(shift, z):
            return super().terms(shift, self._peaks(shift, z))
        return (self._peaks(shift, term) for term in self._numerator(shift, z))

    def evaluate(self, shift: ShiftOperator, z: Signal, weight: Tensor) -> Signal:
        if self._solves_first(shift, z) or type(self).terms is not Rational.terms:
            return super().evaluate(shift, z, weight)
        return self._peaks(shift, mixed_sum(self._numerator(shift, z), weight))

    def _solves_first(self, shift: ShiftOperator, z: Signal) -> bool:
        """On factors a solve is off by ``ε ‖z‖``, also where its result is ``z / μ``; products enlarge that.

        So there it comes last, unless ``|μ| ≤ 1``: then on the fewer channels. On tensors neither order is
        better, and solves first keep ``T_K(μ)`` from overflowing.
        """
        bound = shift.spectral_bound
        bounded = bound is not None and bound <= 1
        return isinstance(z, Tensor) or (bounded and self.in_channels < self.out_channels)

    def _numerator(self, shift: ShiftOperator, z: Signal) -> Iterator[Signal]:
        """``T_k(S) z``, in the precision that the solves will need."""
        return super().terms(shift, shift.before_solve(z, self._poles(shift), -1.0))

    def _poles(self, shift: ShiftOperator) -> Tensor:
        """``1 − (u + i v)``, so that ``L − (u + i v) I`` is that times ``I``, minus ``S``."""
        return torch.complex(1 - self.centre.to(shift.dtype), -self.width.to(shift.dtype))

    def _peaks(self, shift: ShiftOperator, z: Signal) -> Signal:
        """``Q(L)⁻¹ z``."""
        width = self.width.to(shift.dtype)
        for pole, v in zip(self._poles(shift).unbind(), width.unbind(), strict=True):
            z = v * shift.solve(z, pole, -1.0).imag
        return z

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, poles={self.poles}"
