"""Numbers as they come in practice and at its edges, by name and seed, so that a case is text."""

from __future__ import annotations

import torch
from torch import Tensor

LIMITS = {torch.float16: 1e2, torch.bfloat16: 1e4}
"""Greatest scale that is drawn in a narrow data type."""


def content(kind: str, shape: tuple[int, ...], seed: int) -> Tensor:
    """``shape`` numbers in float64 of about unit size; the axis of the nodes is the second one."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(shape, generator=generator, dtype=torch.float64)
    return KINDS[kind](values)


def _duplicates(values: Tensor) -> Tensor:
    """Every node twice."""
    half = values[:, : (values.shape[1] + 1) // 2]
    return half.repeat_interleave(2, dim=1)[:, : values.shape[1]]


def _isolated(values: Tensor) -> Tensor:
    values[:, ::3] = 0
    return values


def _parts(values: Tensor) -> Tensor:
    """Two groups of nodes that have no feature in common."""
    if values.dim() < 3:
        return values
    nodes, features = values.shape[1] // 2, max(values.shape[-1] // 2, 1)
    values[:, :nodes, :features] = 0
    values[:, nodes:, features:] = 0
    return values


def _wide(values: Tensor) -> Tensor:
    """Nodes whose sizes span eight decades."""
    decades = torch.linspace(-4, 4, values.shape[1], dtype=values.dtype)
    return values * 10 ** decades.view(1, -1, *([1] * (values.dim() - 2)))


KINDS = {
    "random": lambda values: values,
    "positive": lambda values: values.abs() + 0.1,
    "constant": lambda values: torch.ones_like(values) * values.flatten()[:1],
    "duplicates": _duplicates,
    "isolated": _isolated,
    "parts": _parts,
    "zero": torch.zeros_like,
    "rank one": lambda values: values[..., :1] * values[:, :1] if values.dim() > 2 else values,
    "ties": lambda values: (2 * values).round() / 2,
    "sparse": lambda values: values * (values > 0.8),
    "wide": _wide,
    "offset": lambda values: 100 + 0.01 * values,
}
"""How the numbers look, by name; each takes standard normal numbers."""
