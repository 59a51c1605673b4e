"""Schur complements of sparse Laplacians, and their derivative."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix, hstack
from scipy.sparse.linalg import splu
from torch import Tensor

from filters.operators.by_hand import HandDifferentiated
from filters.operators.once import differentiable_once

SINGULAR = (
    "L_uu of the nodes that are left out is singular: a part of the graph has no node that is kept; keep one "
    "of each"
)
_AT_ONCE = 1024  # columns of a sparse system that are solved together
_ROWS = 16_384  # pairs of rows of so many columns that are multiplied together

Extension = Callable[[np.ndarray], np.ndarray]


def schur_complement(laplacian: csr_matrix, kept: Tensor, rest: Tensor) -> tuple[csr_matrix, Extension]:
    """``L' = L_kk − L_ku L_uu⁻¹ L_uk`` of a sparse symmetric matrix, symmetric to the last bit; ``x ↦ P x``.

    ``P (N, K)`` is the harmonic extension, ``P_k = I`` and ``P_u = −L_uu⁻¹ L_uk``, so that ``L' = Pᵀ L P``.

    Raises:
        ValueError: if ``L_uu`` is singular.
    """
    k, u = kept.numpy(), rest.numpy()
    inside, across = laplacian[u][:, u].tocsc(), laplacian[u][:, k].tocsc()
    try:
        solve = splu(inside).solve
    except RuntimeError as error:
        raise ValueError(SINGULAR) from error
    parts = [across[:, begin : begin + _AT_ONCE] for begin in range(0, len(k), _AT_ONCE)]
    inner = hstack([csr_matrix(solve(part.toarray())) for part in parts], format="csr")
    found = laplacian[k][:, k] - across.T.tocsr() @ inner
    found = (0.5 * (found + found.T)).tocsr()
    found.eliminate_zeros()
    return found, partial(_extended, kept=k, rest=u, solve=solve, across=across.tocsr())


def _extended(
    values: np.ndarray, kept: np.ndarray, rest: np.ndarray, solve: Extension, across: csr_matrix
) -> np.ndarray:
    """``P x``: ``(K, M) -> (N, M)``."""
    whole = np.empty((len(kept) + len(rest), values.shape[1]))
    whole[kept], whole[rest] = values, -solve(across @ values)
    return whole


def with_gradient(found: csr_matrix, values: Tensor, places: Tensor, extension: Extension) -> Tensor:
    """The entries of ``found`` as a function of those of ``L``, or of ``I − L``: ``(E,)``, at ``(2, E)``.

    ``dL' = Pᵀ dL P``: what ``L_uu⁻¹`` contributes is in ``P`` alone. Of cotangents ``G`` of the entries of
    ``L'``, the gradient of ``L_ij`` is ``P_i G P_jᵀ``: some columns of ``P`` and ``P G`` at a time, each by
    a solve with the factors of ``L_uu``.
    """
    data = torch.from_numpy(found.data).to(values)
    if not (values.requires_grad and torch.is_grad_enabled()):
        return data
    known: Tensor = _Complement.apply(values, data, found, places.cpu().numpy(), extension)
    return known


class _Complement(HandDifferentiated):
    """``data``, as a function of ``values``."""

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, data: Tensor, found: csr_matrix, places: np.ndarray, extension: Extension
    ) -> Tensor:
        ctx.found, ctx.places, ctx.extension = found, places, extension
        ctx.save_for_backward(values)
        return data.clone()

    @staticmethod
    @differentiable_once("use shift.to_dense() for it")
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None, None]:
        given = grad.double().cpu().numpy()
        cotangent = csr_matrix((given, ctx.found.indices, ctx.found.indptr), shape=ctx.found.shape)
        both = (0.5 * (cotangent + cotangent.T)).tocsc()
        slope = np.zeros(ctx.places.shape[1])
        for begin in range(0, both.shape[1], _AT_ONCE):
            part = both[:, begin : begin + _AT_ONCE].toarray()
            waves, ahead = map(ctx.extension, (np.eye(*part.shape, -begin), part))
            _add_products(slope, waves, ahead, ctx.places)
        return torch.from_numpy(slope).to(grad), None, None, None, None


def _add_products(slope: np.ndarray, waves: np.ndarray, ahead: np.ndarray, places: np.ndarray) -> None:
    """``slope_e += ⟨ahead_i, waves_j⟩`` for each place ``(i, j)``."""
    for begin in range(0, len(slope), _ROWS):
        row, column = places[:, begin : begin + _ROWS]
        slope[begin : begin + _ROWS] += np.einsum("ec,ec->e", ahead[row], waves[column])
