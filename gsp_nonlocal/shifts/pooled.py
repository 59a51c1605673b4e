"""Graphs whose edges start at pooled positions: rectangular weights after a pooling."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

from filters.checks import require_alike, require_integer
from filters.export import is_exporting
from filters.operators.mixing import mix_channels
from filters.operators.promises import Promises
from gsp_nonlocal.shifts.implicit import ImplicitShift, TransposedShift

PoolKind = Literal["max", "average"]
Product = Callable[[Tensor], Tensor]
"""``(…, N, C) -> (…, M, C)``: a matrix times a signal or a block of vectors."""

NOTHING = Promises()

_POOLS: dict[str, dict[int, Callable[..., Tensor]]] = {
    "max": {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d},
    "average": {1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d},
}


@dataclass(frozen=True, eq=False)  # torch.compile hashes it before its fields are there
class Pool:
    r"""Pooling of a map's node signals by 2 a direction (3-D: not in time), ``(B, N, C) → (B, M, C)``.

    Args:
        kind: ``"max"`` or ``"average"``.
        spatial: size of the map, ``N = ∏ spatial``.

    Raises:
        ValueError: for another kind, or a map that is smaller than a window.

    Example:
        >>> Pool("average", (4, 6))(torch.ones(2, 24, 3)).shape
        torch.Size([2, 6, 3])
    """

    kind: PoolKind
    spatial: tuple[int, ...]

    def __post_init__(self) -> None:
        require_pool(self.kind)
        for size in () if is_exporting() else self.spatial:  # recorded sizes are tensors or symbols
            require_integer("a side of a map", size)
        if len(self.spatial) not in _POOLS[self.kind]:
            raise ValueError(f"pooling takes maps of 1, 2 or 3 dimensions, got the size {self.spatial}")
        if any(size < window for size, window in zip(self.spatial, self.window, strict=True)):
            raise ValueError(
                f"a map of size {self.spatial} is smaller than the pooling window {self.window}; "
                "use sub_sample=None, or put the block where maps are larger"
            )

    @property
    def window(self) -> tuple[int, ...]:
        """Side lengths of the window, which are its strides as well."""
        return (1, 2, 2) if len(self.spatial) == 3 else (2,) * len(self.spatial)

    @property
    def pooled(self) -> tuple[int, ...]:
        """Size of the pooled map."""
        return tuple(size // window for size, window in zip(self.spatial, self.window, strict=True))

    def __call__(self, z: Tensor) -> Tensor:
        pool = _POOLS[self.kind][len(self.spatial)]
        return pool(z.mT.unflatten(2, self.spatial), self.window).flatten(2).mT

    def adjoint(self, y: Tensor) -> Tensor:
        """``Pᵀ y`` of average pooling ``P``: every pooled value, shared equally among its window."""
        grid = y.mT.unflatten(2, self.pooled)
        padding: list[int] = []
        for axis, window in enumerate(self.window):
            grid = grid.repeat_interleave(window, dim=2 + axis) / window
            padding = [0, self.spatial[axis] - grid.shape[2 + axis], *padding]
        return functional.pad(grid, padding).flatten(2).mT

    def matrix(self, like: Tensor) -> Tensor:
        """``P (1, M, N)`` of average pooling."""
        nodes = math.prod(self.spatial)
        return self(torch.eye(nodes, dtype=like.dtype, device=like.device).unsqueeze(0))


def require_pooled(query: Tensor, key: Tensor, pool: Pool) -> None:
    """Raise unless there is a query for each position of ``pool``, and a key for each pooled one."""
    sizes = tuple(math.prod(size) for size in (pool.spatial, pool.pooled))
    if query.dim() != 3 or key.dim() != 3 or (query.shape[1], key.shape[1]) != sizes:
        raise ValueError(
            f"a map of size {pool.spatial}, pooled to {pool.pooled}, has queries (B, {sizes[0]}, R) and keys "
            f"(B, {sizes[1]}, R), got {tuple(query.shape)} and {tuple(key.shape)}"
        )
    require_alike("a pooled shift", query=query, key=key)


def require_pool(kind: str) -> None:
    """Raise a ``ValueError`` unless ``kind`` is a :data:`PoolKind`."""
    if kind not in get_args(PoolKind):
        raise ValueError(f"unknown pooling {kind!r}; choose one of: {', '.join(get_args(PoolKind))}")


class PooledShift(ImplicitShift):
    r"""``S z = W P z``: weights ``W (N × M)`` from ``M`` pooled positions, after the pooling ``P``.

    With average pooling this is a graph of rank ``M`` as any other. **Max pooling is not linear**: with it
    ``S z`` is what the known implementations compute, but no matrix does the same, so there is no transpose,
    no spectrum and no response: such a block leaves the graph-filter view.

    Args:
        products: gives from queries and keys the functions ``z ↦ W z`` and ``y ↦ Wᵀ y``.
        query: what the ``N`` positions are known by, ``(B, N, R)``.
        key: what the ``M`` pooled positions are known by, ``(B, M, R)``.
        pool: ``P``.
        promises: what is known of ``S``; nothing by default.

    Raises:
        TypeError: if queries and keys are not real floating-point, or of two types.
        ValueError: if there is not one query for each position and one key for each pooled one, or devices
            or batches do not fit; with max pooling, by all that needs a matrix: ``T``, :meth:`to_dense`.

    References:
        Wang, Girshick, Gupta, He (2018), their "subsampling trick".

    Example:
        >>> from gsp_nonlocal.shifts import Pool, PooledShift
        >>> from gsp_nonlocal.shifts.attention import attention_products
        >>> x, pool = torch.randn(1, 36, 8), Pool("average", (6, 6))
        >>> S = PooledShift(attention_products, x, pool(x), pool)  # softmax(x (P x)ᵀ) P
        >>> S.key.shape, torch.allclose(S @ torch.ones(1, 36, 1), torch.ones(1, 36, 1))
        (torch.Size([1, 9, 8]), True)
    """

    def __init__(
        self,
        products: Callable[[Tensor, Tensor], tuple[Product, Product]],
        query: Tensor,
        key: Tensor,
        pool: Pool,
        promises: Promises = NOTHING,
    ) -> None:
        require_pooled(query, key, pool)
        super().__init__(query, promises)
        self.products, self.query, self.key, self.pool = products, query, key, pool

    def apply(self, z: Tensor) -> Tensor:
        return self._product(self.pool(z))

    def apply_adjoint(self, y: Tensor) -> Tensor:
        """``Pᵀ Wᵀ y``, for average pooling."""
        return self.pool.adjoint(self.products(self.query, self.key)[1](y))

    def _product(self, pooled: Tensor) -> Tensor:
        return self.products(self.query, self.key)[0](pooled)

    @property
    def T(self) -> TransposedShift:  # noqa: N802
        self._require_linear()
        return TransposedShift(self)

    def to_dense(self) -> Tensor:
        self._require_linear()
        return self._product(self.pool.matrix(self.query)).expand(self.shape)

    def mapped(self, function: Callable[[Tensor], Tensor], promises: Promises | None = None) -> PooledShift:
        query, key = function(self.query), function(self.key)
        return PooledShift(self.products, query, key, self.pool, promises or self.promises)

    def _require_linear(self) -> None:
        if self.pool.kind == "max":
            raise ValueError(
                "max pooling of values is not linear, so this shift has no matrix, transpose or spectrum; "
                'use sub_sample="average"'
            )


def pyramid(spatial: Sequence[int], sizes: Sequence[int], like: Tensor) -> Tensor:
    r"""``P (M, N)``: average pooling of a map to ``s`` positions a side, for each ``s`` of ``sizes``.

    ``M = Σ s^d``. Windows are those of PyTorch's adaptive pooling; where a map has fewer positions than
    ``s``, they overlap.

    Args:
        spatial: size of the map, of any dimension ``d``.
        sizes: the levels, for example ``(1, 3, 6, 8)``.
        like: a tensor of the data type and device wanted.

    References:
        Zhu et al. (2019), *Asymmetric Non-local Neural Networks for Semantic Segmentation*.
    """
    levels = []
    for size in sizes:
        level = torch.ones(1, 1, dtype=like.dtype, device=like.device)
        for length in spatial:
            line = _windows(length, size, like)
            level = torch.einsum("mn,sl->msnl", level, line).flatten(2).flatten(0, 1)  # kron fails for 1 × l
        levels.append(level)
    return torch.cat(levels)


def _windows(length: int, size: int, like: Tensor) -> Tensor:
    """``(s, l)``: the means over positions ``⌊i l / s⌋`` to ``⌈(i + 1) l / s⌉ − 1`` of a line of ``l``."""
    position = torch.arange(length, device=like.device)
    window = torch.arange(size, device=like.device).unsqueeze(1)
    first, end = window * length // size, ((window + 1) * length + size - 1) // size
    inside = (position >= first) & (position < end)
    return inside.to(like.dtype) / (end - first)


def factor_products(query: Tensor, key: Tensor) -> tuple[Product, Product]:
    """``z ↦ W z`` and ``y ↦ Wᵀ y`` for ``W = q kᵀ / M``, ``(N × M)``."""
    count = key.shape[1]
    return (
        lambda z: mix_channels(query, key.mT @ z / count),
        lambda y: mix_channels(key, query.mT @ y / count),
    )
