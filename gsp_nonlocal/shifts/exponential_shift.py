"""Graphs of exponential weights, known by their products alone."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from filters.checks import require_alike
from filters.operators.promises import Promises, promised
from filters.operators.ranks import Ranks, require_whole
from filters.precision import widened
from gsp_nonlocal.shifts.exponential import require_matching
from gsp_nonlocal.shifts.implicit import ImplicitShift
from gsp_nonlocal.shifts.split_exponential import product_over


class ExponentialShift(ImplicitShift):
    r"""``S_ij = exp(q_iᵀ k_j − a_i − b_j)``. Time ``N² (R + C)``, memory ``N (R + C)``.

    The offsets ``a`` and ``b`` keep the exponents from overflowing. They are constants: no gradient flows
    into them. (Where the weights are normalised, they cancel.)

    Args:
        query: ``q (B, N, R)``.
        key: ``k (B, N, R)``.
        row: ``a (B, N, 1)``; by default 0.
        column: ``b (B, N, 1)``; by default 0.
        is_symmetric: promise that ``S = Sᵀ``.
        is_row_stochastic: promise that entries are ``≥ 0`` and rows sum to 1, or to 0.
        spectral_bound: a bound of ``|μ|``, if one is known.
        ceiling: what exponents are at most, by their formula; by default nothing is known. An exponent that
            rounding brings above it counts as the ceiling, and keeps its gradient.
        ranks: the processes that hold the nodes; ``query``, ``key`` and offsets are of those that are here.

    Raises:
        TypeError: if the types do not fit.
        ValueError: if the shapes or devices do not fit.

    References:
        Rabe, Staats (2021), *Self-attention Does Not Need O(n²) Memory*, for products without the matrix.

    Example:
        >>> q = torch.randn(1, 50, 4)
        >>> S = ExponentialShift(q, q, is_symmetric=True)
        >>> torch.allclose(S @ torch.ones(1, 50, 1), (q @ q.mT).exp().sum(-1, keepdim=True))
        True
    """

    def __init__(
        self,
        query: Tensor,
        key: Tensor,
        row: Tensor | None = None,
        column: Tensor | None = None,
        *,
        is_symmetric: bool = False,
        is_row_stochastic: bool = False,
        spectral_bound: float | None = None,
        ceiling: float = math.inf,
        ranks: Ranks | None = None,
    ) -> None:
        require_matching(query, key)
        for name, offset in {"row": row, "column": column}.items():
            if offset is not None:
                _require_offset(name, offset, query)
        super().__init__(query, promised(is_symmetric, is_row_stochastic, spectral_bound))
        self.query, self.key, self.ceiling = query, key, ceiling
        self.ranks = self.ranks if ranks is None else ranks
        self.row = torch.zeros_like(query[..., :1]) if row is None else row.detach()
        self.column = torch.zeros_like(key[..., :1]) if column is None else column.detach()

    def apply(self, z: Tensor) -> Tensor:
        return product_over(self.ranks, self.query, self.key, z, self.row, self.column, self.ceiling)[0]

    @property
    def T(self) -> ExponentialShift:  # noqa: N802
        promises, parts = self.promises.transposed.keywords(), (self.key, self.query, self.column, self.row)
        return ExponentialShift(*parts, ceiling=self.ceiling, ranks=self.ranks, **promises)

    def to_dense(self) -> Tensor:
        require_whole(self.ranks, "the matrix of a graph")
        query, key, row, column = map(widened, (self.query, self.key, self.row, self.column))
        exponents = query @ key.mT - row - column.mT
        excess = (exponents - self.ceiling).clamp(min=0).detach()
        return (exponents - excess).exp().to(self.dtype)

    def mapped(
        self, function: Callable[[Tensor], Tensor], promises: Promises | None = None
    ) -> ExponentialShift:
        parts = map(function, (self.query, self.key, self.row, self.column))
        keywords = (promises or self.promises).keywords()
        return ExponentialShift(*parts, ceiling=self.ceiling, ranks=self.ranks, **keywords)


def _require_offset(name: str, offset: Tensor, query: Tensor) -> None:
    nodes = query.shape[1]
    if offset.dim() != 3 or offset.shape[1:] != (nodes, 1):
        raise ValueError(f"{name} has shape (B, {nodes}, 1), as the queries have, got {tuple(offset.shape)}")
    own, queries = offset.shape[0], query.shape[0]
    if own not in (1, queries):
        raise ValueError(f"{name} has a batch of {own} and the queries of {queries}; equal or 1")
    require_alike("exponential weights", query=query, **{name: offset})
