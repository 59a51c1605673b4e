"""Small graphs with symmetries, whose eigenvalues repeat: normalised adjacencies in float64."""

from __future__ import annotations

import torch
from torch import Tensor


def path(nodes: int) -> Tensor:
    ones = torch.ones(nodes - 1, dtype=torch.float64)
    return torch.diag(ones, 1) + torch.diag(ones, -1)


def cycle(nodes: int) -> Tensor:
    adjacency = path(nodes)
    adjacency[0, -1] = adjacency[-1, 0] = 1
    return adjacency


def star(nodes: int) -> Tensor:
    adjacency = torch.zeros(nodes, nodes, dtype=torch.float64)
    adjacency[0, 1:] = adjacency[1:, 0] = 1
    return adjacency


def complete(nodes: int) -> Tensor:
    return torch.ones(nodes, nodes, dtype=torch.float64) - torch.eye(nodes, dtype=torch.float64)


def product(one: Tensor, other: Tensor) -> Tensor:
    """The Cartesian product: of two paths a grid, of two cycles a torus."""
    return torch.kron(one, torch.eye(len(other)).double()) + torch.kron(torch.eye(len(one)).double(), other)


def side_by_side(*parts: Tensor) -> Tensor:
    return torch.block_diag(*parts)


def normalised(adjacency: Tensor) -> Tensor:
    """``D^{−1/2} A D^{−1/2}``."""
    degree = adjacency.sum(1)
    return adjacency / (degree[:, None] * degree).sqrt()


GRAPHS = {
    name: normalised(adjacency)
    for name, adjacency in {
        "path": path(30),
        "cycle": cycle(24),
        "star": star(20),
        "complete": complete(16),
        "bipartite": torch.kron(path(2), torch.ones(7, 7, dtype=torch.float64)),
        "grid": product(path(6), path(6)),
        "torus": product(cycle(6), cycle(4)),
        "cube": product(product(path(2), path(2)), product(path(2), path(2))),
        "rings side by side": side_by_side(cycle(9), cycle(9), cycle(9)),
    }.items()
}
"""Those on which eigenvalues repeat, up to 14 times."""
