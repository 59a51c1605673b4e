"""Shifts that are computed from tensors at every use, or once for one call."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from filters.operators.promises import Promises
from filters.operators.ranks import Ranks
from filters.operators.shift import ShiftOperator
from filters.precision import widened
from gsp_nonlocal.shifts.implicit import ImplicitShift, TransposedShift


class DerivedShift(ImplicitShift):
    r"""``S = f(q, k)``: another shift, made of queries and keys where it is used.

    Offsets and sums of exponential weights belong to the precision in which exponents are rounded: copied to
    another one, they would not cancel against its exponents. And they belong to one call: kept, they
    would carry its autograd graph into the next. So ``q`` and ``k`` are kept; :meth:`prepared` is
    ``f(q, k)``.

    Args:
        derive: ``f``, a function of the tensors; picklable where the shift is to be.
        query: ``q (B, N, R)``.
        key: ``k (B, N, R)``, or the same tensor as ``query``.
        promises: what is known of ``S``.
        ranks: the processes that hold the nodes; ``f`` knows them too.
    """

    def __init__(
        self,
        derive: Callable[[Tensor, Tensor], ShiftOperator],
        query: Tensor,
        key: Tensor,
        promises: Promises,
        *,
        ranks: Ranks | None = None,
    ) -> None:
        super().__init__(query, promises)
        self.derive, self.query, self.key = derive, query, key
        self.ranks = self.ranks if ranks is None else ranks

    def apply(self, z: Tensor) -> Tensor:
        return self.prepared()(z)

    def apply_adjoint(self, z: Tensor) -> Tensor:
        return self.prepared().T(z)

    def prepared(self) -> ShiftOperator:
        query = widened(self.query)
        derived = self.derive(query, query if self.key is self.query else widened(self.key))
        return derived if derived.promises == self.promises else derived.promising(self.promises)

    @property
    def T(self) -> ImplicitShift:  # noqa: N802
        return self if self.is_symmetric else TransposedShift(self)

    def to_dense(self) -> Tensor:
        return self.prepared().to_dense().to(self.dtype)

    def mapped(self, function: Callable[[Tensor], Tensor], promises: Promises | None = None) -> DerivedShift:
        query = function(self.query)
        key = query if self.key is self.query else function(self.key)
        return DerivedShift(self.derive, query, key, promises or self.promises, ranks=self.ranks)
