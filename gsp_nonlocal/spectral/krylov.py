"""Extreme eigenvalues from products with the shift alone, by ARPACK."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigs, eigsh
from torch import Tensor
from tqdm import tqdm

from filters.solve import ConvergenceError
from gsp_nonlocal.shifts import ShiftOperator

PATIENCE = 3.0
"""Seconds after which a bar is shown."""

ROOM = 4
"""Vectors kept for each eigenvalue: with twice as many as by default, products fall by a quarter to 40 %."""


def extreme_eigenpairs(shift: ShiftOperator, k: int, eigenvectors: bool) -> tuple[Tensor, Tensor | None]:
    """The ``k`` eigenvalues of greatest ``|μ|``, ``(B, k)``, and their eigenvectors ``(B, N, k)``.

    In float64, or complex128 for a shift that is not symmetric. Where ARPACK needs more room than there is
    (``k`` close to ``N``), the matrix is formed by products.

    Raises:
        ConvergenceError: if ARPACK does not converge.
    """
    with tqdm(desc="eigenvalues", unit=" products", delay=PATIENCE, leave=False) as bar:
        found = [_of_graph(shift.graph(index), k, bar) for index in range(shift.shape[0])]
    values = torch.stack([torch.from_numpy(one) for one, _ in found]).to(shift.device)
    if not eigenvectors:
        return values, None
    return values, torch.stack([torch.from_numpy(vectors) for _, vectors in found]).to(shift.device)


def _of_graph(shift: ShiftOperator, k: int, bar: tqdm[Any]) -> tuple[np.ndarray, np.ndarray]:
    nodes = shift.shape[-1]

    def product(vector: np.ndarray) -> np.ndarray:
        bar.update()
        signal = torch.from_numpy(vector.reshape(1, nodes, -1)).to(shift.device, shift.dtype)
        found = (shift @ signal).double()
        if not found.isfinite().all():
            raise ValueError(
                f"products of the shift in {shift.dtype} are NaN or infinite, though what it is made of is "
                "finite; pass shift.to(torch.float64)"
            )
        return found.cpu().numpy().reshape(vector.shape)

    operator = LinearOperator((nodes, nodes), matvec=product, matmat=product, dtype=np.float64)
    room = nodes - (1 if shift.is_symmetric else 2)
    if k > room or nodes < 4:
        return _of_matrix(operator @ np.eye(nodes), shift.is_symmetric, k)
    start = np.random.default_rng(0).standard_normal(nodes)
    if not (operator @ start).any():  # no edges: ARPACK finds no direction to start in
        return np.zeros(k), np.eye(nodes, k)
    settings: dict[str, Any] = {"tol": 10 * torch.finfo(shift.dtype).eps, "maxiter": 100 * k}
    settings["ncv"] = min(nodes, max(ROOM * k, 20))
    solve = eigsh if shift.is_symmetric else eigs
    try:
        values, vectors = solve(operator, k, which="LM", v0=start, **settings)
    except ArpackNoConvergence as error:
        raise ConvergenceError(
            f"{len(error.eigenvalues)} of {k} eigenvalues of a graph of {nodes} nodes converged in "
            f"{bar.n} products; ask for a greater k, so that the iteration has more room, or use "
            "spectral_density"
        ) from error
    return values, vectors


def _of_matrix(matrix: np.ndarray, symmetric: bool, k: int) -> tuple[np.ndarray, np.ndarray]:
    values, vectors = np.linalg.eigh(matrix) if symmetric else np.linalg.eig(matrix.astype(complex))
    order = np.argsort(-np.abs(values), kind="stable")[:k]
    return values[order], vectors[:, order]
