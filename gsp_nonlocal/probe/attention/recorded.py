"""One attention as a forward pass computed it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from filters.precision import widened


@dataclass(frozen=True, eq=False)
class Scores:
    r"""``scale · q kᵀ + b`` before a softmax, as far as it is known.

    Attributes:
        query: ``(…, N, R)``.
        key: ``(…, M, R)``; with fewer heads where several queries share one.
        scale: of the products.
        bias: added, broadcast to ``(…, N, M)``; ``−∞`` leaves an edge out.
        is_causal: whether later keys are left out.
        is_data: whether both are computed, and none a parameter.
    """

    query: Tensor
    key: Tensor
    scale: float = 1.0
    bias: Tensor | None = None
    is_causal: bool = False
    is_data: bool = False

    @property
    def shape(self) -> torch.Size:
        """``(…, N, M)``."""
        lead = _common(self.query.shape[:-2], self.key.shape[:-2])
        return torch.Size((*lead, self.query.shape[-2], self.key.shape[-2]))

    def scaled(self, factor: float) -> Scores:
        """These times a number."""
        bias = None if self.bias is None else self.bias * factor
        return replace(self, scale=self.scale * factor, bias=bias)

    def biased(self, bias: Tensor) -> Scores:
        """These with something added."""
        return replace(self, bias=bias if self.bias is None else self.bias + bias)

    @property
    def swapped(self) -> Scores:
        """The scores of keys in queries."""
        bias = self.bias
        if bias is not None:
            bias = bias.expand(self.shape).mT
        return Scores(self.key, self.query, self.scale, bias)

    def agree(self, weights: Tensor) -> bool:
        """Whether a softmax of these gives ``weights``, by two rows of the first and of the last graph.

        Scores that were changed in a way that was not followed would be found here.
        """
        shape, nodes = self.shape, weights.shape[-2]
        if weights.shape != shape:
            return False
        rows = torch.tensor([nodes // 3, nodes - 1], device=weights.device)
        eps = max(torch.finfo(part.dtype).eps for part in (self.query, weights))
        graphs = {(0,) * (len(shape) - 2), tuple(size - 1 for size in shape[:-2])}
        return all(
            bool(((self._rows(graph, rows) - weights[graph][rows]).abs() <= 100 * eps).all())
            for graph in graphs
        )

    def _rows(self, graph: tuple[int, ...], rows: Tensor) -> Tensor:
        """The softmax of some rows of one graph."""
        query, key = (widened(_of(part, graph)) for part in (self.query, self.key))
        exponents = self.scale * query[rows] @ key.mT
        if self.bias is not None:
            bias = _of(self.bias, graph)
            exponents = exponents + (bias if bias.dim() < 2 or len(bias) == 1 else bias[rows])
        return torch.softmax(exponents, dim=-1)


def _common(one: torch.Size, other: torch.Size) -> torch.Size:
    """The broadcast shape; PyTorch's function takes 40 µs."""
    return one if one == other else torch.broadcast_shapes(one, other)


def _of(part: Tensor, graph: tuple[int, ...]) -> Tensor:
    """One graph's part of what is broadcast over the leading dimensions."""
    own = part.shape[:-2]
    places = graph[len(graph) - len(own) :]
    return part[tuple(0 if size == 1 else place for size, place in zip(own, places, strict=True))]


def as_it_is(product: Tensor) -> Tensor:
    """What is arranged already."""
    return product


@dataclass(frozen=True, eq=False)
class Attention:
    """One product ``A z``.

    Attributes:
        value: ``z (…, M, C)``.
        scores: what ``A`` is the softmax of; ``None`` where it is known otherwise.
        factors: ``(…, N, R)`` and ``(…, M, R)`` with ``A = left · rightᵀ``, of linear attention.
        matrix: ``A (…, N, M)`` where it was formed and its scores are not known.
        is_stochastic: whether rows sum to 1, or to 0.
        two_sets: whether queries and keys are known to be of different nodes.
        source: the tokens that the values were made of by a linear map, where that is known.
        arranged: the product as the function returned it, or its gradient, ``↦ (…, N, C)``.
    """

    value: Tensor
    scores: Scores | None = None
    matrix: Tensor | None = None
    factors: tuple[Tensor, Tensor] | None = None
    is_stochastic: bool = True
    two_sets: bool = False
    source: Tensor | None = None
    arranged: Callable[[Tensor], Tensor] = as_it_is

    @property
    def shape(self) -> torch.Size:
        """``(…, N, M)``, with the leading dimensions of the values."""
        if self.factors is not None:
            own = Scores(*self.factors).shape
        else:
            own = self.scores.shape if self.scores is not None else self._matrix.shape
        lead = _common(own[:-2], self.value.shape[:-2])
        return torch.Size((*lead, *own[-2:]))

    def with_heads(self, heads: int) -> Attention:
        """The same with ``(B · heads, …)`` taken apart to ``(B, heads, …)``."""

        def apart(part: Any) -> Any:
            return (
                part
                if part is None or part.dim() < 3 or part.shape[0] == 1
                else part.unflatten(0, (-1, heads))
            )

        scores = self.scores
        if scores is not None:
            query, key, bias = apart(scores.query), apart(scores.key), apart(scores.bias)
            scores = Scores(query, key, scores.scale, bias, scores.is_causal, scores.is_data)
        return replace(self, value=apart(self.value), scores=scores, matrix=apart(self.matrix))

    @property
    def _matrix(self) -> Tensor:
        assert self.matrix is not None
        return self.matrix
