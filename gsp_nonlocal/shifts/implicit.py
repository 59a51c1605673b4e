"""Shifts that are known by their products alone: the common part, and sums."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from filters.linear import on_parts
from filters.plain import DenseShift
from filters.promises import Promises
from filters.shift import ShiftOperator, Signal, require_same_nodes


class ImplicitShift(ShiftOperator):
    """A shift that writes :meth:`apply` for real tensors; sums of it with others stay implicit.

    Args:
        like: a tensor ``(B, N, …)`` of the operator's data type, on its device.
        promises: what is known of ``S``.
    """

    def __init__(self, like: Tensor, promises: Promises) -> None:
        batch, nodes = like.shape[:2]
        self._shape = torch.Size((batch, nodes, nodes))
        self._dtype, self._device = like.dtype, like.device
        self.promises = promises

    @abstractmethod
    def apply(self, z: Tensor) -> Tensor:
        """``S z`` for a real tensor ``z (B, N, C)``."""

    @property
    def shape(self) -> torch.Size:
        return self._shape

    @property
    def dtype(self) -> torch.dtype:
        return self._dtype

    @property
    def device(self) -> torch.device:
        return self._device

    def __call__(self, z: Signal) -> Signal:
        if z.shape[1] != self._shape[-1]:
            raise ValueError(
                f"a signal on {z.shape[1]} nodes does not fit a shift of {self._shape[-1]} nodes"
            )
        return on_parts(self.apply, z)

    def __add__(self, other: ShiftOperator) -> ShiftOperator:
        return add(self, other)


class SumShift(ImplicitShift):
    r"""``S_1 + S_2 + …``: shifts on the same nodes, each applied in its own way.

    Args:
        terms: at least one shift.
        is_symmetric: promise that the sum is symmetric; by default, whether every term is.
        spectral_bound: a bound of ``|μ|``; by default the sum of the terms' bounds, where all of them are
            norms (symmetric terms) or all of them sums of rows (row-stochastic terms).
        promises: all that is known of the sum, in place of the two.

    Raises:
        ValueError: without terms, or if they act on different graphs.

    Example:
        >>> ones = DenseShift(torch.ones(3, 3))
        >>> SumShift([ones, DenseShift(torch.eye(3))]) @ torch.ones(1, 3, 1)
        tensor([[[4.],
                 [4.],
                 [4.]]])
    """

    def __init__(
        self,
        terms: Sequence[ShiftOperator],
        *,
        is_symmetric: bool | None = None,
        spectral_bound: float | None = None,
        promises: Promises | None = None,
    ) -> None:
        if not terms:
            raise ValueError("a sum of shifts needs at least one term, got none")
        for term in terms[1:]:
            require_same_nodes(terms[0], term)
        batch, nodes = max(term.shape[0] for term in terms), terms[0].shape[-1]
        like = torch.empty(0, dtype=terms[0].dtype, device=terms[0].device).expand(batch, nodes, 0)
        found = Promises.of_sum([term.promises for term in terms])
        symmetric = found.symmetric if is_symmetric is None else is_symmetric
        bound = found.bound if spectral_bound is None else spectral_bound
        super().__init__(like, promises or Promises(symmetric, bound=bound))
        self.terms = tuple(terms)

    def apply(self, z: Tensor) -> Tensor:
        return sum((term(z) for term in self.terms[1:]), start=self.terms[0](z))

    @property
    def T(self) -> SumShift:  # noqa: N802
        return SumShift([term.T for term in self.terms], promises=self.promises.transposed)

    def to_dense(self) -> Tensor:
        return sum((term.to_dense() for term in self.terms[1:]), start=self.terms[0].to_dense())

    def mapped(self, function: Callable[[Tensor], Tensor], promises: Promises | None = None) -> SumShift:
        terms = [term.mapped(function) for term in self.terms]
        return SumShift(terms, promises=promises or self.promises)


def add(one: ShiftOperator, other: ShiftOperator) -> ShiftOperator:
    """``S + S'``: dense where one of them is dense already, a sum of terms else."""
    require_same_nodes(one, other)
    if isinstance(other, DenseShift):
        return other + one
    return SumShift([one, other])
