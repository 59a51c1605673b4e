"""The case tables: every filter family, and every kind of shift, once."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from filters import (
    Aggregation,
    Chebyshev,
    DenseShift,
    DiagonalShift,
    Diffusion,
    GraphFilter,
    Identity,
    ShiftOperator,
)
from gsp_nonlocal.affinity import relu_dot_shift
from gsp_nonlocal.shifts import LowRankShift

NODES, IN, OUT, BATCH = 12, 4, 5, 2


class FilterCase(NamedTuple):
    """``scalar(λ)`` are the exact responses of the terms; ``None`` where the case is a composition."""

    make: Callable[[], GraphFilter]
    terms: Callable[[Tensor], list[Tensor]] | None


def chebyshev_terms(order: int) -> Callable[[Tensor], list[Tensor]]:
    """``T_k(1 − λ) = cos(k arccos(1 − λ))``, independent of the recurrence."""
    return lambda lam: [torch.cos(k * torch.arccos((1 - lam).clamp(-1, 1))) for k in range(order + 1)]


FILTERS: dict[str, FilterCase] = {
    **{
        f"chebyshev-{order}": FilterCase(
            lambda order=order: Chebyshev(IN, OUT, order=order), chebyshev_terms(order)
        )
        for order in (0, 1, 2, 5)
    },
    "aggregation": FilterCase(lambda: Aggregation(IN, OUT), lambda lam: [1 - lam]),
    "diffusion": FilterCase(lambda: Diffusion(IN, OUT), lambda lam: [-lam]),
    "sum": FilterCase(lambda: Chebyshev(IN, OUT, order=2) + Diffusion(IN, OUT), None),
    "difference": FilterCase(lambda: Chebyshev(IN, OUT, order=2) - Diffusion(IN, OUT), None),
    "cascade": FilterCase(lambda: Chebyshev(IN, OUT, order=2) @ Chebyshev(IN, IN, order=3), None),
    "scaled": FilterCase(lambda: -0.5 * Chebyshev(IN, OUT, order=3), None),
    "zero, then a filter": FilterCase(lambda: Chebyshev(IN, OUT, order=0) @ (0.0 * Identity(IN)), None),
    "residual": FilterCase(lambda: Identity(IN) + Chebyshev(IN, IN, order=2) @ Identity(IN), None),
    "nested": FilterCase(
        lambda: Aggregation(IN, OUT) @ (Identity(IN) + 2 * Chebyshev(IN, IN)) + Chebyshev(IN, OUT, order=4),
        None,
    ),
}


def features(batch: int = BATCH, nodes: int = NODES, rank: int = 6, seed: int = 0) -> Tensor:
    """Non-negative ``[q, k]``, with zeros, as a ReLU leaves them."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, nodes, rank, generator=generator, dtype=torch.float64).relu()


def isolated() -> Tensor:
    """Features in which nodes 0 and 5 have no edge."""
    values = features()
    values[:, [0, 5]] = 0
    return values


def channel_first(values: Tensor) -> Tensor:
    """The same numbers in the memory layout of a feature map."""
    return values.mT.contiguous().mT


SHIFTS: dict[str, Callable[[], ShiftOperator]] = {
    "low-rank": lambda: relu_dot_shift(features(), "low_rank"),
    "low-rank, channel-first": lambda: relu_dot_shift(channel_first(features()), "low_rank"),
    "low-rank, isolated nodes": lambda: relu_dot_shift(isolated(), "low_rank"),
    "low-rank, more columns than nodes": lambda: relu_dot_shift(features(rank=32), "low_rank"),
    "low-rank, odd rank, no core": lambda: LowRankShift(features(rank=5) / 6),
    "low-rank, batch of one": lambda: relu_dot_shift(features(batch=1), "low_rank"),
    "low-rank, not symmetric": lambda: LowRankShift(features(seed=1) / 9, features(seed=2) / 9),
    "dense": lambda: relu_dot_shift(features(), "dense"),
    "dense, batch of one": lambda: relu_dot_shift(features(batch=1), "dense"),
    "diagonal": lambda: DiagonalShift(torch.linspace(-1, 1, NODES, dtype=torch.float64)),
    "sum of low-rank": lambda: relu_dot_shift(features(), "low_rank") + LowRankShift(features(seed=3) / 20),
    "sum of kinds": lambda: (
        relu_dot_shift(features(), "low_rank")
        + DenseShift(0.1 * torch.eye(NODES, dtype=torch.float64), is_symmetric=True)
    ),
}


def signal(channels: int = IN, nodes: int = NODES, batch: int = BATCH, seed: int = 7) -> Tensor:
    """A random node signal ``(B, N, C)`` in float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, nodes, channels, generator=generator, dtype=torch.float64)


def relative(value: Tensor, reference: Tensor) -> float:
    """``‖value − reference‖ / ‖reference‖``."""
    return ((value - reference).norm() / reference.norm().clamp_min(1e-30)).item()
