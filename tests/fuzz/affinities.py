"""Affinities as their equations read, in float64 and as matrices: from the papers, not the library."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import factorial, log, prod
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

State = dict[str, Tensor]
POOLS = {
    "max": (functional.max_pool1d, functional.max_pool2d, functional.max_pool3d),
    "average": (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d),
}


def affinity_matrix(affinity: Any, x: Tensor, spatial: Sequence[int], state: State | None = None) -> Tensor:
    """``S (B, N, N)`` of an affinity on ``x (B, N, C)``; ``(B, N, M)`` where edges start at pooled positions.

    ``state``: values of its parameters, in float64; by default its own.
    """
    state = {name: value.detach() for name, value in affinity.named_parameters()} if state is None else state
    name = type(affinity).__name__
    if name in SPECIAL:
        return SPECIAL[name](affinity, state, x, spatial)
    query, key = _embeddings(affinity, state, x)
    if affinity.sub_sample is not None:
        key = pool(key, affinity.sub_sample, spatial)
    return _normalised(affinity, *WEIGHTS[name](affinity, state, query, key, spatial))


def affinity_rounding(affinity: Any, x: Tensor, state: State | None = None) -> float:
    """How many units of rounding an entry has: as many as its exponent, or its norms, are great."""
    state = {name: value.detach() for name, value in affinity.named_parameters()} if state is None else state
    name = type(affinity).__name__
    if name not in ("EmbeddedGaussian", "Gaussian", "RBF", "CrissCross"):
        return 1.0
    query, key = _embeddings(affinity, state, x)
    if name == "RBF":  # documented: the rounding of γ ‖θ − mean φ‖²
        center = key.mean(1, keepdim=True)
        return 1 + 4 * affinity.gamma * max(float((p - center).square().sum(-1).amax()) for p in (query, key))
    return 1 + abs(getattr(affinity, "scale", 1.0)) * float((query.abs() @ key.abs().mT).amax())


def pool(z: Tensor, kind: str, spatial: Sequence[int]) -> Tensor:
    """Pooling by 2 a direction, not in time: ``(B, N, C) -> (B, M, C)``."""
    window = (1, 2, 2) if len(spatial) == 3 else (2,) * len(spatial)
    return POOLS[kind][len(spatial) - 1](z.mT.unflatten(2, tuple(spatial)), window).flatten(2).mT


def _embeddings(affinity: Any, state: State, x: Tensor) -> tuple[Tensor, Tensor]:
    if type(affinity).__name__ == "Gaussian":
        query = key = x
    else:
        both = x @ state["theta_phi.weight"].mT + state.get("theta_phi.bias", torch.zeros((), dtype=x.dtype))
        query, key = both.chunk(2, dim=-1)
    if getattr(affinity, "whiten", False):
        query, key = query - query.mean(1, keepdim=True), key - key.mean(1, keepdim=True)
    if hasattr(affinity, "vertices"):
        query, key = affinity.vertices.fold(query), affinity.vertices.fold(key)
    return query, key


def _dot(affinity: Any, state: State, q: Tensor, k: Tensor, spatial: Sequence[int]) -> tuple[Tensor, bool]:
    return q @ k.mT, False


def _relu_dot(
    affinity: Any, state: State, q: Tensor, k: Tensor, spatial: Sequence[int]
) -> tuple[Tensor, bool]:
    return q.relu() @ k.relu().mT, False


def _gaussian(
    affinity: Any, state: State, q: Tensor, k: Tensor, spatial: Sequence[int]
) -> tuple[Tensor, bool]:
    return affinity.scale * q @ k.mT, True


def _rbf(affinity: Any, state: State, q: Tensor, k: Tensor, spatial: Sequence[int]) -> tuple[Tensor, bool]:
    return -affinity.gamma * (q.unsqueeze(2) - k.unsqueeze(1)).square().sum(-1), True


def _double_softmax(
    affinity: Any, state: State, q: Tensor, k: Tensor, spatial: Sequence[int]
) -> tuple[Tensor, bool]:
    return q.softmax(-1) @ k.softmax(-2).mT, False


def _taylor(affinity: Any, state: State, q: Tensor, k: Tensor, spatial: Sequence[int]) -> tuple[Tensor, bool]:
    product, gamma = q @ k.mT, affinity.gamma
    series = sum((2 * gamma) ** p / factorial(p) * product**p for p in range(affinity.order + 1))
    norms = q.square().sum(-1, keepdim=True) + k.square().sum(-1, keepdim=True).mT
    return series * torch.exp(
        -gamma * (2.0 if affinity.unit_norm else norms) * torch.ones_like(product)
    ), False


def _concatenation(
    affinity: Any, state: State, q: Tensor, k: Tensor, spatial: Sequence[int]
) -> tuple[Tensor, bool]:
    first, second = state["weight"].chunk(2)
    return (q @ first.unsqueeze(-1) + (k @ second.unsqueeze(-1)).mT).relu(), False


def _criss_cross(
    affinity: Any, state: State, q: Tensor, k: Tensor, spatial: Sequence[int]
) -> tuple[Tensor, bool]:
    row, column = (part.flatten() for part in torch.meshgrid(*map(torch.arange, spatial), indexing="ij"))
    joined = (row == row.unsqueeze(-1)) | (column == column.unsqueeze(-1))
    return (q @ k.mT).masked_fill(~joined, -torch.inf), True


WEIGHTS: dict[str, Callable[..., tuple[Tensor, bool]]] = {
    "DotProduct": _dot,
    "ReLUDot": _relu_dot,
    "EmbeddedGaussian": _gaussian,
    "Gaussian": _gaussian,
    "RBF": _rbf,
    "DoubleSoftmax": _double_softmax,
    "TaylorRBF": _taylor,
    "Concatenation": _concatenation,
    "CrissCross": _criss_cross,
}
"""``M``, or its logarithm and ``True``."""


def _normalised(affinity: Any, weights: Tensor, is_log: bool) -> Tensor:
    if affinity.symmetrization == "average":
        weights = (
            torch.logaddexp(weights, weights.mT) - log(2.0) if is_log else (0.5 * (weights + weights.mT))
        )
    kind = affinity.normalization
    if kind in ("none", "mean"):
        plain = weights.exp() if is_log else weights
        return plain / plain.shape[-1] if kind == "mean" else plain
    if is_log:
        rows, columns = weights.logsumexp(-1, keepdim=True), weights.logsumexp(-2, keepdim=True)
        return (weights - (rows if kind == "random_walk" else 0.5 * rows + 0.5 * columns)).exp()
    rows, columns = weights.sum(-1, keepdim=True), weights.sum(-2, keepdim=True)
    if kind == "random_walk":
        return weights * power(rows, -1.0)
    return weights * power(rows, -0.5) * power(columns, -0.5)


def power(degree: Tensor, exponent: float) -> Tensor:
    """``d^e``, 0 at a degree of 0."""
    return torch.where(degree > 0, degree.clamp_min(1e-300) ** exponent, torch.zeros_like(degree))


def _context(affinity: Any, state: State, x: Tensor, spatial: Sequence[int]) -> Tensor:
    return (x @ state["mask.weight"].mT).softmax(1).mT.expand(-1, x.shape[1], -1)


def _pyramid(affinity: Any, state: State, x: Tensor, spatial: Sequence[int]) -> Tensor:
    embedded = x @ state["embedding.weight"].mT + state["embedding.bias"]
    norm = {name: state[f"norm.{name}"] for name in ("weight", "bias")}
    query = torch.func.functional_call(affinity.norm, norm, (embedded.mT,)).relu().mT
    units = torch.eye(prod(spatial), dtype=x.dtype).view(prod(spatial), 1, *spatial)
    adaptive = (
        functional.adaptive_avg_pool1d,
        functional.adaptive_avg_pool2d,
        functional.adaptive_avg_pool3d,
    )[len(spatial) - 1]
    levels = [adaptive(units, (size,) * len(spatial)).flatten(1).mT for size in affinity.sizes]
    pooling = torch.cat(levels)
    exponents = query @ (pooling @ query).mT / query.shape[-1] ** 0.5
    return exponents.softmax(-1) @ pooling


SPECIAL = {"GlobalContext": _context, "PyramidAttention": _pyramid}
"""Affinities without pairs of embeddings."""
