"""How far from orthogonal the eigenvectors of a shift are."""

from __future__ import annotations

from math import inf

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from gsp_nonlocal.shifts import ShiftOperator, as_shift
from gsp_nonlocal.spectral.directed import eig
from gsp_nonlocal.spectral.matrices import DENSE_NODES
from gsp_nonlocal.spectral.measures.normality import departure, unit_matrices


@torch.no_grad()
def eigenvector_condition(shift: ShiftOperator | Tensor, *, max_nodes: int = DENSE_NODES) -> Tensor:
    r"""``κ_2(V) = ‖V‖_2 ‖V⁻¹‖_2`` of the eigenvectors of ``S = V diag(μ) V⁻¹``, columns of length 1.

    How much frequencies overlap: a perturbation ``E`` moves eigenvalues by up to ``κ ‖E‖``, and a response
    ``|H(λ)| ≤ 1`` may amplify signals by up to ``κ``. An eigenvalue that occurs more than once has many bases
    of eigenvectors; an orthonormal one is taken, so that the number is well defined: for 0 that of the null
    space, for others of those computed, where they agree to rounding. ``c S``, and ``Qᵀ S Q`` with orthogonal
    ``Q``, have the same; ``Sᵀ`` has not.

    Rounding, ``τ``, is ``16 N · 2⁻⁵²`` of ``‖S‖_F``, or ``2⁻²³`` for shifts in float32 or less. A departure
    from normality up to ``32 τ`` counts as none. A matrix counts as defective where one within about ``τ`` of
    it is: where two eigenvalues are as close as ``τ`` times the condition of one of them.

    Args:
        shift: any shift, or a plain tensor ``(B, N, N)`` or ``(N, N)``.
        max_nodes: greatest ``N`` of which the matrix is formed; low-rank shifts of any size do without.

    Returns:
        ``(B,)`` in float64, at least 1: exactly 1 for a normal ``S`` and for 0, ``inf`` for a defective one.

    Raises:
        ValueError: beyond ``max_nodes``, and for entries that are not finite.

    References:
        Bauer, Fike (1960), *Norms and Exclusion Theorems*; Wilkinson (1972), *Note on Matrices with a Very
        Ill-Conditioned Eigenproblem*, for the distance to a defective one.

    Example:
        >>> eigenvector_condition(torch.eye(3).roll(1, 0))
        tensor([1.], dtype=torch.float64)
        >>> eigenvector_condition(torch.tensor([[0.0, 1.0], [0.0, 0.0]]))
        tensor([inf], dtype=torch.float64)
    """
    shift = as_shift(shift)
    matrices = unit_matrices(shift, max_nodes)
    single, double = (torch.finfo(dtype).eps for dtype in (torch.float32, torch.float64))
    own = min(torch.finfo(shift.dtype).eps, single)
    rounding = max(own, 16 * matrices.shape[-1] * double)
    return matrices.new_tensor([_condition(matrix, rounding) for matrix in matrices])


def _condition(matrix: Float[Tensor, "K K"], rounding: float) -> float:
    if departure(matrix) <= 32 * rounding:
        return 1.0
    vectors = _eigenvectors(matrix, rounding)
    if vectors is None:
        return inf
    sizes = torch.linalg.svdvals(vectors)
    return float(sizes[0] / sizes[-1])


def _eigenvectors(matrix: Float[Tensor, "K K"], rounding: float) -> Tensor | None:
    """All eigenvectors: those in the range of the matrix, and its null space; ``None`` where some lack."""
    left, sizes, right = torch.linalg.svd(matrix)
    rank = int((sizes > rounding).sum())
    basis, null = left[:, :rank], right[rank:].mT
    small = basis.mT @ matrix @ basis
    values, vectors = eig(small)
    group = _groups(values, 64 * rounding)
    vectors = _orthonormal_in_groups(vectors, group)
    if (small.to(vectors.dtype) @ vectors - vectors * values).norm(dim=0).max() > 512 * rounding:
        return None
    whole = torch.cat([basis.to(vectors.dtype) @ vectors, null.to(vectors.dtype)], dim=-1)
    zeros = values.new_zeros(null.shape[-1])
    groups = torch.cat([group, torch.full_like(zeros, -1, dtype=group.dtype)])
    return None if _is_defective(torch.cat([values, zeros]), whole, groups, rounding) else whole


def _groups(values: Shaped[Tensor, " K"], radius: float) -> Tensor:
    """For each value the first one that is as close as ``radius``: ``(K,)``."""
    return ((values[:, None] - values).abs() <= radius).byte().argmax(dim=-1)


def _orthonormal_in_groups(vectors: Shaped[Tensor, "K K"], group: Tensor) -> Tensor:
    vectors = vectors.clone()
    for first in group.unique():
        members = (group == first).nonzero().squeeze(-1)
        if len(members) > 1:
            vectors[:, members] = torch.linalg.qr(vectors[:, members]).Q
    return vectors


def _is_defective(values: Tensor, vectors: Tensor, group: Tensor, rounding: float) -> bool:
    """Whether rounding can merge two eigenvalues: ``gap / ‖row of V⁻¹‖`` is about the distance to that."""
    inverse, failed = torch.linalg.inv_ex(vectors)
    gap = (values[:, None] - values).abs().masked_fill(group[:, None] == group, inf).amin(dim=-1)
    return bool(failed) or bool((gap <= rounding * inverse.norm(dim=-1)).any())
