"""What every graph here is: each edge in both directions, once, without self-loops, with a weight."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import to_undirected

from gsp_nonlocal.creation import Options


def both_directions(pairs: Int[Tensor, "2 M"], num_nodes: int) -> Int[Tensor, "2 E"]:
    """The pairs of different nodes as edges in both directions, each once, sorted by source."""
    found: Tensor = to_undirected(pairs, num_nodes=num_nodes)
    return found


def unweighted(
    pairs: np.ndarray,
    num_nodes: int,
    where: Options,
    pos: np.ndarray | None = None,
    y: np.ndarray | None = None,
) -> Data:
    """The graph of these pairs ``(2, M)`` with weights 1.

    Args:
        pairs: two different nodes of each edge, in any order and direction.
        num_nodes: ``N``.
        where: the device of all tensors, and the type of weights and positions.
        pos: positions ``(N, D)``, if there are some.
        y: a number of each node ``(N,)``, such as its block, if there is one.
    """
    place = where["device"] or torch.get_default_device()
    edges = both_directions(torch.from_numpy(pairs.astype(np.int64)), num_nodes).to(place)
    weight = torch.ones(edges.shape[1], device=place, dtype=where["dtype"])
    extra: dict[str, Any] = {}
    if pos is not None:
        extra["pos"] = torch.from_numpy(pos).to(weight)
    if y is not None:
        extra["y"] = torch.from_numpy(y).to(place)
    return Data(edge_index=edges, edge_weight=weight, num_nodes=num_nodes, **extra)


def require_graph(data: Any) -> Data:
    """``data``, or an error where it is no graph of PyG.

    Raises:
        TypeError: if it is no ``Data``.
        ValueError: if it has no ``edge_index``.
    """
    if not isinstance(data, Data):
        raise TypeError(f"expected Data or Batch of PyG, as graphs.ring(8) gives, got {type(data).__name__}")
    if data.edge_index is None:
        raise ValueError(f"the graph has no edge_index: {data}")
    return data


def on_circle(n: int) -> np.ndarray:
    """``(cos 2πi/n, sin 2πi/n)``, ``(n, 2)``."""
    angle = 2 * np.pi * np.arange(n) / n
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)
