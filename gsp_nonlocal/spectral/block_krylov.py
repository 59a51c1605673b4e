"""One search for the greatest eigenvalues of a matrix by products with blocks of vectors."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from scipy.linalg import LinAlgError, schur
from torch import Tensor

from filters.operators.linear import symmetrised
from gsp_nonlocal.shifts.pooled import Product
from gsp_nonlocal.spectral.directed import eig, eigvals

MOST_PRODUCTS = 2000
"""Most products with a block that a search takes."""

ROOM = ((20_000, 16), (100_000, 10), (200_000, 5), (float("inf"), 3))
"""Blocks that are kept beside the wanted vectors, up to so many nodes: of more, memory counts."""

Fresh = Callable[[int], Tensor]
"""Makes so many random vectors."""

_LOST = 1e-10
"""What is left of a column in the span of others, relative to its length."""


@dataclass(frozen=True, eq=False)
class Subspace:
    """Orthonormal ``Q (N, m)`` and ``S Q``."""

    basis: Float[Tensor, "N M"]
    image: Float[Tensor, "N M"]

    @property
    def size(self) -> int:
        """``m``."""
        return self.basis.shape[1]

    def with_(self, other: Subspace) -> Subspace:
        """Both side by side."""
        return Subspace(torch.cat([self.basis, other.basis], 1), torch.cat([self.image, other.image], 1))

    def small(self, symmetric: bool) -> Float[Tensor, "M M"]:
        """``Qᵀ S Q``."""
        small = self.basis.mT @ self.image
        return symmetrised(small) if symmetric else small


def empty(nodes: int, device: torch.device) -> Subspace:
    """A subspace of dimension 0."""
    nothing = torch.zeros(nodes, 0, dtype=torch.float64, device=device)
    return Subspace(nothing, nothing)


def ritz(space: Subspace, symmetric: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Eigenvalues ``θ (m,)`` of ``Qᵀ S Q``, vectors ``u = Q y (N, m)``, and ``‖S u − θ u‖ (m,)``."""
    values, vectors = _solved(space.small(symmetric), symmetric)
    found = space.basis.to(vectors.dtype) @ vectors
    rest = space.image.to(vectors.dtype) @ vectors - found * values
    return values, found, torch.linalg.vector_norm(rest, dim=0)


def _solved(small: Tensor, symmetric: bool) -> tuple[Tensor, Tensor]:
    return torch.linalg.eigh(small) if symmetric else eig(small)


@dataclass(frozen=True, eq=False)
class Goal:
    """When a search ends.

    Attributes:
        count: how many eigenvalues are wanted.
        tolerance: residual of those that are wanted, relative to the norm of the matrix, as products show it.
        floor: eigenvalues up to this ``|μ|`` are of no interest; 0 where all ``count`` are wanted.
        closeness: residual of the greatest one of no interest, relative; infinite where it need not be
            told from the others; ``None``: so small that it is told from the least that is wanted.
    """

    count: int
    tolerance: float
    floor: float = 0.0
    closeness: float | None = None


class _Growth:
    """``S Q = Q H + F E + K G`` of products as they were computed: ``F`` is to be multiplied next.

    Args:
        start: the first block.
        known: holds ``K``.
        fresh: makes so many random vectors.
        most: most columns of ``Q``.
    """

    def __init__(self, start: Tensor, known: Subspace, fresh: Fresh, most: int) -> None:
        self.known, self.fresh = known, fresh
        block, _, _ = _orthonormal(start, known.basis, fresh)
        self.columns = block.shape[1]
        self._room = block.new_empty(known.size + most + self.columns, len(block)).mT
        self._room[:, : known.size] = known.basis
        self.small = block.new_zeros(0, 0)
        self.coupling, self.beside = block.new_zeros(self.columns, 0), block.new_zeros(known.size, 0)
        self.norm = float(torch.linalg.vector_norm(known.image, dim=0).max()) if known.size else 0.0
        self.following = block

    @property
    def size(self) -> int:
        """Columns of ``Q``."""
        return self.small.shape[0]

    @property
    def basis(self) -> Tensor:
        """``Q``."""
        return self._room[:, self.known.size : self.known.size + self.size]

    @property
    def following(self) -> Tensor:
        """``F``, kept beside ``Q``: so it becomes part of it without a copy."""
        first = self.known.size + self.size
        return self._room[:, first : first + self.columns]

    @following.setter
    def following(self, block: Tensor) -> None:
        self.following.copy_(block)

    def grow(self, image: Tensor) -> None:
        """By ``F``, whose product is ``image``."""
        taken = self._room[:, : self.known.size + self.size + self.columns]
        block, parts, triangle = _orthonormal(image, taken, self.fresh)
        beside, parts = parts.split([self.known.size, self.size + self.columns])
        self.small = torch.cat([torch.cat([self.small, self.coupling]), parts], 1)
        self.coupling = torch.cat([torch.zeros_like(self.coupling), triangle], 1)
        self.beside = torch.cat([self.beside, beside], 1)
        self.norm = max(self.norm, float(torch.linalg.vector_norm(image, dim=0).max()))
        self.following = block

    def cut(self, rotation: Tensor) -> None:
        """``Q Z`` in the place of ``Q``, an invariant subspace of ``H``."""
        basis, following = self.basis @ rotation, self.following.clone()
        self.small = rotation.mT @ self.small @ rotation
        self.coupling, self.beside = self.coupling @ rotation, self.beside @ rotation
        self.basis.copy_(basis)
        self.following = following

    def subspace(self, rotation: Tensor) -> Subspace:
        """``Q Z`` and ``S Q Z``, put together without a product."""
        inside = self.basis @ (self.small @ rotation) + self.following @ (self.coupling @ rotation)
        return Subspace(self.basis @ rotation, inside + self.known.basis @ (self.beside @ rotation))


def search(
    product: Product,
    start: Tensor,
    fresh: Fresh,
    known: Subspace,
    goal: Goal,
    symmetric: bool,
    *,
    every: int = 2,
) -> Subspace | None:
    r"""Eigenvalues of ``P S P``, ``P = I − K Kᵀ`` with ``K`` known, by a block Krylov–Schur iteration.

    The space grows by ``S`` times its newest block; when it is full, it is cut down to the invariant part
    of greatest ``|θ|``, and grows on. A block that adds nothing is replaced by fresh vectors. ``P S P`` has
    the eigenvalues of ``S`` that the invariant space ``K`` has not, so that repeated ones show again.

    Args:
        product: ``S`` times a block.
        start: a block of vectors ``(N, b)``, in which every eigenvector has a part.
        fresh: makes so many random vectors, ``b ↦ (N, b)``.
        known: an invariant subspace.
        goal: what is wanted.
        symmetric: whether ``S = Sᵀ``.
        every: how many products are made between two looks at what was found.

    Returns:
        The invariant subspace of those found that are of interest; ``None`` without convergence.

    References:
        Stewart (2001), *A Krylov–Schur algorithm for large eigenproblems*; Zhou, Saad (2008), *Block
        Krylov–Schur method for large symmetric eigenvalue problems*.
    """
    nodes, columns = start.shape
    room = next(blocks for most, blocks in ROOM if nodes <= most)
    most = min(goal.count + room * columns, nodes - known.size - columns)
    state = _Growth(start, known, fresh, most)
    for step in range(MOST_PRODUCTS):
        state.grow(product(state.following))
        full = state.size + columns > most
        if (full or (step + 1) % every == 0) and state.size >= goal.count:
            found = _judged(state, goal, symmetric)
            if found is not None:
                return found
        if full:
            kept = min(goal.count + columns, most - 2 * columns)
            state.cut(_leading(_small(state, symmetric), kept, symmetric))
    return None


def _small(state: _Growth, symmetric: bool) -> Tensor:
    return symmetrised(state.small) if symmetric else state.small


def _judged(state: _Growth, goal: Goal, symmetric: bool) -> Subspace | None:
    """What was found, where the goal is reached."""
    small = _small(state, symmetric)
    values, vectors = _solved(small, symmetric)
    order = values.abs().argsort(descending=True, stable=True)
    rest = torch.linalg.vector_norm(state.coupling.to(vectors.dtype) @ vectors[:, order], dim=0)
    sizes, residuals = values.abs()[order], rest / max(state.norm, torch.finfo(rest.dtype).tiny)
    above = int((sizes[: goal.count] > goal.floor + goal.tolerance * state.norm).sum())
    count = above if goal.floor else goal.count
    if (residuals[:count] > goal.tolerance).any():
        return None
    rotation = _leading(small, count, symmetric) if count else small[:, :0]
    found = rotation.shape[1]
    close = closeness(sizes[:found], goal.tolerance) if goal.closeness is None else goal.closeness
    following = float(residuals[found]) if found < len(residuals) else math.inf
    is_reached = following <= close or (goal.floor and count)
    return state.subspace(rotation) if is_reached else None


def closeness(sizes: Tensor, tolerance: float) -> float:
    """Residual by which the next eigenvalue is told from these ``|μ|``, relative to the greatest.

    It is not greater than the least of them, or it is a copy of one: a tenth of the least distance will do.
    """
    scale, floor = float(sizes.max()), float(sizes.min())
    above = sizes[sizes - floor > 10 * tolerance * scale] - floor
    distance = 0.1 * float(above.min()) / scale if len(above) else 1e-3
    return max(tolerance, min(1e-3, distance))


def _orthonormal(
    block: Tensor, taken: Tensor, fresh: Fresh
) -> tuple[Float[Tensor, "N C"], Float[Tensor, "M C"], Float[Tensor, "C C"]]:
    """An orthonormal ``F`` beside ``T``, taken, with ``block = T p + F r``; and ``p`` and ``r``.

    Columns of ``F`` for which nothing is left are fresh ones, with rows of zeros in ``r``.
    """
    lost = _LOST * torch.linalg.vector_norm(block, dim=0).max()
    parts = taken.mT @ block
    rest = block - taken @ parts
    basis, turn = torch.linalg.qr(rest)
    some_lost = bool((turn.diagonal().abs() <= lost).any())
    if some_lost:
        basis, sizes, turn = torch.linalg.svd(rest, full_matrices=False)
        basis = torch.where(sizes <= lost, fresh(len(sizes)), basis)
        turn = torch.where(sizes <= lost, 0, sizes).unsqueeze(-1) * turn
    for _ in range(2 if some_lost else 1):
        again = taken.mT @ basis
        basis, triangle = torch.linalg.qr(basis - taken @ again)
        parts, turn = parts + again @ turn, triangle @ turn
    return basis, parts, turn


def _leading(small: Tensor, count: int, symmetric: bool) -> Tensor:
    """An orthonormal basis of the invariant subspace of the ``count`` eigenvalues of greatest ``|θ|``.

    Of a matrix that is not symmetric one more, where a pair would be parted.
    """
    if symmetric:
        values, vectors = torch.linalg.eigh(small)
        return vectors[:, values.abs().argsort(descending=True)[:count]]
    sizes = eigvals(small).abs().sort(descending=True).values
    least = float(sizes[min(count, len(sizes)) - 1]) * (1 - 1e-10)
    try:
        _, rotation, leading = schur(
            small.cpu().numpy(), output="real", sort=lambda real, imag: abs(complex(real, imag)) >= least
        )
    except LinAlgError:
        return torch.linalg.qr(_real_span(small, count)).Q
    return torch.from_numpy(rotation[:, :leading]).to(small)


def _real_span(small: Tensor, count: int) -> Tensor:
    """The real and imaginary parts of the leading eigenvectors: where a Schur form cannot be sorted."""
    values, vectors = eig(small)
    vectors = vectors[:, values.abs().argsort(descending=True)[:count]]
    return torch.linalg.svd(torch.cat([vectors.real, vectors.imag], 1), full_matrices=False).U[:, :count]
