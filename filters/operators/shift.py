"""The shift operator: the few things a graph filter may ask of a graph.

A shift ``S`` is the normalised adjacency of a graph with ``N`` nodes, eigenvalues ``μ ∈ [−1, 1]``.
The normalised Laplacian is ``L = I − S``; the graph frequency is ``λ = 1 − μ ∈ [0, 2]``. For a
Laplacian with another bound, ``S = I − 2 L / λ_max``. Every filter is written against this one
convention.

A shift is a small immutable value, not a module. This file holds the contract. The two plain graphs that need
nothing else stand in :mod:`filters.operators.plain`; others live in :mod:`gsp_nonlocal.shifts`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor

from filters.checks import require_alike
from filters.operators.gains import Gains
from filters.operators.promises import Promises
from filters.operators.ranks import ALL_HERE, Ranks, require_whole
from filters.operators.signal import S, Scalar, Signal, SignalMap, map_of_tensors
from filters.operators.solve import iterate_resolvent
from filters.precision import wide_dtype


class ShiftOperator(ABC):
    r"""The graph shift ``S ∈ R^{B×N×N}``, known by what it does to a signal.

    Subclasses give :attr:`shape`, :attr:`dtype`, :attr:`device`, :meth:`__call__`, :attr:`T`,
    :meth:`to_dense`, :meth:`mapped` and :meth:`__add__`; and, where they know a closed form,
    :meth:`resolvent`, :meth:`eigenpairs` and :attr:`diagonal`.

    Attributes:
        promises: what is known of ``S`` by construction. It is set once, when the shift is made, and handed
            on whole to whatever is made of it; a shift is never changed.
        ranks: the processes that hold its nodes; by default this one alone. (Constructors take ``None`` for
            it: ``torch.compile`` does not know an object that stands as a default.)

    Raises:
        TypeError: by ``S @ z`` and :meth:`solve`, if ``z`` is neither floating-point nor complex.
        ValueError: by these, if ``z`` is no signal ``(B, N, C)`` on the nodes and the device of the shift.

    References:
        Sandryhaila, Moura (2013), *Discrete Signal Processing on Graphs*.

    Example:
        >>> from filters import DenseShift, ShiftOperator
        >>> from filters.operators.promises import Promises
        >>> class RankOne(ShiftOperator):  # S = u uᵀ, kept as u (B, N, 1)
        ...     def __init__(self, u, promises=Promises(symmetric=True)):
        ...         self.u, self.promises = u, promises
        ...     shape = property(lambda self: self.u.expand(-1, -1, self.u.shape[1]).shape)
        ...     dtype = property(lambda self: self.u.dtype)
        ...     device = property(lambda self: self.u.device)
        ...     T = property(lambda self: self)
        ...     def __call__(self, z):
        ...         return self.u * (self.u * z).sum(dim=1, keepdim=True)
        ...     def to_dense(self):
        ...         return self.u @ self.u.mT
        ...     def mapped(self, function, promises=None):
        ...         return RankOne(function(self.u), promises or self.promises)
        ...     def __add__(self, other):
        ...         return DenseShift(self.to_dense(), **self.promises.keywords()) + other
        >>> S = RankOne(torch.full((1, 4, 1), 0.5))
        >>> (S @ torch.arange(4.0).view(1, 4, 1)).flatten()
        tensor([1.5000, 1.5000, 1.5000, 1.5000])
    """

    promises: Promises = Promises()
    ranks: Ranks = ALL_HERE

    @property
    def is_symmetric(self) -> bool:
        """Whether ``S = Sᵀ`` by construction."""
        return self.promises.symmetric

    @property
    def is_row_stochastic(self) -> bool:
        """Whether entries are ``≥ 0`` and rows sum to 1, or to 0, by construction."""
        return self.promises.row_stochastic

    @property
    def spectral_bound(self) -> float | None:
        """A proven upper bound of ``|μ|`` over the eigenvalues ``μ`` of ``S``, or ``None``."""
        return self.promises.bound

    @property
    def diagonal(self) -> Tensor | None:
        """``μ (B, N)`` where ``S = diag(μ)`` is known as such; ``None`` for a graph with edges."""
        return None

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
    def __call__(self, z: S) -> S:
        """``S z`` for a signal ``z (B, N, C)``."""

    def __matmul__(self, z: S) -> S:
        """``S z`` in the greater precision of the two, checked; filters write ``shift(z)``, which
        ``torch.compile`` can trace."""
        if not isinstance(z, Tensor):
            return self(z)
        require_signal(z, self)
        wide = torch.promote_types(z.real.dtype, self.dtype)
        return cast(S, self.to(wide)(z.to(torch.promote_types(z.dtype, wide))))

    @property
    @abstractmethod
    def T(self) -> ShiftOperator:  # noqa: N802  (the transpose, as in torch)
        """``Sᵀ``."""

    def resolvent(self, a: Scalar, b: Scalar) -> SignalMap:
        """``z ↦ (a I + b S)⁻¹ z``, to be applied many times; ``a`` and ``b`` may be complex.

        Where a shift has no closed form, each application iterates to a stated tolerance:
        :func:`filters.operators.solve.iterate_resolvent`.
        """
        remedy = "use a polynomial filter, ARMA(iterations=T), or a low-rank affinity such as ReLUDot"
        require_whole(self.ranks, "a resolvent by iteration", remedy)
        return map_of_tensors(iterate_resolvent(self, a, b))

    def solve(self, z: S, a: Scalar, b: Scalar) -> S:
        """``(a I + b S)⁻¹ z``, once, in the greater precision of ``z`` and ``S``, float32 or better.

        Raises:
            ValueError: for numbers that are not finite, or a system that is singular.
        """
        for name, number in (("a", a), ("b", b)):
            if isinstance(number, int | float | complex) and not abs(number) < math.inf:  # also compiled
                raise ValueError(f"{name} in (aI + bS)⁻¹ must be finite, got {number}")
        if not isinstance(z, Tensor):
            return self.resolvent(a, b)(z)
        require_signal(z, self)
        wide = wide_dtype(z.real, self)
        return cast(S, self.to(wide).resolvent(a, b)(z.to(torch.promote_types(z.dtype, wide))))

    def before_solve(self, z: S, a: Scalar, b: Scalar) -> S:
        """``z`` in the precision that ``(a I + b S)⁻¹ p(S) z`` needs; by default ``z`` itself.

        For filters that solve after a polynomial. ``a`` may be a vector, of several resolvents.
        """
        return z

    def eigenpairs(self) -> tuple[Tensor, Tensor] | None:
        """``μ (B, K)`` and orthonormal ``U (B, N, K)`` with ``S = U diag(μ) Uᵀ``, for symmetric shifts.

        Without gradients. Eigenvalues left out (``K < N``) are 0. ``None`` where there is no exact way.
        """
        return None

    def function(self, z: S, gains: Callable[[Tensor], Gains]) -> S | None:
        """``f(S) z`` of a symmetric shift by a small eigenvalue problem, whose ``μ (B, K)`` ``gains`` takes.

        ``None`` where there is none, or none that is well-conditioned: then by :meth:`eigenpairs`.
        """
        return None

    @abstractmethod
    def to_dense(self) -> Tensor:
        """``S`` as a tensor ``(B, N, N)``: N² numbers, for small graphs and for tests."""

    def prepared(self) -> ShiftOperator:
        """The same operator for several products in one call: what it computes of its tensors is computed.

        By default the shift itself. What is prepared is not kept: it holds the autograd graph of this call.
        """
        return self

    @abstractmethod
    def mapped(self, function: Callable[[Tensor], Tensor], promises: Promises | None = None) -> ShiftOperator:
        """The same operator made of ``function(tensor)`` for each tensor that holds it.

        The first dimension of each is the batch, or 1. ``promises`` are those of the result, by default its
        own. :meth:`to`, :meth:`detach`, :meth:`graph` and :meth:`promising` are this.
        """

    def promising(self, promises: Promises) -> ShiftOperator:
        """The same operator with these promises."""
        return self.mapped(lambda part: part, promises)

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
        return self.mapped(lambda part: part[index : index + 1] if part.shape[0] > 1 else part)

    @abstractmethod
    def __add__(self, other: ShiftOperator) -> ShiftOperator:
        """``S + S'``."""

    def signal(self, z: Tensor) -> Signal:
        """``z`` in the form in which this shift's filters are cheapest; by default ``z`` itself."""
        return z

    def __repr__(self) -> str:
        return f"{type(self).__name__}(shape={tuple(self.shape)}, dtype={self.dtype})"


def require_same_nodes(one: ShiftOperator, other: ShiftOperator) -> None:
    """Raise unless both shifts can be parts of one: on the same nodes, of one type, on one device."""
    if not isinstance(other, ShiftOperator):
        raise TypeError(
            f"a shift is added to a shift, got {type(other).__name__}; DenseShift(matrix) makes one of it"
        )
    if one.shape[-1] != other.shape[-1]:
        raise ValueError(f"shifts act on different graphs: {one.shape[-1]} and {other.shape[-1]} nodes")
    if one.ranks is not other.ranks:
        raise ValueError("shifts that are added hold their nodes at different processes; split both alike")
    require_alike("shifts that are added", first=one, second=other)


def require_signal(z: Tensor, shift: ShiftOperator) -> None:
    """Raise unless ``z`` is a signal on the nodes of ``shift``, on its device."""
    if not (z.is_floating_point() or z.is_complex()):
        raise TypeError(f"a node signal must be floating-point or complex, got {z.dtype}; use .float()")
    if z.dim() != 3:
        raise ValueError(f"a node signal has shape (B, N, C), got {tuple(z.shape)}")
    batch, nodes, _ = shift.shape
    if z.shape[1] != nodes:
        raise ValueError(f"a signal on {z.shape[1]} nodes does not fit a shift of {nodes} nodes")
    signals = z.shape[0]  # len(z) would fix a batch that is a symbol, as in torch.export
    if batch != signals and 1 not in (batch, signals):
        raise ValueError(
            f"a batch of {signals} signals does not fit one of {batch} graphs; they are equal or 1"
        )
    if z.device != shift.device:
        raise ValueError(f"the signal is on {z.device} and the shift on {shift.device}; use .to(device)")
