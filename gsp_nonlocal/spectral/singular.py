"""Singular values of what joins two sets of nodes."""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator, svds
from torch import Tensor

from filters.checks import require_integer
from gsp_nonlocal.shifts.biadjacency import Biadjacency

MATRIX = 2**24
"""Most weights of which a matrix is formed: 128 MiB in float64."""


@torch.no_grad()
def singular_values(weights: Biadjacency, k: int | None = None) -> Tensor:
    r"""``σ_1 ≥ σ_2 ≥ …`` of ``A (B, N, M)``, in float64: what a cross-attention has in place of eigenvalues.

    Rows that sum to 1 have ``σ_1 ≥ √(N/M)``, with equality where all sources count alike. By LAPACK up to
    2²⁴ weights; beyond, by ARPACK on products.

    Args:
        weights: the biadjacency.
        k: how many, the greatest; by default all ``min(N, M)``, or 20 of more than 2²⁴ weights.

    Returns:
        ``(B, k)``, falling.

    Raises:
        ValueError: for a ``k`` below 1 or above ``min(N, M)``, or weights that are not finite.

    References:
        Golub, Van Loan (2013), *Matrix Computations*, 2.4.

    Example:
        >>> from gsp_nonlocal.shifts.biadjacency import DenseBiadjacency
        >>> singular_values(DenseBiadjacency(torch.tensor([[[3.0, 0.0, 0.0], [0.0, 4.0, 0.0]]])))
        tensor([[4., 3.]], dtype=torch.float64)
    """
    batch, nodes, sources = weights.shape
    most, is_large = min(nodes, sources), nodes * sources > MATRIX
    wanted = min(most, 20) if k is None and is_large else most if k is None else k
    if not 1 <= require_integer("k", wanted) <= most:
        raise ValueError(f"k must be 1 to {most}, the lesser number of nodes, got {k}")
    graphs = [weights.graph(index).mapped(Tensor.double) for index in range(batch)]
    if is_large and wanted < most:
        return torch.stack([_by_products(graph, wanted) for graph in graphs])
    matrices = [graph.to_dense()[0] for graph in graphs]
    if not all(bool(matrix.isfinite().all()) for matrix in matrices):
        raise ValueError("weights that join two sets of nodes are NaN or infinite; compute them in float32")
    return torch.stack([torch.linalg.svdvals(matrix)[:wanted] for matrix in matrices])


def _by_products(graph: Biadjacency, k: int) -> Tensor:
    def times(z: np.ndarray) -> np.ndarray:
        return (graph @ _block(z))[0].numpy(force=True)

    def adjoint(y: np.ndarray) -> np.ndarray:
        return graph.adjoint(_block(y))[0].numpy(force=True)

    def _block(values: np.ndarray) -> Tensor:
        return torch.from_numpy(values.reshape(len(values), -1)).unsqueeze(0).to(graph.device)

    shape = tuple(graph.shape[1:])
    operator = LinearOperator(
        shape, matvec=times, rmatvec=adjoint, matmat=times, rmatmat=adjoint, dtype=np.float64
    )
    start = np.random.default_rng(0).standard_normal(min(shape))
    found = svds(operator, k, v0=start, return_singular_vectors=False)
    return torch.from_numpy(np.sort(found)[::-1].copy())
