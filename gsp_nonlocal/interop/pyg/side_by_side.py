"""The edges of a shift as PyG counts them: graphs of a batch side by side."""

from __future__ import annotations

import torch

from gsp_nonlocal.shifts.neighbours import EdgeList

COMPLETE_NODES = 256
"""Up to so many nodes a graph is given to PyG with all its ``N²`` edges."""


def edges_of_each(edges: EdgeList, copies: int, nodes: int) -> EdgeList:
    """The edges of one graph of ``nodes`` nodes, for ``copies`` signals on it side by side."""
    if copies == 1:
        return edges
    offset = nodes * torch.arange(copies, device=edges.edge_index.device).view(1, -1, 1)
    places = (edges.edge_index.unsqueeze(1) + offset).flatten(1)
    return EdgeList(places, edges.edge_weight.repeat(copies))
