"""Edges and weights in all the forms that PyG has for them, as one list of edges."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch_geometric import EdgeIndex
from torch_geometric.typing import SparseTensor
from torch_geometric.utils import is_torch_sparse_tensor, to_edge_index


def edges_of(edge_index: Any, edge_weight: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Sources and targets ``(2, E)`` and weights ``(E,)`` of edges in any form.

    Args:
        edge_index: ``(2, E)``, also an ``EdgeIndex``; or the transposed adjacency ``adj_t (N, N)``, whose row
            is an edge's target, as a sparse tensor of PyTorch or a ``SparseTensor``.
        edge_weight: ``(E,)`` or ``(E, 1)``; ``None`` with an ``adj_t``, which holds its own.

    Raises:
        TypeError: for something else.
        ValueError: if there are weights twice.
    """
    if isinstance(edge_index, SparseTensor) or (
        isinstance(edge_index, Tensor) and is_torch_sparse_tensor(edge_index)
    ):
        if edge_weight is not None:
            raise ValueError("adj_t holds the weights of its edges; pass it without edge_weight")
        places, weight = to_edge_index(edge_index)
        return places.flip(0), weight
    if isinstance(edge_index, EdgeIndex):
        edge_index = edge_index.as_tensor()
    if not isinstance(edge_index, Tensor):
        raise TypeError(
            f"edge_index is a tensor (2, E), an EdgeIndex or a sparse adj_t, got {type(edge_index).__name__}"
        )
    if edge_weight is not None and edge_weight.dim() == 2 and edge_weight.shape[1] == 1:
        edge_weight = edge_weight.squeeze(1)
    return edge_index, edge_weight


def signal_of(x: Any) -> Tensor:
    """A signal ``(N, C)`` or ``(B, N, C)``; a sparse one as the numbers that it stands for.

    Raises:
        TypeError: for the pair of a bipartite graph.
    """
    if isinstance(x, tuple | list):
        raise TypeError(
            "got a pair of signals, which is a bipartite graph: its matrix is not square, so it has neither "
            "a spectrum nor powers; put both sets of nodes into one graph (HeteroData.to_homogeneous), or "
            "take a convolution of messages for this type of edges, such as SAGEConv"
        )
    return x.to_dense() if isinstance(x, Tensor) and x.layout != torch.strided else x
