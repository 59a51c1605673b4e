"""Filters in polynomials whose recurrence is learned."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import softplus

from filters.base import Filter
from filters.checks import Device
from filters.operators.shift import ShiftOperator
from filters.operators.signal import Signal

SMALLEST = 0.01
"""Of ``a_k``: a step divides by it."""


class Favard(Filter):
    r"""``y = Σ_{k=0}^{K} P_k(S) z W_k``, with ``P_0 = 1`` and learned ``a_k > 0`` and ``b_k``:
    ``a_{k+1} P_{k+1}(x) = (x − b_k) P_k(x) − a_k P_{k−1}(x)``.

    By Favard's theorem every family of polynomials with such a recurrence is orthogonal for some weight on
    the line, and every orthogonal family has one: what is learned is the weight. It starts as Chebyshev's
    polynomials of the second kind, ``a_k = ½`` and ``b_k = 0``.

    Args:
        in_channels: channels of ``z (B, N, in)``.
        out_channels: channels of ``y (B, N, out)``.
        order: degree ``K ≥ 0``.
        device, dtype: of the parameters; see :class:`Filter`.

    Raises:
        ValueError: if a number is out of range.

    References:
        Guo, Wei (2023), *Graph Neural Networks with Learnable and Optimal Polynomial Bases* (FavardGNN);
        Favard (1935). Deviations: one recurrence for all channels and matrices ``W_k``, where theirs has a
        recurrence and numbers for each channel; ``a_k = 0.01 + softplus(·)``, where theirs are clamped.

    Example:
        >>> f = Favard(3, 5, order=4)
        >>> f(torch.randn(2, 10, 3), torch.eye(10)).shape, f.scales.tolist()[:2]
        (torch.Size([2, 10, 5]), [0.5, 0.5])
    """

    formula = "Σ_k P_k(μ) W_k, learned P_k"

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        order: int = 1,
        *,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, order, device=device, dtype=dtype)
        self.raw_scales = self._parameter(self._start())
        self.centres = self._parameter(torch.zeros(self.order, device="cpu"))
        self._built(Favard)

    @property
    def uses_graph(self) -> bool:
        return self.order > 0

    @property
    def scales(self) -> Tensor:
        """``a_1, …, a_K``, ``(order,)``."""
        return SMALLEST + softplus(self.raw_scales)

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw ``W`` as every filter does; put the recurrence at its start."""
        super().reset_parameters()
        self.raw_scales.copy_(self._start())
        self.centres.zero_()

    def _start(self) -> Tensor:
        half = torch.full((self.order,), 0.5 - SMALLEST, dtype=torch.float64, device="cpu")
        return half.expm1().log()

    def terms(self, shift: ShiftOperator, z: Signal) -> Iterator[Signal]:
        yield z
        previous, current, before = None, z, None
        scales, centres = (one.to(shift.dtype).unbind() for one in (self.scales, self.centres))
        for a, b in zip(scales, centres, strict=True):
            following = shift(current) - b * current
            if previous is not None and before is not None:
                following = following - before * previous
            previous, current, before = current, (1 / a) * following, a
            yield current
