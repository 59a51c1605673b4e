"""Edges from one set of nodes to another: rectangular weights, as a matrix or of queries and keys."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from filters.checks import require_tensor
from filters.precision import widened
from gsp_nonlocal.shifts.exponential import CHUNK


class Biadjacency(ABC):
    """``A (B, N, M)``: what ``M`` sources weigh in each of ``N`` targets; a bipartite graph, and no shift.

    A matrix that is not square has no eigenvalues; it has singular values.
    """

    shape: torch.Size
    dtype: torch.dtype
    device: torch.device

    @abstractmethod
    def __matmul__(self, z: Tensor) -> Tensor:
        """``A z``, for a signal ``z (B, M, C)`` on the sources."""

    @abstractmethod
    def adjoint(self, y: Tensor) -> Tensor:
        """``Aᵀ y``, for a signal ``y (B, N, C)`` on the targets."""

    @abstractmethod
    def rows(self, nodes: Tensor) -> Tensor:
        """``(B, n, M)``: the weights of some targets ``(n,)``."""

    @abstractmethod
    def mapped(self, function: Callable[[Tensor], Tensor]) -> Biadjacency:
        """The same of ``function`` of every tensor that holds it."""

    def to_dense(self) -> Tensor:
        """``A`` as a tensor."""
        return self.rows(torch.arange(self.shape[1], device=self.device))

    def graph(self, index: int) -> Biadjacency:
        """Number ``index`` of the batch, as a batch of one."""
        return self.mapped(lambda part: part[index : index + 1] if part.shape[0] > 1 else part)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(shape={tuple(self.shape)}, dtype={self.dtype})"


class DenseBiadjacency(Biadjacency):
    """``A`` as its matrix.

    Args:
        matrix: ``(B, N, M)``.

    Raises:
        TypeError: if it is no tensor.
        ValueError: for another number of dimensions.

    Example:
        >>> A = DenseBiadjacency(torch.full((1, 2, 4), 0.25))
        >>> A @ torch.ones(1, 4, 1)
        tensor([[[1.],
                 [1.]]])
    """

    def __init__(self, matrix: Tensor) -> None:
        require_tensor("a biadjacency matrix", matrix)
        if matrix.dim() != 3:
            raise ValueError(f"a biadjacency matrix has shape (B, N, M), got {tuple(matrix.shape)}")
        self.matrix = matrix
        self.shape, self.dtype, self.device = matrix.shape, matrix.dtype, matrix.device

    def __matmul__(self, z: Tensor) -> Tensor:
        return self.matrix @ z

    def adjoint(self, y: Tensor) -> Tensor:
        return self.matrix.mT @ y

    def rows(self, nodes: Tensor) -> Tensor:
        return self.matrix[:, nodes]

    def mapped(self, function: Callable[[Tensor], Tensor]) -> DenseBiadjacency:
        return DenseBiadjacency(function(self.matrix))


@dataclass(frozen=True, eq=False)
class Exponents:
    r"""``scale · q_iᵀ k_j + b_ij``, and which of them are left out: what a softmax over ``j`` is taken of.

    Attributes:
        query: ``q (B, N, R)``.
        key: ``k (B, M, R)``.
        scale: of their products.
        bias: ``b``, broadcast to ``(B, N, M)``; by default 0.
        hidden: 1 where an edge is left out and 0 elsewhere, broadcast likewise; by default none is.
        is_causal: leave out all edges from later nodes, ``j > i``.
    """

    query: Tensor
    key: Tensor
    scale: float = 1.0
    bias: Tensor | None = None
    hidden: Tensor | None = None
    is_causal: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether nothing is added or left out."""
        return self.bias is None and self.hidden is None and not self.is_causal

    def weights(self, nodes: Tensor, sources: int) -> Tensor:
        """``softmax (B, n, sources)`` of some rows over the first sources; 0 in a row without an edge."""
        exponents = self.scale * widened(self.query[:, nodes]) @ widened(self.key[:, :sources]).mT
        if self.bias is not None:
            exponents += _part(self.bias, nodes, sources)
        hidden = self._hidden(nodes, sources)
        if hidden is None:
            return torch.softmax(exponents, dim=-1)
        weights = torch.softmax(exponents.masked_fill(hidden, -torch.inf), dim=-1)
        return weights.masked_fill(hidden.all(dim=-1, keepdim=True), 0.0)

    def _hidden(self, nodes: Tensor, sources: int) -> Tensor | None:
        hidden = None if self.hidden is None else _part(self.hidden, nodes, sources) > 0.5
        if not self.is_causal:
            return hidden
        later = (torch.arange(sources, device=nodes.device) > nodes.unsqueeze(-1)).unsqueeze(0)
        return later if hidden is None else hidden | later

    def mapped(self, function: Callable[[Tensor], Tensor]) -> Exponents:
        """The same of ``function`` of every tensor."""
        bias = None if self.bias is None else function(self.bias)
        hidden = None if self.hidden is None else function(self.hidden)
        return replace(self, query=function(self.query), key=function(self.key), bias=bias, hidden=hidden)

    def chunks(self) -> Iterator[tuple[Tensor, int]]:
        """Rows whose weights exist at once, and up to which source they have any."""
        (batch, nodes, _), sources = self.query.shape, self.key.shape[1]
        step = max(CHUNK // max(batch * sources, 1), min(nodes, 32))
        for part in torch.arange(nodes, device=self.query.device).split(step):
            yield part, min(int(part[-1]) + 1, sources) if self.is_causal else sources

    def product(self, z: Tensor) -> Tensor:
        """``softmax(·) z``, ``(B, N, C)``, by chunks of rows."""
        return torch.cat([self.weights(part, last) @ z[:, :last] for part, last in self.chunks()], dim=1)

    def adjoint(self, y: Tensor) -> Tensor:
        """``softmax(·)ᵀ y``, ``(B, M, C)``, by chunks of rows."""
        total = y.new_zeros(len(y), self.key.shape[1], y.shape[-1])
        for part, last in self.chunks():
            total[:, :last] += self.weights(part, last).mT @ y[:, part]
        return total

    def rows(self, nodes: Tensor) -> Tensor:
        """Some whole rows."""
        return self.weights(nodes, self.key.shape[1])

    def diagonal(self) -> Tensor:
        """``(B, N)``: the weight of each node in itself."""
        found = [
            self.weights(part, last)[:, torch.arange(len(part)), part.clamp(max=last - 1)]
            for part, last in self.chunks()
        ]
        return torch.cat(found, dim=1)


class AttentionBiadjacency(Biadjacency):
    r"""``A = softmax(scale · q kᵀ + b)`` over the sources: cross-attention. Memory ``(N + M) R``.

    Args:
        exponents: of ``N`` queries and ``M`` keys.

    References:
        Vaswani et al. (2017), *Attention Is All You Need*.

    Example:
        >>> A = AttentionBiadjacency(Exponents(torch.randn(2, 5, 8), torch.randn(2, 7, 8)))
        >>> A.shape, torch.allclose(A @ torch.ones(2, 7, 1), torch.ones(2, 5, 1))
        (torch.Size([2, 5, 7]), True)
    """

    def __init__(self, exponents: Exponents) -> None:
        query, key = exponents.query, exponents.key
        self.exponents = exponents
        self.shape = torch.Size((*query.shape[:2], key.shape[1]))
        self.dtype, self.device = query.dtype, query.device

    def __matmul__(self, z: Tensor) -> Tensor:
        return self.exponents.product(widened(z)).to(z.dtype)

    def adjoint(self, y: Tensor) -> Tensor:
        return self.exponents.adjoint(widened(y)).to(y.dtype)

    def rows(self, nodes: Tensor) -> Tensor:
        return self.exponents.rows(nodes).to(self.dtype)

    def mapped(self, function: Callable[[Tensor], Tensor]) -> AttentionBiadjacency:
        return AttentionBiadjacency(self.exponents.mapped(function))


def _part(masks: Tensor, nodes: Tensor, sources: int) -> Tensor:
    """The rows and first columns of what may have one row or one column for all."""
    masks = masks if masks.shape[-2] == 1 else masks[..., nodes, :]
    return masks if masks.shape[-1] == 1 else masks[..., :sources]
