"""Eigenvalues of matrices that are not symmetric, without what LAPACK stumbles over."""

from __future__ import annotations

import torch
from torch import Tensor


def eigvals(matrix: Tensor) -> Tensor:
    """``torch.linalg.eigvals``, see :func:`eig`."""
    return torch.linalg.eigvals(_without_dust(matrix))


def eig(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """``torch.linalg.eig`` of the matrix without entries below ``ε² max|S_ij|``.

    A sharp softmax has entries of 1e-230 beside some of 1. LAPACK balances a matrix first, and for about 1 of
    250 such graphs of a few nodes MKL's does not converge, or writes beyond its memory and ends the process.
    What is left out is far below what LAPACK rounds, ``ε ‖S‖``.

    Example:
        >>> values, vectors = eig(torch.tensor([[0.0, 1.0], [-1.0, 0.0]]))
        >>> values.imag.sort().values
        tensor([-1.,  1.])
    """
    values, vectors = torch.linalg.eig(_without_dust(matrix))
    return values, vectors


def _without_dust(matrix: Tensor) -> Tensor:
    if not matrix.numel():
        return matrix
    size = matrix.abs()
    dust = size < torch.finfo(matrix.dtype).eps ** 2 * size.amax((-2, -1), keepdim=True)
    return matrix.masked_fill(dust, 0.0)
