"""Sizes, and the random signals, features and edges of which cases are made."""

import torch
from torch import Tensor

from gsp_nonlocal.testing.law import relative as relative

NODES, IN, OUT, BATCH = 12, 4, 5, 2
GRID = (3, 4)


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


def edges(seed: int = 4) -> tuple[Tensor, Tensor]:
    """An undirected, weighted graph: ``edge_index (2, E)`` and weights; the last node is isolated."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(NODES, NODES, generator=generator, dtype=torch.float64)
    kept = torch.rand(NODES, NODES, generator=generator).triu(1) > 0.7
    kept[:, -1] = False
    upper = kept.nonzero().T
    return torch.cat([upper, upper.flip(0)], dim=1), weights[kept].repeat(2)


def embeddings(rank: int = 3) -> tuple[Tensor, Tensor]:
    """Signed ``q`` and ``k``."""
    return signal(rank, seed=11), signal(rank, seed=12)


def hinges() -> tuple[Tensor, Tensor]:
    """``u`` and ``v`` with ties."""
    return signal(1, seed=11).round(decimals=1), signal(1, seed=12).round(decimals=1)


def signal(channels: int = IN, nodes: int = NODES, batch: int = BATCH, seed: int = 7) -> Tensor:
    """A random node signal ``(B, N, C)`` in float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, nodes, channels, generator=generator, dtype=torch.float64)
