"""Polynomial filters whose basis has a three-term recurrence."""

from abc import abstractmethod
from collections.abc import Callable, Iterator

from torch import Tensor

from filters.base import Filter, mix
from filters.operators.shift import ShiftOperator
from filters.operators.signal import Signal

Recurrence = Callable[[int], tuple[float, float, float]]


class PolynomialFilter(Filter):
    r"""``y = Σ_{k=0}^{K} P_k(S) z W_k``, with ``P_0 = 1``,
    ``P_{k+1}(x) = (α_k x + β_k) P_k(x) − γ_k P_{k−1}(x)``.

    A family writes :meth:`recurrence` alone. Order ``K`` takes ``K`` products with ``S``, on the fewer of
    the channels: those of ``z`` by the recurrence, those of ``y`` by Clenshaw's scheme. On factors, where
    products cost next to nothing, it is the recurrence always.

    References:
        Clenshaw (1955), *A note on the summation of Chebyshev series*.
    """

    @property
    def uses_graph(self) -> bool:
        return self.order > 0

    @abstractmethod
    def recurrence(self, k: int) -> tuple[float, float, float]:
        """``(α_k, β_k, γ_k)`` for ``k = 0, 1, …``; ``γ_0`` is not used."""

    def terms(self, shift: ShiftOperator, z: Signal) -> Iterator[Signal]:
        return three_terms(self.recurrence, self.order, shift, z)

    def evaluate(self, shift: ShiftOperator, z: Signal, weight: Tensor) -> Signal:
        fewer = self.out_channels < self.in_channels and len(weight) == self.order + 1
        if fewer and isinstance(z, Tensor) and type(self).terms is PolynomialFilter.terms:
            return clenshaw(self.recurrence, shift, z, weight)
        return super().evaluate(shift, z, weight)


def three_terms(recurrence: Recurrence, order: int, shift: ShiftOperator, z: Signal) -> Iterator[Signal]:
    """Yield ``P_0(S) z, …, P_order(S) z`` of the polynomials with this recurrence."""
    yield z
    previous, current = None, z
    for k in range(order):
        alpha, beta, gamma = recurrence(k)
        following = shift(current) if alpha == 1 else alpha * shift(current)
        if beta:
            following = following + beta * current
        if gamma and previous is not None:
            following = following - (previous if gamma == 1 else gamma * previous)
        previous, current = current, following
        yield current


def clenshaw(recurrence: Recurrence, shift: ShiftOperator, z: Tensor, weight: Tensor) -> Tensor:
    r"""``Σ_k P_k(S) z W_k`` from the last term on, ``b_k = z W_k + (α_k S + β_k) b_{k+1} − γ_{k+1} b_{k+2}``.

    ``P_0 = 1``, so ``b_0`` is the sum.
    """
    _, size_in, size_out = weight.shape
    mixed = mix(z, weight.transpose(0, 1).reshape(size_in, -1)).split(size_out, dim=-1)
    current, following = mixed[-1], None
    for k in range(len(mixed) - 2, -1, -1):
        alpha, beta, _ = recurrence(k)
        found = mixed[k] + (shift(current) if alpha == 1 else alpha * shift(current))
        if beta:
            found = found + beta * current
        if following is not None:
            gamma = recurrence(k + 1)[2]
            found = found - (following if gamma == 1 else gamma * following)
        current, following = found, current
    return current
