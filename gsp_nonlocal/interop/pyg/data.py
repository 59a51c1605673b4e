"""Graphs with their signals as PyG's ``Data``, and back."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from filters import ShiftOperator, as_shift
from filters.operators.promises import Promises
from gsp_nonlocal.interop.pyg.side_by_side import COMPLETE_NODES, edges_of_each
from gsp_nonlocal.nodes import to_nodes
from gsp_nonlocal.shifts.edges import check_edge_weights, check_places
from gsp_nonlocal.shifts.neighbours import EdgeList, complete_edges, nearest_edges
from gsp_nonlocal.shifts.pattern import Pattern
from gsp_nonlocal.shifts.sparse import SparseShift
from gsp_nonlocal.shifts.structure import stored_edges
from gsp_nonlocal.shifts.wiring import Reverse


def to_data(shift: ShiftOperator | Tensor, x: Tensor, *, neighbours: int | None = None) -> Data | Batch:
    r"""The graph ``S`` with node signals ``x`` as PyG ``Data``, or a ``Batch`` of ``B`` of them.

    The entries of ``S`` are the weights: ``edge_weight`` of the edge ``j → i`` is ``S_ij``.

    Args:
        shift: a shift ``(B, N, N)``, or a plain tensor.
        x: node signals ``(B, N, C)``, or a map ``(B, C, *spatial)`` of two or three spatial dimensions.
        neighbours: keep this number of the greatest entries of every row; by default all ``N²``,
            which is refused above :data:`COMPLETE_NODES` nodes (a sparse shift keeps its own edges, whatever
            its size).

    Raises:
        TypeError: if ``shift`` is no shift, or ``x`` no tensor.
        ValueError: if ``x`` does not fit the graph or has no sample, or the graph is too large for all its
            edges.

    Example:
        >>> data = to_data(torch.full((2, 4, 4), 0.25), torch.randn(2, 3, 2, 2))
        >>> data.num_graphs, tuple(data.x.shape), tuple(data.edge_index.shape)
        (2, (8, 3), (2, 32))
    """
    shift = as_shift(shift)
    if not isinstance(x, Tensor):
        raise TypeError(f"node signals are a tensor (B, N, C), got {type(x).__name__}")
    if len(x) == 0:
        raise ValueError(f"a batch of PyG needs at least one graph, got signals of shape {tuple(x.shape)}")
    nodes = x if x.dim() == 3 else to_nodes(x)
    batch, count, _ = nodes.shape
    if shift.shape[-1] != count or shift.shape[0] not in (1, batch):
        raise ValueError(f"shift {tuple(shift.shape)} does not fit the node signals {tuple(nodes.shape)}")
    edges = edges_of_each(_edges(shift, neighbours), batch // shift.shape[0], count)
    graph = Data(x=nodes.flatten(0, 1), edge_index=edges.edge_index, edge_weight=edges.edge_weight)
    if batch == 1:
        return graph
    return Batch.from_data_list([_part(graph, index, count) for index in range(batch)])


def from_data(data: Data | Batch) -> tuple[SparseShift, Tensor]:
    r"""``(shift, x)`` of PyG data whose ``edge_weight`` are the entries of ``S``: the way back of
    :func:`to_data`.

    For a graph that is not normalised, use ``SparseShift.from_edge_index``.

    Args:
        data: with ``edge_index (2, E)``, ``x (N, C)``, and ``edge_weight (E,)``, 1 by default. The graphs of
            a batch stand side by side in one shift.

    Returns:
        The shift over all ``N`` nodes, and the signal ``(1, N, C)``.

    Raises:
        TypeError: if ``data`` is no ``Data`` of PyG, or node numbers or weights are of another type.
        ValueError: if there is no ``x`` or no ``edge_index``; for ``edge_attr`` without ``edge_weight``;
            for weights that are NaN or infinite, or not one an edge; for nodes that are not there.

    Example:
        >>> shift, x = torch.full((4, 4), 0.25), torch.randn(1, 4, 3)
        >>> same, signal = from_data(to_data(shift, x))
        >>> same.is_symmetric, torch.equal(same.to_dense()[0], shift), torch.equal(signal, x)
        (True, True, True)
    """
    if not isinstance(data, Data):
        raise TypeError(f"expected Data or Batch of PyG, got {type(data).__name__}")
    if data.x is None or data.edge_index is None:
        raise ValueError(f"data needs x and edge_index, got {data}")
    if not data.x.dtype.is_floating_point:
        raise TypeError(f"data.x must be real floating-point, got {data.x.dtype}; use data.x.float()")
    source, target = data.edge_index
    weight = data.edge_weight
    if weight is None and data.edge_attr is not None:
        raise ValueError(
            "data has edge_attr and no edge_weight; set data.edge_weight = data.edge_attr.flatten() "
            "where these are the entries of S, or data.edge_attr = None where all are 1"
        )
    weight = torch.ones(len(source), dtype=data.x.dtype, device=data.x.device) if weight is None else weight
    if not torch.isfinite(weight).all():
        raise ValueError("data.edge_weight has NaN or infinite entries; remove those edges")
    check_places(data.edge_index, data.num_nodes, None)
    check_edge_weights(weight.abs(), source)
    symmetric = Reverse.of(source, target, data.num_nodes).holds(weight.detach())
    pattern, order = Pattern.of(target, source, data.num_nodes)
    return SparseShift.from_pattern(pattern, order, weight, Promises(symmetric)), data.x.unsqueeze(0)


def _edges(shift: ShiftOperator, neighbours: int | None) -> EdgeList:
    nodes = shift.shape[-1]
    if neighbours is not None:
        return nearest_edges(shift, neighbours)
    if nodes > COMPLETE_NODES and stored_edges(shift) is None:
        raise ValueError(
            f"all edges of a graph of {nodes} nodes are {nodes**2:,}, and the limit is {COMPLETE_NODES} "
            "nodes; pass neighbours=… to keep the strongest of every node"
        )
    return complete_edges(shift)


def _part(whole: Data, index: int, nodes: int) -> Data:
    """Graph ``index`` of ``B`` graphs of the same size that were put side by side."""
    begin = index * nodes
    own = (whole.edge_index[1] >= begin) & (whole.edge_index[1] < begin + nodes)
    return Data(
        x=whole.x[begin : begin + nodes],
        edge_index=whole.edge_index[:, own] - begin,
        edge_weight=whole.edge_weight[own],
    )
