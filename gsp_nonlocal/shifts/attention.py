"""Softmax attention as a graph: every row is a probability distribution."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from filters.checks import common_batch, require_number
from filters.export import is_exporting
from filters.operators.promises import Promises
from filters.operators.ranks import Ranks, require_whole
from filters.operators.shift import ShiftOperator
from filters.precision import widened
from gsp_nonlocal.shifts.derived import DerivedShift
from gsp_nonlocal.shifts.exponential import (
    CHUNK,
    exponential_product,
    product_like,
    require_matching,
)
from gsp_nonlocal.shifts.exponential_shift import ExponentialShift
from gsp_nonlocal.shifts.implicit import ImplicitShift
from gsp_nonlocal.shifts.pooled import Product
from gsp_nonlocal.shifts.scaled import ScaledShift
from gsp_nonlocal.shifts.split_exponential import product_over

SOFTMAX = Promises(row_stochastic=True, bound=1.0)
"""What every softmax over keys is."""


class AttentionShift(ImplicitShift):
    r"""``S = softmax(scale · q kᵀ)`` over the rows. Time ``N² (R + C)``, memory ``N (R + C)``.

    ``S`` is row-stochastic: ``S 1 = 1`` and ``|μ| ≤ 1``. It is not symmetric; its eigenvalues may be complex.
    On a GPU the product is PyTorch's fused attention. Elsewhere it is a plain softmax where all weights fit
    into one chunk, and :func:`exponential_product` else: each was measured to be the fastest there. Above one
    chunk it is differentiable once.

    Args:
        query: ``q (B, N, R)``.
        key: ``k (B, N, R)``.
        scale: factor of the exponents.
        promises: by default, and always true, that rows sum to 1 and ``|μ| ≤ 1``.
        ranks: the processes that hold the nodes; keys and values of the others come in turn.

    Raises:
        TypeError: if they have different types, or ``scale`` is no number.
        ValueError: if queries and keys have different shapes or devices, or ``scale`` is not finite.

    References:
        Wang, Girshick, Gupta, He (2018), *Non-local Neural Networks*.

    Example:
        >>> S = AttentionShift(torch.randn(2, 100, 8), torch.randn(2, 100, 8), scale=8**-0.5)
        >>> torch.allclose(S @ torch.ones(2, 100, 1), torch.ones(2, 100, 1))
        True
    """

    def __init__(
        self,
        query: Tensor,
        key: Tensor,
        scale: float = 1.0,
        *,
        promises: Promises | None = None,
        ranks: Ranks | None = None,
    ) -> None:
        require_matching(query, key)
        scale = scale if isinstance(scale, Tensor) else require_number("scale", scale)
        super().__init__(query, promises or SOFTMAX)
        self.query, self.key, self.scale = query, key, scale
        self.ranks = self.ranks if ranks is None else ranks

    def apply(self, z: Tensor) -> Tensor:
        if not self.ranks.is_split:
            return attend(self.scale * self.query, self.key, z)
        product, sums, _ = product_over(self.ranks, self.scale * self.query, self.key, z)
        return product / sums

    @property
    def T(self) -> ImplicitShift:  # noqa: N802
        query, derive = self.scale * self.query, partial(_transposed, self.ranks)
        return DerivedShift(derive, query, self.key, self.promises.transposed, ranks=self.ranks)

    def to_dense(self) -> Tensor:
        require_whole(self.ranks, "the matrix of a graph")
        return torch.softmax(self.scale * widened(self.query) @ widened(self.key).mT, dim=-1).to(self.dtype)

    def mapped(
        self, function: Callable[[Tensor], Tensor], promises: Promises | None = None
    ) -> AttentionShift:
        query, key = function(self.query), function(self.key)
        return AttentionShift(query, key, self.scale, promises=promises or self.promises, ranks=self.ranks)


def _transposed(ranks: Ranks, query: Tensor, key: Tensor) -> ShiftOperator:
    """``Wᵀ diag(t)⁻¹`` with the row sums ``t`` of the weights ``W``."""
    _, sums, row = product_over(ranks, query, key, key[..., :0])
    weights = ExponentialShift(query, key, row, ceiling=0.0, ranks=ranks)
    return ScaledShift(weights, 1 / sums, torch.ones_like(sums), **SOFTMAX.keywords()).T


def attend(query: Tensor, key: Tensor, z: Tensor) -> Tensor:
    """``softmax(q kᵀ) z`` for ``q (B, N, R)``, ``k (B, M, R)``, ``z (B, M, C)``, the fastest way."""
    batch = common_batch(query, key, z)
    query, key, z = (part.expand(batch, -1, -1) for part in (query, key, z))
    if query.is_cuda or is_exporting():
        q, k, v = (part.unsqueeze(1) for part in (query, key, z))
        return scaled_dot_product_attention(q, k, v, scale=1.0).squeeze(1)
    if batch * query.shape[1] * key.shape[1] <= CHUNK:
        return product_like(z, torch.softmax(query @ key.mT, dim=-1), z)
    product, sums, _ = exponential_product(query, key, z)
    return product / sums


def attention_products(query: Tensor, key: Tensor) -> tuple[Product, Product]:
    """``z ↦ A z`` and ``y ↦ Aᵀ y`` for ``A = softmax(q kᵀ)``, ``(N × M)``."""

    def adjoint(y: Tensor) -> Tensor:
        _, sums, row = exponential_product(query, key, key[..., :0])
        none = torch.zeros_like(key[..., :1])
        return exponential_product(key, query, y / sums, row=none, column=row, ceiling=0.0)[0]

    return lambda z: attend(query, key, z), adjoint
