"""The two plain graphs: any matrix, and a diagonal one; and plain tensors as shifts."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from filters.checks import require_some_node
from filters.operators.linear import factorised, is_symmetric, on_parts, require_real_floating, symmetrised
from filters.operators.mixing import is_channel_first
from filters.operators.promises import Promises, promised
from filters.operators.shift import ShiftOperator, require_same_nodes
from filters.operators.signal import S, Scalar, SignalMap, map_of_tensors


class DenseShift(ShiftOperator):
    r"""``S = matrix``: any tensor ``(B, N, N)``. ``S @ z`` costs ``N² C``.

    Args:
        matrix: real floating-point tensor ``(B, N, N)``, or ``(N, N)`` for one graph.
        is_symmetric: promise that ``S = Sᵀ``; it is not checked (that would cost N²).
        is_row_stochastic: promise that entries are ``≥ 0`` and rows sum to 1, or to 0.
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
        is_row_stochastic: bool = False,
        spectral_bound: float | None = None,
    ) -> None:
        require_real_floating(matrix, "a shift")
        if matrix.dim() not in (2, 3) or matrix.shape[-1] != matrix.shape[-2]:
            raise ValueError(
                f"a shift is a square matrix (B, N, N) or (N, N), got shape {tuple(matrix.shape)}"
            )
        require_some_node(matrix.shape)
        self.matrix = matrix if matrix.dim() == 3 else matrix.unsqueeze(0)
        self.promises = promised(is_symmetric, is_row_stochastic, spectral_bound)

    @property
    def shape(self) -> torch.Size:
        return self.matrix.shape

    @property
    def dtype(self) -> torch.dtype:
        return self.matrix.dtype

    @property
    def device(self) -> torch.device:
        return self.matrix.device

    def __call__(self, z: S) -> S:
        return on_parts(self._propagate, z)

    @property
    def T(self) -> DenseShift:  # noqa: N802
        return DenseShift(self.matrix.mT, **self.promises.transposed.keywords())

    def resolvent(self, a: Scalar, b: Scalar) -> SignalMap:
        eye = torch.eye(self.shape[-1], dtype=self.dtype, device=self.device)
        return map_of_tensors(factorised(a * eye + b * self.matrix))

    def eigenpairs(self) -> tuple[Tensor, Tensor]:
        eigenvalues, vectors = torch.linalg.eigh(symmetrised(self.matrix.detach()))
        return eigenvalues, vectors

    def to_dense(self) -> Tensor:
        return self.matrix

    def mapped(self, function: Callable[[Tensor], Tensor], promises: Promises | None = None) -> DenseShift:
        return DenseShift(function(self.matrix), **(promises or self.promises).keywords())

    def __add__(self, other: ShiftOperator) -> DenseShift:
        require_same_nodes(self, other)
        promises = Promises.of_sum([self.promises, other.promises])
        return DenseShift(self.matrix + other.to_dense(), **promises.keywords())

    def _propagate(self, z: Tensor) -> Tensor:
        if not is_channel_first(z):
            return self.matrix @ z
        return (z.mT @ self.matrix.mT).mT  # in the memory layout of z


class DiagonalShift(ShiftOperator):
    r"""``S = diag(μ)``: a graph that is already in its own spectral domain.

    A filter that runs on ``DiagonalShift(1 − λ)`` returns its own frequency response at ``λ``.

    Args:
        eigenvalues: ``μ``, shape ``(B, N)`` or ``(N,)``, real.
        spectral_bound: a bound of ``|μ|``, if one is known.

    Raises:
        TypeError: if ``eigenvalues`` is not a real floating-point tensor.
        ValueError: for another number of dimensions, or no node; if ``spectral_bound`` is negative or not
            finite; by :meth:`resolvent`, if ``aI + bS`` is singular, NaN or infinite.

    Example:
        >>> DiagonalShift(torch.tensor([1.0, -1.0])) @ torch.ones(1, 2, 1)
        tensor([[[ 1.],
                 [-1.]]])
    """

    def __init__(self, eigenvalues: Tensor, spectral_bound: float | None = None) -> None:
        require_real_floating(eigenvalues, "a diagonal shift")
        if eigenvalues.dim() not in (1, 2):
            raise ValueError(f"eigenvalues have shape (B, N) or (N,), got {tuple(eigenvalues.shape)}")
        require_some_node(eigenvalues.shape[-1:])
        self.eigenvalues = torch.atleast_2d(eigenvalues)
        self.promises = promised(True, False, spectral_bound)

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

    def __call__(self, z: S) -> S:
        return self.eigenvalues.unsqueeze(-1) * z

    @property
    def T(self) -> DiagonalShift:  # noqa: N802
        return self

    @property
    def diagonal(self) -> Tensor:
        return self.eigenvalues

    def resolvent(self, a: Scalar, b: Scalar) -> SignalMap:
        divisor = a + b * self.eigenvalues.unsqueeze(-1)
        has_numbers = not (torch.compiler.is_compiling() or divisor.is_meta)
        if has_numbers and not bool(((divisor != 0) & divisor.isfinite()).all()):
            raise ValueError(
                "aI + bS of a diagonal shift is singular, NaN or infinite: its eigenvalues must be finite, "
                "and −a/b none of them"
            )
        return map_of_tensors(lambda z: z / divisor)

    def eigenpairs(self) -> tuple[Tensor, Tensor]:
        return self.eigenvalues.detach(), torch.diag_embed(torch.ones_like(self.eigenvalues))

    def to_dense(self) -> Tensor:
        return torch.diag_embed(self.eigenvalues)

    def mapped(self, function: Callable[[Tensor], Tensor], promises: Promises | None = None) -> DiagonalShift:
        return DiagonalShift(function(self.eigenvalues), (promises or self.promises).bound)

    def __add__(self, other: ShiftOperator) -> ShiftOperator:
        if isinstance(other, DiagonalShift):
            require_same_nodes(self, other)
            bound = Promises.of_sum([self.promises, other.promises]).bound
            return DiagonalShift(self.eigenvalues + other.eigenvalues, bound)
        return DenseShift(self.to_dense(), **self.promises.keywords()) + other


def as_shift(shift: ShiftOperator | Tensor) -> ShiftOperator:
    """A shift as it is; a plain tensor ``(B, N, N)`` or ``(N, N)`` as a :class:`DenseShift`.

    Args:
        shift: any shift, or a real floating-point tensor.

    Returns:
        A shift; one that is made of a tensor promises nothing.

    Raises:
        TypeError: for anything else.
        ValueError: for a tensor that is not square, or has no node.

    Example:
        >>> as_shift(torch.eye(3))
        DenseShift(shape=(1, 3, 3), dtype=torch.float32)
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
    return DenseShift(shift.matrix, is_symmetric=is_symmetric(shift.matrix))
