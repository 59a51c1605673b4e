"""Shifts that are known by their products alone: the common part, and sums."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor

from filters.checks import common_batch, require_alike
from filters.operators.linear import on_parts
from filters.operators.plain import DenseShift
from filters.operators.promises import Promises
from filters.operators.shift import ShiftOperator, require_same_nodes, require_signal
from filters.operators.signal import S, on_tensor
from filters.precision import wide_dtype


class ImplicitShift(ShiftOperator):
    """A shift that writes :meth:`apply` for real tensors; sums of it with others stay implicit.

    Args:
        like: a tensor ``(B, N, …)`` of the operator's data type, on its device.
        promises: what is known of ``S``.
    """

    def __init__(self, like: Tensor, promises: Promises) -> None:
        batch, nodes = like.shape[:2]
        if nodes == 0:
            raise ValueError(f"a graph needs at least one node, got the shape {tuple(like.shape)}")
        self._shape = torch.Size((batch, nodes, nodes))
        self._dtype, self._device = like.dtype, like.device
        self.promises = promises

    @abstractmethod
    def apply(self, z: Tensor) -> Tensor:
        """``S z`` for a real tensor ``z (B, N, C)``."""

    def apply_adjoint(self, z: Tensor) -> Tensor:
        """``Sᵀ z`` for a real tensor: what a shift writes whose :attr:`T` is a :class:`TransposedShift`."""
        raise NotImplementedError

    @property
    def shape(self) -> torch.Size:
        return self._shape

    @property
    def dtype(self) -> torch.dtype:
        return self._dtype

    @property
    def device(self) -> torch.device:
        return self._device

    def __call__(self, z: S) -> S:
        """``S z``, in the wider data type of the two, computed in float32 or better."""
        return on_tensor(self._checked, z)

    def _checked(self, z: Tensor) -> Tensor:
        require_signal(z, self)
        return on_parts(self._widely, z)

    def _widely(self, z: Tensor) -> Tensor:
        given = torch.promote_types(z.dtype, self._dtype)
        wide = wide_dtype(given)
        return cast(ImplicitShift, self.to(wide)).apply(z.to(wide)).to(given)

    def __add__(self, other: ShiftOperator) -> ShiftOperator:
        return add(self, other)


class TransposedShift(ImplicitShift):
    """``Sᵀ`` of a shift that writes :meth:`ImplicitShift.apply_adjoint`."""

    def __init__(self, inner: ImplicitShift) -> None:
        like = torch.empty(0, dtype=inner.dtype, device=inner.device).expand(*inner.shape[:2], 0)
        super().__init__(like, inner.promises.transposed)
        self.inner, self.ranks = inner, inner.ranks

    def apply(self, z: Tensor) -> Tensor:
        return self.inner.apply_adjoint(z)

    @property
    def T(self) -> ImplicitShift:  # noqa: N802
        return self.inner

    def to_dense(self) -> Tensor:
        return self.inner.to_dense().mT

    def prepared(self) -> ShiftOperator:
        inner = self.inner.prepared()
        return self if inner is self.inner else inner.T

    def mapped(self, function: Callable[[Tensor], Tensor], promises: Promises | None = None) -> ShiftOperator:
        return self.inner.mapped(function, None if promises is None else promises.transposed).T


class SumShift(ImplicitShift):
    r"""``S = S_1 + S_2 + …``: shifts on the same nodes, each applied in its own way.

    Args:
        terms: at least one shift.
        is_symmetric: promise that the sum is symmetric; by default, whether every term is.
        spectral_bound: a bound of ``|μ|``; by default the sum of the terms' bounds, where all of them are
            norms (symmetric terms) or all of them sums of rows (row-stochastic terms).
        promises: all that is known of the sum, in place of the two.

    Raises:
        TypeError: for a term that is no shift, or has another data type than the first.
        ValueError: without terms, or if they act on different graphs, batches or devices.

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
        for term in terms:
            if not isinstance(term, ShiftOperator):
                raise TypeError(f"a term of a sum is a shift, got {type(term).__name__}")
            require_same_nodes(terms[0], term)
        require_alike("a sum of shifts", **{f"term {i}": term for i, term in enumerate(terms)})
        batch, nodes = common_batch(*terms), terms[0].shape[-1]
        like = torch.empty(0, dtype=terms[0].dtype, device=terms[0].device).expand(batch, nodes, 0)
        found = Promises.of_sum([term.promises for term in terms])
        symmetric = found.symmetric if is_symmetric is None else is_symmetric
        bound = found.bound if spectral_bound is None else spectral_bound
        super().__init__(like, promises or Promises(symmetric, bound=bound))
        self.terms, self.ranks = tuple(terms), terms[0].ranks

    def apply(self, z: Tensor) -> Tensor:
        return sum((term(z) for term in self.terms[1:]), start=self.terms[0](z))

    @property
    def T(self) -> SumShift:  # noqa: N802
        return SumShift([term.T for term in self.terms], promises=self.promises.transposed)

    def to_dense(self) -> Tensor:
        return sum((term.to_dense() for term in self.terms[1:]), start=self.terms[0].to_dense())

    def prepared(self) -> SumShift:
        return SumShift([term.prepared() for term in self.terms], promises=self.promises)

    def mapped(self, function: Callable[[Tensor], Tensor], promises: Promises | None = None) -> SumShift:
        terms = [term.mapped(function) for term in self.terms]
        return SumShift(terms, promises=promises or self.promises)


def add(one: ShiftOperator, other: ShiftOperator) -> ShiftOperator:
    """``S + S'``: dense where one of them is dense already, a sum of terms else."""
    require_same_nodes(one, other)
    if isinstance(other, DenseShift):
        return other + one
    return SumShift([one, other])
