"""Softmax attention in which edges are left out or biased: under a mask, or causal."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from filters.operators.promises import Promises
from gsp_nonlocal.shifts.attention import SOFTMAX
from gsp_nonlocal.shifts.biadjacency import Exponents
from gsp_nonlocal.shifts.implicit import ImplicitShift, TransposedShift


class MaskedAttentionShift(ImplicitShift):
    r"""``S = softmax(scale · q kᵀ + b)``, without the edges that a mask leaves out. Memory ``N (R + C)``, and
    that of the masks.

    Rows sum to 1, or to 0 where no edge is left. A causal graph has no edge from a later node: it is
    triangular, and its eigenvalues are its diagonal.

    Args:
        exponents: of as many queries as keys.
        promises: by default, and always true, that rows sum to 1 or 0 and ``|μ| ≤ 1``.

    Raises:
        ValueError: for more keys than queries, or fewer.

    References:
        Vaswani et al. (2017), *Attention Is All You Need*.

    Example:
        >>> q = torch.randn(1, 4, 8)
        >>> S = MaskedAttentionShift(Exponents(q, q, is_causal=True))
        >>> bool((S.to_dense().triu(1) == 0).all())
        True
    """

    def __init__(self, exponents: Exponents, *, promises: Promises | None = None) -> None:
        query, key = exponents.query, exponents.key
        if query.shape[1] != key.shape[1]:
            raise ValueError(
                f"a graph has as many keys as queries, got {key.shape[1]} and {query.shape[1]}; "
                "AttentionBiadjacency joins two sets of nodes"
            )
        super().__init__(query, promises or SOFTMAX)
        self.exponents = exponents

    def apply(self, z: Tensor) -> Tensor:
        return self.exponents.product(z)

    def apply_adjoint(self, z: Tensor) -> Tensor:
        return self.exponents.adjoint(z)

    @property
    def T(self) -> TransposedShift:  # noqa: N802
        return TransposedShift(self)

    def to_dense(self) -> Tensor:
        return self.exponents.rows(torch.arange(self.shape[-1], device=self.device)).to(self.dtype)

    def mapped(
        self, function: Callable[[Tensor], Tensor], promises: Promises | None = None
    ) -> MaskedAttentionShift:
        return MaskedAttentionShift(self.exponents.mapped(function), promises=promises or self.promises)
