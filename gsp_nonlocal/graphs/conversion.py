"""Graphs of NetworkX, SciPy and PyGSP as PyG's ``Data``, and back."""

from __future__ import annotations

from typing import Any

import networkx
import numpy as np
import torch
from scipy import sparse
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import to_scipy_sparse_matrix

from filters.checks import Device
from gsp_nonlocal.creation import options
from gsp_nonlocal.graphs.undirected import require_graph


def from_scipy(
    matrix: Any, pos: Any = None, *, device: Device = None, dtype: torch.dtype | None = None
) -> Data:
    r"""``w_ij = W_ij``: the undirected graph of a weight matrix.

    Duplicates add up, zeros are no edges. Entries of the diagonal are self-loops and stay.

    Args:
        matrix: ``W (N, N)``, any sparse format of SciPy; real, non-negative, symmetric up to rounding.
        pos: positions ``(N, D)``, if there are some: an array or a tensor.
        device: of all tensors.
        dtype: of weights and positions.

    Raises:
        TypeError: if it is no sparse matrix of real numbers.
        ValueError: if it is empty, not square, not symmetric, or has a negative, NaN or infinite entry; if
            there is not one position for each node.

    Example:
        >>> from scipy.sparse import csr_array
        >>> from_scipy(csr_array([[0.0, 2.0], [2.0, 0.0]])).edge_weight
        tensor([2., 2.])
    """
    where, found = options(device, dtype), _undirected_matrix(matrix)
    place, real = where["device"] or torch.get_default_device(), where["dtype"] or torch.get_default_dtype()
    edges = torch.from_numpy(np.stack([found.row, found.col]).astype(np.int64)).to(place)
    weight = torch.from_numpy(found.data).to(place, real)
    graph = Data(edge_index=edges, edge_weight=weight, num_nodes=found.shape[0])
    if pos is not None:
        graph.pos = _positions(pos, found.shape[0]).to(weight)
    return graph


def to_scipy(data: Data) -> sparse.csr_array:
    r"""``W_ij``, the weight of the edge between ``i`` and ``j``, ``(N, N)``: the way back of
    :func:`from_scipy`.

    Args:
        data: a graph, or a batch, whose graphs are blocks of the matrix; weights are 1 by default.

    Raises:
        TypeError: if it is no ``Data``.
        ValueError: if it has no ``edge_index``.

    Example:
        >>> from gsp_nonlocal.graphs import path
        >>> to_scipy(path(3)).toarray()
        array([[0., 1., 0.],
               [1., 0., 1.],
               [0., 1., 0.]], dtype=float32)
    """
    weight = require_graph(data).edge_weight
    kept = None if weight is None else weight.detach().cpu()
    matrix = to_scipy_sparse_matrix(data.edge_index.cpu(), kept, data.num_nodes)
    return sparse.csr_array(matrix)


def from_networkx(
    graph: Any, weight: str = "weight", *, device: Device = None, dtype: torch.dtype | None = None
) -> Data:
    r"""``w_ij`` of an undirected graph of NetworkX, its nodes numbered in the order in which it has them.

    Parallel edges add up, self-loops stay. Positions are the nodes' attribute ``"pos"``, where all have it.

    Args:
        graph: a ``networkx.Graph`` or ``MultiGraph``.
        weight: attribute of the edges; edges without it have the weight 1.
        device: of all tensors.
        dtype: of weights and positions.

    Raises:
        TypeError: if it is no graph of NetworkX.
        ValueError: if it is empty or directed, or has a negative, NaN or infinite weight.

    Example:
        >>> import networkx
        >>> from_networkx(networkx.petersen_graph()).num_edges
        30
    """
    if not isinstance(graph, networkx.Graph):
        raise TypeError(f"expected a graph of NetworkX, got {type(graph).__name__}")
    if graph.is_directed():
        raise ValueError("the graph is directed; pass graph.to_undirected()")
    if not len(graph):
        raise ValueError("the graph is empty; a graph needs at least one node")
    matrix = networkx.to_scipy_sparse_array(graph, weight=weight, dtype=np.float64)
    placed = dict(graph.nodes(data="pos"))
    pos = None if None in placed.values() else np.array(list(placed.values()), dtype=np.float64)
    return from_scipy(matrix, pos, device=device, dtype=dtype)


def to_networkx(data: Data) -> Any:
    r"""The graph as a ``networkx.Graph`` of nodes ``0, …, N − 1``: the way back of :func:`from_networkx`.

    Args:
        data: an undirected graph; ``edge_weight`` becomes the edges' attribute ``"weight"``, ``pos`` the
            nodes' attribute ``"pos"``.

    Raises:
        TypeError: if it is no ``Data``.
        ValueError: if it has no ``edge_index``, or is directed.

    Example:
        >>> from gsp_nonlocal.graphs import ring
        >>> sorted(to_networkx(ring(4)).edges(data="weight"))
        [(0, 1, 1.0), (0, 3, 1.0), (1, 2, 1.0), (2, 3, 1.0)]
    """
    matrix = _undirected_matrix(to_scipy(data))
    graph = networkx.from_scipy_sparse_array(matrix, edge_attribute="weight")
    if data.pos is not None:
        placed = enumerate(map(tuple, data.pos.detach().cpu().tolist()))
        networkx.set_node_attributes(graph, dict(placed), "pos")
    return graph


def from_pygsp(graph: Any, *, device: Device = None, dtype: torch.dtype | None = None) -> Data:
    r"""``w_ij = W_ij`` of a graph of PyGSP, or of anything with ``W`` and perhaps ``coords``.

    Args:
        graph: with ``W (N, N)``, sparse, and, if it has positions, ``coords (N, D)``. PyGSP itself is not
            needed.
        device: of all tensors.
        dtype: of weights and positions.

    Raises:
        TypeError: if it has no ``W``.
        ValueError: if it is directed; else as in :func:`from_scipy`.

    References:
        Defferrard, Martin, Pena, Perraudin (2017), *PyGSP: Graph Signal Processing in Python*.

    Example:
        >>> from types import SimpleNamespace
        >>> from scipy.sparse import csr_array
        >>> from_pygsp(SimpleNamespace(W=csr_array([[0, 1], [1, 0]]))).edge_index
        tensor([[0, 1],
                [1, 0]])
    """
    if not hasattr(graph, "W"):
        raise TypeError(f"expected a graph with the weight matrix W, got {type(graph).__name__}")
    return from_scipy(graph.W, getattr(graph, "coords", None), device=device, dtype=dtype)


def _undirected_matrix(matrix: Any) -> Any:
    """The entries of a symmetric weight matrix, sorted by row, each once; errors name the value and the
    remedy."""
    is_sparse: bool = sparse.issparse(matrix)
    if not is_sparse:
        raise TypeError(
            f"expected a sparse matrix of SciPy, got {type(matrix).__name__}; pass scipy.sparse.csr_array(W)"
        )
    if matrix.dtype.kind not in "biuf":
        raise TypeError(f"weights are real numbers, got a matrix of {matrix.dtype}")
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.shape[0]:
        raise ValueError(f"a weight matrix has shape (N, N), N at least 1, got {matrix.shape}")
    single = matrix.dtype.kind == "f" and matrix.dtype.itemsize <= 4
    rows: Any = sparse.csr_array(matrix).astype(np.float32 if single else np.float64)
    rows.sum_duplicates()
    rows.eliminate_zeros()
    _require_weights(rows)
    return ((rows + rows.T) / 2).tocoo()


def _require_weights(rows: Any) -> None:
    """Raise a ``ValueError`` unless entries are finite, non-negative and symmetric up to rounding."""
    wrong = rows.data[~((rows.data >= 0) & np.isfinite(rows.data))]
    if len(wrong):
        raise ValueError(f"weights are finite and at least 0, got {wrong[0]:g}; remove or mend {len(wrong)}")
    rounding = 32 * np.finfo(rows.dtype).eps
    difference = (abs(rows - rows.T) - rounding * rows.maximum(rows.T)).tocoo()
    apart = np.flatnonzero(difference.data > 0)
    if len(apart):
        i, j = int(difference.row[apart[0]]), int(difference.col[apart[0]])
        raise ValueError(
            f"the matrix is not symmetric: W[{i}, {j}] = {rows[i, j]:g}, W[{j}, {i}] = {rows[j, i]:g}; pass "
            "(W + W.T) / 2, or give a directed graph to SparseShift.from_edge_index"
        )


def _positions(pos: Any, nodes: int) -> Tensor:
    values = torch.as_tensor(np.asarray(pos, dtype=np.float64) if not isinstance(pos, Tensor) else pos)
    if values.dim() != 2 or len(values) != nodes:
        raise ValueError(f"positions of {nodes} nodes have shape ({nodes}, D), got {tuple(values.shape)}")
    if not values.isfinite().all():
        raise ValueError("positions have NaN or infinite coordinates; leave them out")
    return values
