"""The greatest eigenvalue of the Laplacian of every graph of a batch: verified, or computed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import coo_array, csr_array
from scipy.sparse.linalg import ArpackNoConvergence, eigsh
from torch import Tensor

from filters.checks import require_positive
from gsp_nonlocal.shifts.degrees import added, greatest
from gsp_nonlocal.shifts.edges import Edges

_DENSE = 256  # graphs up to this size: their greatest eigenvalue by a dense solver
_SLACK = 1e-5
_DOUBLE = torch.finfo(torch.float64).eps


class Laplacian(NamedTuple):
    """``L = unit · (diag(diagonal) − A)``, ``A[target, source] = value``, 0 at loops; a ``unit (G,)``."""

    edges: Edges
    diagonal: Tensor
    value: Tensor
    unit: Tensor
    normalised: bool


@torch.no_grad()
def lambda_max_of(laplacian: Laplacian, given: float | Tensor | None, undirected: bool) -> Tensor:
    """``λ_max (G,)`` in the Laplacian's units: as given, if that is not too small; else computed, rounded up.

    A graph without edges has 1.

    Raises:
        ValueError: for a number that is not positive, or below an eigenvalue; for a directed graph without.
    """
    if given is not None:
        return _verified(laplacian, _in_units(laplacian, given), undirected).to(laplacian.value.dtype)
    if not undirected:
        raise ValueError(
            "the Laplacian D − A of a directed graph has no λ_max that bounds it; pass lambda_max, add the "
            "reverse edges, or choose normalization='rw'"
        )
    found = _computed(laplacian)
    return found.masked_fill(found == 0, 1.0).to(laplacian.value.dtype)


def _in_units(laplacian: Laplacian, given: float | Tensor) -> Tensor:
    """The given ``λ_max / unit (G,)`` in double precision."""
    unit = laplacian.unit.double()
    if not isinstance(given, Tensor):
        given = require_positive("lambda_max", given)
    bound = torch.as_tensor(given, dtype=torch.float64, device=unit.device)
    if bound.shape not in {(), unit.shape}:
        raise ValueError(
            f"lambda_max is one number, or one for each of the {len(unit)} graphs, got {bound.shape}"
        )
    if not ((bound > 0) & bound.isfinite()).all():
        raise ValueError(f"lambda_max must be a positive number, got {bound.tolist()}")
    return bound / unit


def _verified(laplacian: Laplacian, bound: Tensor, undirected: bool) -> Tensor:
    """``lambda_max``, where Gershgorin's bound is not above; else it is raised to the eigenvalue, if that is
    rounding, and refused if it is more."""
    if not undirected or (bound >= _gershgorin(laplacian)).all():
        return bound
    found = _computed(laplacian)
    low = found > bound * (1 + _SLACK)
    if low.any():
        graph = int(low.nonzero()[0])
        wanted, least = (float(part[graph] * laplacian.unit[graph].double()) for part in (bound, found))
        raise ValueError(
            f"lambda_max={wanted:.6g} is too small for graph {graph}, whose Laplacian has the "
            f"eigenvalue {least:.6g}; leave it out to have it computed"
        )
    return torch.maximum(bound, found)


def _gershgorin(laplacian: Laplacian) -> Tensor:
    """``max_i (L_ii + Σ_j |A_ij|)`` of every graph ``(G,)``, never below ``λ_max``; 2 where normalised."""
    edges = laplacian.edges
    discs = laplacian.diagonal + added(laplacian.value, edges.target, edges.num_nodes)
    most = _rounded_up(greatest(discs, edges.batch, len(laplacian.unit)).double(), laplacian)
    return most.clamp(max=2.0) if laplacian.normalised else most


def _rounded_up(value: Tensor, laplacian: Laplacian) -> Tensor:
    """A number of the Laplacian's data type that is not below ``value``, which is double."""
    return value * (1 + 2 * torch.finfo(laplacian.value.dtype).eps)


def _computed(laplacian: Laplacian) -> Tensor:
    """An upper bound, close to rounding, of the greatest eigenvalue, graph by graph; 0 without edges."""
    edges, value = laplacian.edges, laplacian.value
    counts = torch.bincount(edges.batch, minlength=len(laplacian.unit)).tolist()
    nodes = torch.arange(edges.num_nodes, device=value.device)
    row = torch.cat([edges.target, nodes]).cpu().numpy()
    column = torch.cat([edges.source, nodes]).cpu().numpy()
    entries = torch.cat([-value, laplacian.diagonal]).double().cpu().numpy()
    whole = coo_array((entries, (row, column)), shape=(edges.num_nodes,) * 2).tocsr()
    found, begin = [], 0
    for count in counts:
        found.append(_top(whole[begin : begin + count, begin : begin + count], count) if count else 0.0)
        begin += count
    return _rounded_up(torch.tensor(found, dtype=torch.float64, device=value.device), laplacian)


def _top(laplacian: csr_array, count: int) -> float:
    """``λ_max`` by LAPACK, or a Ritz value of Lanczos' method plus its residual, and some rounding."""
    if not laplacian.data.any():
        return 0.0
    if count <= _DENSE:
        top = float(torch.linalg.eigvalsh(torch.from_numpy(laplacian.toarray()))[-1])
    else:
        top = _by_lanczos(laplacian, count)
    return top * (1 + 32 * _DOUBLE)


def _by_lanczos(laplacian: csr_array, count: int) -> float:
    most = float(abs(laplacian).sum(axis=1).max())  # Gershgorin's bound
    start = np.sin(37.0 * np.arange(count))  # the same result at every call
    try:
        values, vectors = eigsh(laplacian, k=1, which="LA", v0=start, tol=1e-10, ncv=60)
    except ArpackNoConvergence:
        return most
    vector = vectors[:, 0] / np.linalg.norm(vectors[:, 0])
    return min(most, float(values[0] + np.linalg.norm(laplacian @ vector - values[0] * vector)))
