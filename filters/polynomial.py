"""Polynomial filters whose basis has a three-term recurrence."""

from abc import abstractmethod
from collections.abc import Callable, Iterator

from filters.base import Filter
from filters.operators.shift import ShiftOperator
from filters.operators.signal import Signal

Recurrence = Callable[[int], tuple[float, float, float]]


class PolynomialFilter(Filter):
    r"""``y = Σ_{k=0}^{K} P_k(S) z W_k``, with ``P_0 = 1``,
    ``P_{k+1}(x) = (α_k x + β_k) P_k(x) − γ_k P_{k−1}(x)``.

    A family writes :meth:`recurrence` alone. Order ``K`` takes ``K`` products with ``S``.
    """

    @property
    def uses_graph(self) -> bool:
        return self.order > 0

    @abstractmethod
    def recurrence(self, k: int) -> tuple[float, float, float]:
        """``(α_k, β_k, γ_k)`` for ``k = 0, 1, …``; ``γ_0`` is not used."""

    def terms(self, shift: ShiftOperator, z: Signal) -> Iterator[Signal]:
        return three_terms(self.recurrence, self.order, shift, z)


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
