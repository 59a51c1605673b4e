"""Chebyshev polynomial filters."""

from collections.abc import Iterator

from filters.base import Filter
from filters.shift import ShiftOperator, Signal


class Chebyshev(Filter):
    r"""``y = Σ_{k=0}^{K} T_k(S) z W_k``, with ``T_k(x) = 2 x T_{k−1}(x) − T_{k−2}(x)``.

    Order 1, ``z W_0 + S z W_1``, is the filter of the spectral nonlocal block (SNL).

    Args:
        in_channels: channels of ``z (B, N, in)``.
        out_channels: channels of ``y (B, N, out)``.
        order: degree ``K ≥ 0``.

    Raises:
        ValueError: if a number is out of range.

    References:
        Hammond, Vandergheynst, Gribonval (2011); Defferrard, Bresson, Vandergheynst (2016);
        for order 1 in a nonlocal block: Zhu et al. (2021).

    Deviation: the polynomial is in ``S = I − 2L/λ_max``, where Defferrard et al. and PyG's ``ChebConv``
    use ``L̃ = −S``. ``T_k`` of odd order therefore has the opposite sign, and so have its weights.

    Example:
        >>> import torch
        >>> f = Chebyshev(3, 5, order=2)
        >>> f(torch.randn(2, 10, 3), torch.eye(10)).shape
        torch.Size([2, 10, 5])
        >>> f.response(torch.linspace(0, 2, 7)).shape
        torch.Size([7, 3, 5])
    """

    def terms(self, shift: ShiftOperator, z: Signal) -> Iterator[Signal]:
        yield z
        if self.order == 0:
            return
        previous, current = z, shift(z)
        yield current
        for _ in range(self.order - 1):
            previous, current = current, 2.0 * shift(current) - previous
            yield current
