"""At home in PyTorch Geometric: graphs as ``Data``, any filter as a convolution, any convolution as a
filter."""

from __future__ import annotations

import inspect

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch, Data
from torch_geometric.nn import MessagePassing

from filters import Filter, GraphFilter, ShiftOperator, as_shift
from filters.checks import require_integer
from filters.operators.linear import require_real_floating
from filters.operators.plain import DiagonalShift
from filters.operators.promises import Promises
from filters.operators.signal import Signal, materialise
from gsp_nonlocal.nodes import to_nodes
from gsp_nonlocal.shifts.edges import LaplacianNormalization, check_edges, equals_transpose
from gsp_nonlocal.shifts.laplacian import Entries, laplacian_shift
from gsp_nonlocal.shifts.neighbours import EdgeList, complete_edges, nearest_edges
from gsp_nonlocal.shifts.sparse import SparseShift

COMPLETE_NODES = 256
"""Up to so many nodes a graph is given to PyG with all its ``N²`` edges."""


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
        ValueError: if ``x`` does not fit the graph, or the graph is too large for all its edges.

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
    edges = _edges_of_each(_edges(shift, neighbours), batch // shift.shape[0], count)
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
        ValueError: if there is no ``x`` or no ``edge_index``.
    """
    if not isinstance(data, Data):
        raise TypeError(f"expected Data or Batch of PyG, got {type(data).__name__}")
    if data.x is None or data.edge_index is None:
        raise ValueError(f"data needs x and edge_index, got {data}")
    source, target = data.edge_index
    weight = data.edge_weight
    weight = torch.ones(len(source), dtype=data.x.dtype, device=data.x.device) if weight is None else weight
    if not torch.isfinite(weight).all():
        raise ValueError("data.edge_weight has NaN or infinite entries; remove those edges")
    edges = check_edges(data.edge_index, weight.abs(), data.num_nodes, None, None, quiet=True)._replace(
        weight=weight
    )
    entries = Entries(target, source, weight, Promises(symmetric=equals_transpose(edges)))
    return SparseShift.from_entries(entries, data.num_nodes), data.x.unsqueeze(0)


class SpectralConv(MessagePassing):
    r"""Any graph filter as a PyG convolution: ``conv(x, edge_index, edge_weight=None, batch=None)``.

    ``y = H(S) x`` with ``S = SparseShift.from_edge_index(edge_index, edge_weight, …)``. Works in
    ``torch_geometric.nn.Sequential``, on batches of a ``NeighborLoader``, and under
    ``torch_geometric.explain``, whose edge masks multiply the entries of ``S``; but filters that need a
    symmetric shift, the fixed responses, take undirected graphs alone, and so neither masks nor sampled
    neighbourhoods. The graph is built anew at every call.

    Args:
        filter: a graph filter.
        normalization: ``"sym"``, ``"rw"`` or ``None``, as in :class:`SparseShift`.
        lambda_max: see :meth:`SparseShift.from_edge_index`.

    Example:
        >>> from filters import Cayley
        >>> conv = SpectralConv(Cayley(3, 5, order=2))
        >>> conv(torch.randn(4, 3), torch.tensor([[0, 1, 2, 3], [1, 0, 3, 2]])).shape
        torch.Size([4, 5])
    """

    def __init__(
        self,
        filter: GraphFilter,
        normalization: LaplacianNormalization = "sym",
        lambda_max: float | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(filter, GraphFilter):
            raise TypeError(f"filter must be a graph filter, as in filters, got {type(filter).__name__}")
        if normalization not in ("sym", "rw", None):
            raise ValueError(f"unknown normalization {normalization!r}; choose 'sym', 'rw' or None")
        self.filter, self.normalization, self.lambda_max = filter, normalization, lambda_max
        self.in_channels, self.out_channels = filter.in_channels, filter.out_channels

    def reset_parameters(self) -> None:
        """Draw the filter's parameters anew."""
        for module in self.filter.modules():
            if isinstance(module, Filter):
                module.reset_parameters()

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        edge_weight: Tensor | None = None,
        batch: Tensor | None = None,
    ) -> Tensor:
        """``(N, in) -> (N, out)``."""
        _require_signal(x)
        edges = check_edges(
            edge_index, _like_signal(edge_weight, edge_index, x), len(x), self.normalization, batch
        )
        entries = laplacian_shift(edges, self.normalization, self.lambda_max)
        shift = SparseShift.from_entries(self._masked(entries), len(x))
        return self.filter(x.unsqueeze(0), shift).squeeze(0)

    def _masked(self, entries: Entries) -> Entries:
        """Under ``torch_geometric.explain``, the entries of ``S`` times the mask of their edges."""
        mask = self._edge_mask if self.explain else None
        if mask is None:
            return entries
        mask = mask.sigmoid() if self._apply_sigmoid else mask
        diagonal = mask.new_ones(len(entries.value) - len(mask))  # where S has one of its own
        return entries._replace(value=entries.value * torch.cat([mask, diagonal]), promises=Promises())

    def __repr__(self) -> str:
        return f"SpectralConv({self.filter}, normalization={self.normalization!r})"


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

    Example:
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
        if isinstance(shift, DiagonalShift):
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
        edges = _edges_of_each(edges, len(nodes) // shift.shape[0], shift.shape[-1])
        if self._takes_weight:  # an edge of weight 0 is none: PyG's degree 0 has a gradient of NaN
            kept = edges.edge_weight != 0
            edges = EdgeList(edges.edge_index[:, kept], edges.edge_weight[kept])
        weight = {"edge_weight": edges.edge_weight} if self._takes_weight else {}
        flat = self.conv(nodes.flatten(0, 1), edges.edge_index, **weight)
        return flat.unflatten(0, nodes.shape[:2])

    def extra_repr(self) -> str:
        """What ``repr`` shows of the settings."""
        return f"complete_nodes={self.complete_nodes}, neighbours={self.neighbours}"


def _require_signal(x: Tensor) -> None:
    """Raise unless ``x`` is a real signal ``(N, C)``."""
    require_real_floating(x, "a node signal")
    if x.dim() != 2:
        raise ValueError(f"a node signal of PyG has shape (N, C), got {tuple(x.shape)}")


def _like_signal(weight: Tensor | None, edge_index: Tensor, x: Tensor) -> Tensor:
    """Edge weights, 1 by default, in the data type of the signal where that is wider."""
    if weight is None:
        return torch.ones(edge_index.shape[-1:], dtype=x.dtype, device=edge_index.device)
    wider = weight.is_floating_point() and x.is_floating_point()
    return weight.to(torch.promote_types(weight.dtype, x.dtype)) if wider else weight


def _edges(shift: ShiftOperator, neighbours: int | None) -> EdgeList:
    nodes = shift.shape[-1]
    if neighbours is not None:
        return nearest_edges(shift, neighbours)
    if nodes > COMPLETE_NODES and not isinstance(shift, SparseShift):
        raise ValueError(
            f"all edges of a graph of {nodes} nodes are {nodes**2:,}, and the limit is {COMPLETE_NODES} "
            "nodes; pass neighbours=… to keep the strongest of every node"
        )
    return complete_edges(shift)


def _edges_of_each(edges: EdgeList, copies: int, nodes: int) -> EdgeList:
    """The edges of one graph of ``nodes`` nodes, for ``copies`` signals on it side by side."""
    if copies == 1:
        return edges
    offset = nodes * torch.arange(copies, device=edges.edge_index.device).view(1, -1, 1)
    places = (edges.edge_index.unsqueeze(1) + offset).flatten(1)
    return EdgeList(places, edges.edge_weight.repeat(copies))


def _part(whole: Data, index: int, nodes: int) -> Data:
    """Graph ``index`` of ``B`` graphs of the same size that were put side by side."""
    begin = index * nodes
    own = (whole.edge_index[1] >= begin) & (whole.edge_index[1] < begin + nodes)
    return Data(
        x=whole.x[begin : begin + nodes],
        edge_index=whole.edge_index[:, own] - begin,
        edge_weight=whole.edge_weight[own],
    )


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
