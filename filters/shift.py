"""The shift operator: the few things a graph filter may ask of a graph.

A shift ``S`` is the normalised adjacency of a graph with ``N`` nodes, eigenvalues ``μ ∈ [−1, 1]``.
The normalised Laplacian is ``L = I − S``; the graph frequency is ``λ = 1 − μ ∈ [0, 2]``. For a
Laplacian with another bound, ``S = I − 2 L / λ_max``. Every filter is written against this one
convention.

A shift is a small immutable value, not a module. This file holds the contract and the two plain
graphs that need nothing else; others live in :mod:`gsp_nonlocal.shifts`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor

from filters.linear import factorised, is_symmetric, on_parts, require_real_floating
from filters.mixing import is_channel_first
from filters.solve import iterate_resolvent

Scalar: TypeAlias = float | complex | Tensor
"""A number, or a zero-dimensional tensor where it is learned."""

Signal: TypeAlias = Any
"""A node signal: a tensor ``(B, N, C)``, or what ``shift.signal`` returns (same arithmetic)."""


class ShiftOperator(ABC):
    r"""The graph shift ``S ∈ R^{B×N×N}``, known by what it does to a signal.

    Subclasses give :attr:`shape`, :attr:`dtype`, :attr:`device`, :meth:`__call__`, :attr:`T`,
    :meth:`to_dense`, :meth:`mapped` and :meth:`__add__`; and, where they know a closed form,
    :meth:`resolvent` and :meth:`eigenpairs`.

    Attributes:
        is_symmetric: whether ``S = Sᵀ`` by construction.
        is_row_stochastic: whether entries are ``≥ 0`` and rows sum to 1, or to 0, by construction.
        spectral_bound: a proven upper bound of ``|μ|`` over the eigenvalues ``μ`` of ``S``, or
            ``None`` where none is known.
    """

    is_symmetric: bool = False
    is_row_stochastic: bool = False
    spectral_bound: float | None = None

    @property
    @abstractmethod
    def shape(self) -> torch.Size:
        """``(B, N, N)``."""

    @property
    @abstractmethod
    def dtype(self) -> torch.dtype:
        """Data type of the operator's numbers."""

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Device of the operator's numbers."""

    @abstractmethod
    def __call__(self, z: Signal) -> Signal:
        """``S z`` for a signal ``z (B, N, C)``."""

    def __matmul__(self, z: Signal) -> Signal:
        """``S z``, as ``shift @ z``; filters write ``shift(z)``, which ``torch.compile`` can trace."""
        return self(z)

    @property
    @abstractmethod
    def T(self) -> ShiftOperator:  # noqa: N802  (the transpose, as in torch)
        """``Sᵀ``."""

    def resolvent(self, a: Scalar, b: Scalar) -> Callable[[Signal], Signal]:
        """``z ↦ (a I + b S)⁻¹ z``, to be applied many times; ``a`` and ``b`` may be complex.

        Where a shift has no closed form, each application iterates to a stated tolerance:
        :func:`filters.solve.iterate_resolvent`.
        """
        return iterate_resolvent(self, a, b)

    def solve(self, z: Signal, a: Scalar, b: Scalar) -> Signal:
        """``(a I + b S)⁻¹ z``, once."""
        return self.resolvent(a, b)(z)

    def eigenpairs(self) -> tuple[Tensor, Tensor] | None:
        """``μ (B, K)`` and orthonormal ``U (B, N, K)`` with ``S = U diag(μ) Uᵀ``, for symmetric shifts.

        Without gradients. Eigenvalues left out (``K < N``) are 0. ``None`` where there is no exact way.
        """
        return None

    @abstractmethod
    def to_dense(self) -> Tensor:
        """``S`` as a tensor ``(B, N, N)``: N² numbers, for small graphs and for tests."""

    @abstractmethod
    def mapped(self, function: Callable[[Tensor], Tensor]) -> ShiftOperator:
        """The same operator made of ``function(tensor)`` for each tensor that holds it.

        The first dimension of each is the batch, or 1. :meth:`to`, :meth:`detach` and :meth:`graph` are this.
        """

    def to(self, target: torch.dtype | torch.device | str) -> ShiftOperator:
        """The same operator in another data type or on another device."""
        return self if target == self.dtype else self.mapped(lambda part: part.to(target))

    def detach(self) -> ShiftOperator:
        """The same operator without gradients."""
        return self.mapped(Tensor.detach)

    def graph(self, index: int) -> ShiftOperator:
        """Graph number ``index`` of the batch, as a batch of one.

        Raises:
            IndexError: if there is no such graph.
        """
        if not 0 <= index < self.shape[0]:
            raise IndexError(f"graph {index} is out of range: the batch has {self.shape[0]}, counted from 0")
        return self.mapped(lambda part: part[index : index + 1] if len(part) > 1 else part)

    @abstractmethod
    def __add__(self, other: ShiftOperator) -> ShiftOperator:
        """``S + S'``."""

    def signal(self, z: Tensor) -> Signal:
        """``z`` in the form in which this shift's filters are cheapest; by default ``z`` itself."""
        return z

    def __repr__(self) -> str:
        return f"{type(self).__name__}(shape={tuple(self.shape)}, dtype={self.dtype})"


class DenseShift(ShiftOperator):
    r"""``S = matrix``: any tensor ``(B, N, N)``. ``S @ z`` costs ``N² C``.

    Args:
        matrix: real floating-point tensor ``(B, N, N)``, or ``(N, N)`` for one graph.
        is_symmetric: promise that ``S = Sᵀ``; it is not checked (that would cost N²).
        spectral_bound: a bound of ``|μ|``, if one is known.

    Raises:
        TypeError: if ``matrix`` is not a real floating-point tensor.
        ValueError: if it is not square.

    Example:
        >>> S = DenseShift(torch.tensor([[0.0, 1.0], [1.0, 0.0]]), is_symmetric=True)
        >>> S @ torch.tensor([[[1.0], [2.0]]])
        tensor([[[2.],
                 [1.]]])
    """

    def __init__(
        self,
        matrix: Tensor,
        *,
        is_symmetric: bool = False,
        spectral_bound: float | None = None,
    ) -> None:
        require_real_floating(matrix, "a shift")
        if matrix.dim() not in (2, 3) or matrix.shape[-1] != matrix.shape[-2]:
            raise ValueError(
                f"a shift is a square matrix (B, N, N) or (N, N), got shape {tuple(matrix.shape)}"
            )
        self.matrix = matrix if matrix.dim() == 3 else matrix.unsqueeze(0)
        self.is_symmetric = is_symmetric
        self.spectral_bound = spectral_bound

    @property
    def shape(self) -> torch.Size:
        return self.matrix.shape

    @property
    def dtype(self) -> torch.dtype:
        return self.matrix.dtype

    @property
    def device(self) -> torch.device:
        return self.matrix.device

    def __call__(self, z: Signal) -> Signal:
        return on_parts(self._propagate, z)

    @property
    def T(self) -> DenseShift:  # noqa: N802
        return self._like(self.matrix.mT)

    def resolvent(self, a: Scalar, b: Scalar) -> Callable[[Signal], Signal]:
        eye = torch.eye(self.shape[-1], dtype=self.dtype, device=self.device)
        return factorised(a * eye + b * self.matrix)

    def eigenpairs(self) -> tuple[Tensor, Tensor]:
        matrix = self.matrix.detach()
        eigenvalues, vectors = torch.linalg.eigh(0.5 * (matrix + matrix.mT))
        return eigenvalues, vectors

    def to_dense(self) -> Tensor:
        return self.matrix

    def mapped(self, function: Callable[[Tensor], Tensor]) -> DenseShift:
        return self._like(function(self.matrix))

    def __add__(self, other: ShiftOperator) -> DenseShift:
        require_same_nodes(self, other)
        return DenseShift(
            self.matrix + other.to_dense(),
            is_symmetric=self.is_symmetric and other.is_symmetric,
            spectral_bound=added_bounds(self, other),
        )

    def _propagate(self, z: Tensor) -> Tensor:
        if not is_channel_first(z):
            return self.matrix @ z
        return (z.mT @ self.matrix.mT).mT  # in the memory layout of z

    def _like(self, matrix: Tensor) -> DenseShift:
        return DenseShift(matrix, is_symmetric=self.is_symmetric, spectral_bound=self.spectral_bound)


class DiagonalShift(ShiftOperator):
    r"""``S = diag(μ)``: a graph that is already in its own spectral domain.

    A filter that runs on ``DiagonalShift(1 − λ)`` returns its own frequency response at ``λ``.

    Args:
        eigenvalues: ``μ``, shape ``(B, N)`` or ``(N,)``, real.

    Example:
        >>> DiagonalShift(torch.tensor([1.0, -1.0])) @ torch.ones(1, 2, 1)
        tensor([[[ 1.],
                 [-1.]]])
    """

    is_symmetric = True

    def __init__(self, eigenvalues: Tensor) -> None:
        require_real_floating(eigenvalues, "a diagonal shift")
        if eigenvalues.dim() not in (1, 2):
            raise ValueError(f"eigenvalues have shape (B, N) or (N,), got {tuple(eigenvalues.shape)}")
        self.eigenvalues = torch.atleast_2d(eigenvalues)

    @property
    def shape(self) -> torch.Size:
        batch, nodes = self.eigenvalues.shape
        return torch.Size((batch, nodes, nodes))

    @property
    def dtype(self) -> torch.dtype:
        return self.eigenvalues.dtype

    @property
    def device(self) -> torch.device:
        return self.eigenvalues.device

    def __call__(self, z: Signal) -> Signal:
        return self.eigenvalues.unsqueeze(-1) * z

    @property
    def T(self) -> DiagonalShift:  # noqa: N802
        return self

    def resolvent(self, a: Scalar, b: Scalar) -> Callable[[Signal], Signal]:
        divisor = a + b * self.eigenvalues.unsqueeze(-1)
        return lambda z: z / divisor

    def eigenpairs(self) -> tuple[Tensor, Tensor]:
        return self.eigenvalues.detach(), torch.diag_embed(torch.ones_like(self.eigenvalues))

    def to_dense(self) -> Tensor:
        return torch.diag_embed(self.eigenvalues)

    def mapped(self, function: Callable[[Tensor], Tensor]) -> DiagonalShift:
        return DiagonalShift(function(self.eigenvalues))

    def __add__(self, other: ShiftOperator) -> ShiftOperator:
        if isinstance(other, DiagonalShift):
            require_same_nodes(self, other)
            return DiagonalShift(self.eigenvalues + other.eigenvalues)
        return DenseShift(self.to_dense(), is_symmetric=True) + other


def as_shift(shift: ShiftOperator | Tensor) -> ShiftOperator:
    """A shift as it is; a plain tensor ``(B, N, N)`` or ``(N, N)`` as a :class:`DenseShift`.

    Raises:
        TypeError: for anything else.
    """
    if isinstance(shift, ShiftOperator):
        return shift
    if isinstance(shift, Tensor):
        return DenseShift(shift)
    raise TypeError(
        f"expected a ShiftOperator or a tensor (B, N, N), got {type(shift).__name__}; "
        "filters are called f(z, shift)"
    )


def recognised(matrix: Tensor) -> DenseShift:
    """A plain tensor as a shift that is symmetric where it equals its transpose up to rounding."""
    shift = DenseShift(matrix)
    shift.is_symmetric = is_symmetric(shift.matrix)
    return shift


def require_same_nodes(one: ShiftOperator, other: ShiftOperator) -> None:
    """Raise a ``ValueError`` unless both shifts act on the same number of nodes."""
    if one.shape[-1] != other.shape[-1]:
        raise ValueError(f"shifts act on different graphs: {one.shape[-1]} and {other.shape[-1]} nodes")


def added_bounds(*shifts: ShiftOperator) -> float | None:
    """A bound of the spectrum of the sum: the sum of the bounds, where they are bounds of one kind.

    ``|μ|`` is at most the norm, which bounds of symmetric shifts are, and at most the greatest sum of a row,
    which those of row-stochastic shifts are. Each of the two adds up.
    """
    bounds = [shift.spectral_bound for shift in shifts if shift.spectral_bound is not None]
    alike = all(shift.is_symmetric for shift in shifts) or all(shift.is_row_stochastic for shift in shifts)
    return sum(bounds) if alike and len(bounds) == len(shifts) else None
