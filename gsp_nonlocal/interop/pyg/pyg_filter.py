"""Convolutions of PyG as our filters."""

from __future__ import annotations

import inspect

from torch import Tensor, nn

from filters import GraphFilter, ShiftOperator
from filters.checks import require_integer
from filters.operators.signal import Signal, materialise
from gsp_nonlocal.interop.pyg.side_by_side import COMPLETE_NODES, edges_of_each
from gsp_nonlocal.shifts.neighbours import EdgeList, complete_edges, nearest_edges


class PyGFilter(GraphFilter):
    r"""Any PyG convolution as the filter of a nonlocal block: ``y = conv(z, edges of S)``.

    Graphs of up to ``complete_nodes`` nodes are given with all their ``N²`` edges, larger ones with the
    ``neighbours`` strongest edges of every node: never an accidental list of ``N²``. A convolution that
    takes ``edge_weight`` gets the entries of ``S``; a dense one (``DenseGCNConv``, …), which takes ``adj``,
    the matrix ``S``, for small graphs only.

    What the convolution does with its edges is its own affair: ``GCNConv`` adds self-loops and normalises
    again, ``GATv2Conv`` weighs by attention. So this filter need not be a function of ``S``, nor linear, and
    has no response.

    Args:
        conv: a convolution from ``torch_geometric.nn``, called ``conv(x, edge_index)``, with
            ``edge_weight`` if it takes one, or ``conv(x, adj)``. One without parameters (``APPNP``,
            ``LGConv``) takes any channels.
        complete_nodes: the limit, :data:`COMPLETE_NODES` by default.
        neighbours: edges of a node in larger graphs.

    Raises:
        TypeError: if ``conv`` has parameters but no ``in_channels`` and ``out_channels``, or takes neither
            ``edge_index`` nor ``adj``; by :meth:`response`.
        ValueError: at the call, for a dense convolution on a graph above the limit.

    References:
        Fey, Lenssen (2019), *Fast Graph Representation Learning with PyTorch Geometric*.

    Example:
        >>> import torch
        >>> from torch_geometric.nn import GCNConv
        >>> from gsp_nonlocal import NonlocalBlock
        >>> block = NonlocalBlock(8, filter=lambda i, o: PyGFilter(GCNConv(i, o)))
        >>> block(torch.randn(2, 8, 32, 32)).shape
        torch.Size([2, 8, 32, 32])
    """

    def __init__(self, conv: nn.Module, complete_nodes: int = COMPLETE_NODES, neighbours: int = 16) -> None:
        super().__init__()
        if not isinstance(conv, nn.Module):
            raise TypeError(f"conv must be a module of torch_geometric.nn, got {type(conv).__name__}")
        self.in_channels, self.out_channels = _channels(conv)
        accepted = inspect.signature(conv.forward).parameters
        if not {"edge_index", "adj"} & set(accepted):
            raise TypeError(
                f"{type(conv).__name__} takes neither edge_index nor adj; it is no PyG convolution"
            )
        self.conv = conv
        self.complete_nodes = require_integer("complete_nodes", complete_nodes, 0)
        self.neighbours = require_integer("neighbours", neighbours)
        self._takes_matrix, self._takes_weight = "adj" in accepted, "edge_weight" in accepted

    def filter_signal(self, shift: ShiftOperator, z: Signal) -> Signal:
        """``conv(z, edges of S)``."""
        if shift.diagonal is not None:
            raise TypeError(
                f"{self} is no function of S alone, so it has no response and needs a graph with edges"
            )
        nodes = materialise(z)
        own = next(self.conv.parameters(), nodes).dtype
        y = (self._dense if self._takes_matrix else self._on_edges)(shift.to(own), nodes.to(own))
        return shift.signal(y.to(nodes.dtype))

    def _dense(self, shift: ShiftOperator, nodes: Tensor) -> Tensor:
        if shift.shape[-1] > self.complete_nodes:
            raise ValueError(
                f"{self} takes the matrix S, and {shift.shape[-1]} nodes are above the limit of "
                f"{self.complete_nodes}; use its sparse counterpart, a smaller map, or raise complete_nodes"
            )
        return self.conv(nodes, shift.to_dense().expand(len(nodes), -1, -1))

    def _on_edges(self, shift: ShiftOperator, nodes: Tensor) -> Tensor:
        small = shift.shape[-1] <= self.complete_nodes
        edges = complete_edges(shift) if small else nearest_edges(shift, self.neighbours)
        edges = edges_of_each(edges, len(nodes) // shift.shape[0], shift.shape[-1])
        if self._takes_weight:  # an edge of weight 0 is none: PyG's degree 0 has a gradient of NaN
            kept = edges.edge_weight != 0
            edges = EdgeList(edges.edge_index[:, kept], edges.edge_weight[kept])
        weight = {"edge_weight": edges.edge_weight} if self._takes_weight else {}
        flat = self.conv(nodes.flatten(0, 1), edges.edge_index, **weight)
        return flat.unflatten(0, nodes.shape[:2])

    def extra_repr(self) -> str:
        """What ``repr`` shows of the settings."""
        return f"complete_nodes={self.complete_nodes}, neighbours={self.neighbours}"


def _channels(conv: nn.Module) -> tuple[int, int] | tuple[None, None]:
    """Channels in and out of a convolution, of all heads that are joined; any, if it has no parameters."""
    if not any(True for _ in conv.parameters()):
        return None, None
    size_in, size_out = getattr(conv, "in_channels", None), getattr(conv, "out_channels", None)
    if not (isinstance(size_in, int) and isinstance(size_out, int) and size_in > 0):
        raise TypeError(
            f"{type(conv).__name__} has in_channels={size_in} and out_channels={size_out}; a filter of a "
            "block needs both as numbers"
        )
    heads = getattr(conv, "heads", 1) if getattr(conv, "concat", False) else 1
    return size_in, size_out * heads
