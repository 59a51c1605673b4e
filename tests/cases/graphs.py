"""Graphs by name, each with what is known of it."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data

from gsp_nonlocal import graphs

POINTS = torch.from_numpy(np.random.default_rng(5).random((25, 3)))
MAP = torch.from_numpy(np.random.default_rng(6).random((4, 5, 6)))


class GraphCase(NamedTuple):
    """``make(device=…, dtype=…)`` or, where ``points`` decide both, ``make()``.

    Attributes:
        nodes: of the graph.
        pairs: joined nodes, where they are known.
        normalised: eigenvalues of ``I − D^{-1/2} A D^{-1/2}``, where they are known in closed form.
        combinatorial: those of ``D − A``.
    """

    make: Callable[..., Data]
    nodes: int
    pairs: int | None = None
    normalised: Tensor | None = None
    combinatorial: Tensor | None = None


def waves(n: int, turns: float = 2) -> Tensor:
    """``1 − cos(turns π m / n)``, ``m < n``."""
    return 1 - torch.cos(turns * torch.pi * torch.arange(n, dtype=torch.float64) / n)


def sums(*axes: Tensor) -> Tensor:
    """All sums of one number of each axis."""
    total = axes[0]
    for axis in axes[1:]:
        total = (total[:, None] + axis).flatten()
    return total


def repeated(*pairs: tuple[float, int]) -> Tensor:
    return torch.cat([torch.full((times,), value, dtype=torch.float64) for value, times in pairs])


def circulant(n: int, k: int) -> Tensor:
    """``1 − (1/k) Σ_j cos(2π j m / n)``, ``m < n``."""
    return sum(waves(n, 2 * j) for j in range(1, k + 1)) / k


MADE = {
    "ring": GraphCase(partial(graphs.ring, 9), 9, 9, waves(9), 2 * waves(9)),
    "ring of 3": GraphCase(partial(graphs.ring, 3), 3, 3, waves(3), 2 * waves(3)),
    "ring, 3 neighbours": GraphCase(
        partial(graphs.ring, 11, 3), 11, 33, circulant(11, 3), 6 * circulant(11, 3)
    ),
    "ring, opposite nodes": GraphCase(partial(graphs.ring, 6, 3), 6, 15, repeated((0, 1), (1.2, 5))),
    "path": GraphCase(
        partial(graphs.path, 7), 7, 6, torch.cat([waves(6, 1), repeated((2, 1))]), 2 * waves(7, 1)
    ),
    "path of 1": GraphCase(partial(graphs.path, 1), 1, 0, None, repeated((0, 1))),
    "grid": GraphCase(
        partial(graphs.grid, 3, 4), 12, 17, None, 2 * sums(waves(3, 1), waves(4, 1))
    ),
    "grid, one row": GraphCase(partial(graphs.grid, 1, 5), 5, 4, None, 2 * waves(5, 1)),
    "grid in space": GraphCase(
        partial(graphs.grid, 2, 3, 4), 24, 46, None, 2 * sums(waves(2, 1), waves(3, 1), waves(4, 1))
    ),
    "periodic grid in space": GraphCase(
        partial(graphs.grid, 3, 4, 5, periodic=True), 60, 180, sums(waves(3), waves(4), waves(5)) / 3
    ),
    "torus": GraphCase(
        partial(graphs.torus, 4, 5), 20, 40, sums(waves(4), waves(5)) / 2, 2 * sums(waves(4), waves(5))
    ),
    "complete": GraphCase(
        partial(graphs.complete, 6), 6, 15, repeated((0, 1), (1.2, 5)), repeated((0, 1), (6, 5))
    ),
    "star": GraphCase(
        partial(graphs.comet, 6, 5), 6, 5, repeated((0, 1), (1, 4), (2, 1)), repeated((0, 1), (1, 4), (6, 1))
    ),
    "comet": GraphCase(partial(graphs.comet, 9, 4), 9, 8),
    "comet, a path": GraphCase(partial(graphs.comet, 5, 1), 5, 4, None, 2 * waves(5, 1)),
    "erdos_renyi": GraphCase(partial(graphs.erdos_renyi, 30, 0.2, seed=4), 30),
    "erdos_renyi, none": GraphCase(partial(graphs.erdos_renyi, 7, 0.0), 7, 0),
    "erdos_renyi, all": GraphCase(partial(graphs.erdos_renyi, 7, 1.0), 7, 21),
    "barabasi_albert": GraphCase(partial(graphs.barabasi_albert, 30, 2, seed=4), 30, 56),
    "stochastic_block_model": GraphCase(
        partial(graphs.stochastic_block_model, [10, 5], [[0.8, 0.1], [0.1, 0.9]], seed=4), 15
    ),
    "blocks, all or none": GraphCase(
        partial(graphs.stochastic_block_model, [4, 3], torch.eye(2)), 7, 9,
        repeated((0, 2), (4 / 3, 3), (3 / 2, 2)),
    ),
    "community": GraphCase(partial(graphs.community, 40, 3, seed=4), 40),
    "one community": GraphCase(partial(graphs.community, 5, 1, 1.0), 5, 10),
    "sensor": GraphCase(partial(graphs.sensor, 30, seed=4), 30),
    "swiss_roll": GraphCase(partial(graphs.swiss_roll, 30, 5, seed=4), 30),
}  # fmt: skip
"""Graphs that are made from numbers, on a device and of a type."""

GIVEN = {
    "nearest_neighbours": GraphCase(partial(graphs.nearest_neighbours, POINTS, 4), 25),
    "nearest_neighbours, lengths": GraphCase(
        partial(graphs.nearest_neighbours, POINTS, 4, weight="distance"), 25
    ),
    "nearest_neighbours, all": GraphCase(
        partial(graphs.nearest_neighbours, POINTS, 24, weight="one"), 25, 300, repeated((0, 1), (25 / 24, 24))
    ),
    "nearest_neighbours, many coordinates": GraphCase(
        partial(graphs.nearest_neighbours, POINTS.repeat(1, 10), 4), 25
    ),
    "nearest_neighbours, equal points": GraphCase(
        partial(graphs.nearest_neighbours, POINTS[:4].repeat(3, 1), 2, sigma=1.0), 12
    ),
    "radius": GraphCase(partial(graphs.radius, POINTS, 0.4), 25),
    "radius, lengths": GraphCase(partial(graphs.radius, POINTS, 0.4, weight="distance"), 25),
    "radius, all": GraphCase(
        partial(graphs.radius, POINTS, 2.0, weight="one"), 25, 300, repeated((0, 1), (25 / 24, 24))
    ),
    "radius, none": GraphCase(partial(graphs.radius, POINTS, 1e-9), 25, 0),
    "feature_map": GraphCase(partial(graphs.feature_map, MAP, 4), 30),
    "feature_map, two": GraphCase(partial(graphs.feature_map, torch.stack([MAP, MAP.flip(1)]), 4), 60),
    "image_patches": GraphCase(partial(graphs.image_patches, MAP[0], 3, 4), 30),
    "image_patches, in colour": GraphCase(partial(graphs.image_patches, MAP[:3], 5, 4), 30),
}
"""Graphs of points and maps, whose device and type they have."""

GRAPHS = {**MADE, **GIVEN}


def made(name: str) -> Data:
    """The graph in float64."""
    return MADE[name].make(dtype=torch.float64) if name in MADE else GIVEN[name].make()
