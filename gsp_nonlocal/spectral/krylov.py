"""Extreme eigenvalues from products with the shift alone, with their multiplicities."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from filters.operators.solve import ConvergenceError
from gsp_nonlocal.shifts import ShiftOperator
from gsp_nonlocal.shifts.landmarks import landmark_vectors
from gsp_nonlocal.shifts.pooled import Product
from gsp_nonlocal.shifts.repeated import Repeated, repeated
from gsp_nonlocal.shifts.structure import recognise_symmetry
from gsp_nonlocal.spectral.block_krylov import Goal, Subspace, closeness, empty, ritz, search
from gsp_nonlocal.spectral.matrices import finite_product

PATIENCE = 3.0
"""Seconds after which a bar is shown."""

SMALL = 256
"""Up to so many nodes, and where most eigenvalues are wanted, products form the matrix."""

SPARE = 4
"""Columns of a block beyond ``k``: with them, one search finds all copies of the ``k`` greatest."""

GUESSED = 3
"""Guesses to each random column of a block where most of a product's time does not depend on its columns."""

ROUNDS = 12
"""Searches from fresh vectors at most; each finds an eigenvalue as often as there are columns in a block."""


@dataclass(frozen=True, eq=False)
class ExtremePairs:
    """Eigenvalues ``(k,)`` of one graph, vectors ``(N, k)``, ``‖S u − μ u‖ (k,)``, and whether random vectors
    beside them showed nothing greater."""

    values: Tensor
    vectors: Tensor
    residuals: Tensor
    is_certified: bool


def extreme_eigenpairs(shift: ShiftOperator, k: int) -> list[ExtremePairs]:
    """The ``k`` eigenvalues of greatest ``|μ|`` of each graph, with their multiplicities.

    One search finds an eigenvalue at most as often as its block has columns. Where that is more than ``k``,
    it goes on until the greatest of the rest is close, too. Else another starts from fresh random vectors
    beside what was found, until one finds nothing that is greater than the least of the ``k``.

    In float64, or complex128 for a graph that is not symmetric. On few nodes, and where ``k`` is close to
    ``N``, the matrix is formed by products.

    Raises:
        ConvergenceError: if the iteration does not converge.
        ValueError: if products are NaN or infinite.
    """
    with tqdm(desc="eigenvalues", unit=" products", delay=PATIENCE, leave=False) as bar:
        return [_of_graph(shift.graph(index), k, bar) for index in range(shift.shape[0])]


def _of_graph(shift: ShiftOperator, k: int, bar: tqdm[Any]) -> ExtremePairs:
    shift = recognise_symmetry(shift)
    nodes = shift.shape[-1]
    many = repeated(shift)
    columns = min(24, max(8, k + SPARE)) if nodes <= 10**5 else 8
    product = _product(many, bar)
    if nodes <= max(SMALL, 2 * k + ROUNDS * columns):
        return _of_matrix(product, nodes, k, shift)
    return _search(product, columns, GUESSED * columns if many.is_recomputed else 0, k, shift)


def _product(many: Repeated, bar: tqdm[Any]) -> Product:
    """``S`` times a block, in the shift's own precision, from and to float64."""

    def product(vectors: Tensor) -> Tensor:
        bar.update(vectors.shape[-1])
        return finite_product(many(vectors.to(many.dtype).unsqueeze(0))[0]).double()

    return product


def _of_matrix(product: Product, nodes: int, k: int, shift: ShiftOperator) -> ExtremePairs:
    unit = torch.eye(nodes, dtype=torch.float64, device=shift.device)
    return _greatest(Subspace(unit, product(unit)), k, shift, is_certified=True)


def _search(product: Product, columns: int, more: int, k: int, shift: ShiftOperator) -> ExtremePairs:
    """Searches from fresh random vectors beside what was found, until one finds nothing greater.

    Where most of a product's time does not depend on its columns, the first search starts from ``more``
    besides. These are guesses: that nothing is missed hangs on the random ones alone.
    """
    nodes, generator = shift.shape[-1], torch.Generator().manual_seed(0)

    def random(width: int) -> Tensor:
        return torch.randn(nodes, width, generator=generator, dtype=torch.float64).to(shift.device)

    tolerance = max(1e-11, 32 * torch.finfo(shift.dtype).eps)
    is_sure = columns >= k + SPARE
    known, goal = empty(nodes, shift.device), Goal(k, tolerance, closeness=None if is_sure else math.inf)
    guesses = landmark_vectors(shift, more, generator) if more else None
    start = random(columns + more) if guesses is None else torch.cat([random(columns), guesses.double()], 1)
    for _ in range(ROUNDS):
        found = search(product, start, random, known, goal, shift.is_symmetric, every=1 if more else 2)
        start = random(start.shape[1])
        if found is None:
            raise ConvergenceError(
                f"the {k} greatest eigenvalues of a graph of {nodes} nodes did not converge: many others "
                'are as great or nearly; use method="dense" with a max_nodes of at least '
                f"{nodes}, or spectral_density"
            )
        known = known.with_(found)
        best = _greatest(known, k, shift, is_certified=is_sure or not found.size)
        if best.is_certified:
            return best
        goal = _next_goal(best.values.abs(), columns, tolerance)
    return best


def _next_goal(sizes: Tensor, columns: int, tolerance: float) -> Goal:
    """Whatever is greater than the least that is known."""
    floor = float(sizes.min()) + 5 * tolerance * float(sizes.max())
    return Goal(columns, tolerance, floor, closeness(sizes, tolerance))


def _greatest(space: Subspace, k: int, shift: ShiftOperator, *, is_certified: bool) -> ExtremePairs:
    values, vectors, residuals = ritz(space, shift.is_symmetric)
    order = values.abs().argsort(descending=True, stable=True)[:k]
    return ExtremePairs(values[order], vectors[:, order], residuals[order], is_certified)
