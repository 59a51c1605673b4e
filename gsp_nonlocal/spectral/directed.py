"""Eigenvalues of matrices that are not symmetric, also where LAPACK stumbles over their smallest entries."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

_T = TypeVar("_T")


def eigvals(matrix: Tensor) -> Tensor:
    """``torch.linalg.eigvals``, see :func:`eig`."""
    return _again_without_dust(torch.linalg.eigvals, matrix)


def eig(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """``torch.linalg.eig``; where it does not converge, of the matrix without entries below ``ε² max|S_ij|``.

    A sharp softmax has entries of 1e-230 beside some of 1. LAPACK balances a matrix before it finds the
    eigenvalues, and MKL's then does not converge for about 1 of 250 such graphs of a few nodes. What is left
    out is far below what LAPACK rounds, ``ε ‖S‖``.

    Example:
        >>> values, vectors = eig(torch.tensor([[0.0, 1.0], [-1.0, 0.0]]))
        >>> values.imag.sort().values
        tensor([-1.,  1.])
    """
    values, vectors = _again_without_dust(torch.linalg.eig, matrix)
    return values, vectors


def _again_without_dust(function: Callable[[Tensor], _T], matrix: Tensor) -> _T:
    try:
        return function(matrix)
    except torch.linalg.LinAlgError:
        size = matrix.abs()
        dust = size < torch.finfo(matrix.dtype).eps ** 2 * size.amax((-2, -1), keepdim=True)
        return function(matrix.masked_fill(dust, 0.0))
