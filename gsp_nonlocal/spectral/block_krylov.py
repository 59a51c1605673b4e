"""One search for the greatest eigenvalues of a matrix by products with blocks of vectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from scipy.linalg import LinAlgError, schur
from torch import Tensor

from filters.operators.linear import symmetrised
from gsp_nonlocal.shifts.pooled import Product

MOST_PRODUCTS = 2000
"""Most products with a block that a search takes."""

ROOM = ((20_000, 10), (200_000, 5), (float("inf"), 3))
"""Blocks that are kept beside the wanted vectors, up to so many nodes: of more, memory counts."""

_LOST = 1e-10
"""What is left of a column in the span of others, relative to its length."""


@dataclass(frozen=True, eq=False)
class Subspace:
    """Orthonormal ``Q (N, m)`` and ``S Q``."""

    basis: Float[Tensor, "N M"]
    image: Float[Tensor, "N M"]

    def with_(self, other: Subspace) -> Subspace:
        """Both side by side."""
        return Subspace(torch.cat([self.basis, other.basis], 1), torch.cat([self.image, other.image], 1))

    def turned(self, rotation: Tensor) -> Subspace:
        """``Q Z`` and ``S Q Z``."""
        return Subspace(self.basis @ rotation, self.image @ rotation)

    def small(self, symmetric: bool) -> Float[Tensor, "M M"]:
        """``Qᵀ S Q``."""
        small = self.basis.mT @ self.image
        return symmetrised(small) if symmetric else small


@dataclass(frozen=True)
class Search:
    """What a search found: an invariant subspace beside the known one, and the greatest ``|μ|`` there."""

    subspace: Subspace
    greatest: float


def empty(nodes: int, device: torch.device) -> Subspace:
    """A subspace of dimension 0."""
    nothing = torch.zeros(nodes, 0, dtype=torch.float64, device=device)
    return Subspace(nothing, nothing)


def ritz(space: Subspace, symmetric: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Eigenvalues ``θ (m,)`` of ``Qᵀ S Q``, vectors ``u = Q y (N, m)``, and ``‖S u − θ u‖ (m,)``."""
    small = space.small(symmetric)
    values, vectors = torch.linalg.eigh(small) if symmetric else torch.linalg.eig(small)
    return (values, *_vectors_and_residuals(space, values, vectors))


def _vectors_and_residuals(space: Subspace, values: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
    found = space.basis.to(vectors.dtype) @ vectors
    rest = space.image.to(vectors.dtype) @ vectors - found * values
    return found, torch.linalg.vector_norm(rest, dim=0)


@dataclass(frozen=True, eq=False)
class Goal:
    """When a search ends.

    Attributes:
        count: how many eigenvalues are wanted.
        floor: eigenvalues up to this ``|μ|`` are of no interest; 0 where all ``count`` are wanted.
        closeness: residual of the greatest one, relative, where that is of no interest.
        tolerance: residual of those that are wanted, relative to the norm of the matrix, as products show it.
    """

    count: int
    floor: float
    closeness: float
    tolerance: float


def search(
    product: Product, start: Callable[[], Tensor], known: Subspace, goal: Goal, symmetric: bool
) -> Search | None:
    r"""Eigenvalues of ``P S P``, ``P = I − Q Qᵀ`` with ``Q`` known, by a block Krylov–Schur iteration.

    The space grows by ``S`` times its newest block; when it is full, it is cut down to the invariant part
    of greatest ``|θ|``, and grows on. A block that adds nothing is replaced by fresh vectors. ``P S P`` has
    the eigenvalues of ``S`` that the invariant space ``Q`` has not, so that repeated ones show again.

    Args:
        product: ``S`` times a block.
        start: makes a block of random vectors ``(N, b)``.
        known: an invariant subspace.
        goal: what is wanted.
        symmetric: whether ``S = Sᵀ``.

    Returns:
        The invariant subspace of those found that are of interest; ``None`` without convergence.

    References:
        Stewart (2001), *A Krylov–Schur algorithm for large eigenproblems*; Zhou, Saad (2008), *Block
        Krylov–Schur method for large symmetric eigenvalue problems*.
    """
    block = _orthonormal(start(), known.basis, start)
    nodes, columns = block.shape
    room = next(blocks for most, blocks in ROOM if nodes <= most)
    most = min(goal.count + room * columns, nodes - known.basis.shape[1] - columns)
    space = Subspace(block, product(block))
    for step in range(MOST_PRODUCTS):
        full = space.basis.shape[1] + columns > most
        if (full or step % 2) and space.basis.shape[1] >= goal.count:
            found = _judged(space, known, goal, symmetric)
            if found is not None:
                return found
        taken = torch.cat([known.basis, space.basis], dim=1)
        block = _orthonormal(space.image[:, -columns:], taken, start)
        if full:
            kept = min(goal.count + columns, most - 2 * columns)
            space = space.turned(_leading(space.small(symmetric), kept, symmetric))
        space = space.with_(Subspace(block, product(block)))
    return None


def _judged(space: Subspace, known: Subspace, goal: Goal, symmetric: bool) -> Search | None:
    """The search's result where it has reached its goal."""
    beside = Subspace(space.basis, space.image - known.basis @ (known.basis.mT @ space.image))
    small = space.small(symmetric)
    values, vectors = torch.linalg.eigh(small) if symmetric else torch.linalg.eig(small)
    order = values.abs().argsort(descending=True, stable=True)[: goal.count]
    values = values[order]
    residuals = _vectors_and_residuals(beside, values, vectors[:, order])[1]
    norm = torch.linalg.vector_norm(torch.cat([known.image, space.image], 1), dim=0).max()
    exact = residuals <= goal.tolerance * norm
    wanted = values.abs() > goal.floor + goal.tolerance * norm
    greatest = float(values[0].abs())
    if goal.floor == 0:
        wanted = torch.ones_like(wanted)
    if not exact[wanted].all() or residuals[0] > goal.closeness * norm:
        return None
    count = int(wanted.sum())
    if not count:
        return Search(empty(len(space.basis), space.basis.device), greatest)
    return Search(space.turned(_leading(small, count, symmetric)), greatest)


def _orthonormal(block: Tensor, taken: Tensor, fresh: Callable[[], Tensor]) -> Tensor:
    """An orthonormal block beside ``taken``; columns that lie in its span are replaced by fresh ones."""
    length = torch.linalg.vector_norm(block, dim=0).max()
    rest = block - taken @ (taken.mT @ block)
    basis, triangle = torch.linalg.qr(rest)
    lost = triangle.diagonal().abs() <= _LOST * length
    basis = torch.where(lost, fresh(), basis) if lost.any() else basis
    for _ in range(2):
        basis = torch.linalg.qr(basis - taken @ (taken.mT @ basis)).Q
    return basis


def _leading(small: Tensor, count: int, symmetric: bool) -> Tensor:
    """An orthonormal basis of the invariant subspace of the ``count`` eigenvalues of greatest ``|θ|``.

    Of a matrix that is not symmetric one more, where a pair would be parted.
    """
    if symmetric:
        values, vectors = torch.linalg.eigh(small)
        return vectors[:, values.abs().argsort(descending=True)[:count]]
    sizes = torch.linalg.eigvals(small).abs().sort(descending=True).values
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
    values, vectors = torch.linalg.eig(small)
    vectors = vectors[:, values.abs().argsort(descending=True)[:count]]
    return torch.linalg.svd(torch.cat([vectors.real, vectors.imag], 1), full_matrices=False).U[:, :count]
