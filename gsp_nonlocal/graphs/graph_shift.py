"""The shift of a graph."""

from __future__ import annotations

from torch import Tensor
from torch_geometric.data import Data

from gsp_nonlocal.graphs.undirected import require_graph
from gsp_nonlocal.shifts.edges import LaplacianNormalization
from gsp_nonlocal.shifts.sparse import SparseShift


def shift(
    data: Data, normalization: LaplacianNormalization = "sym", lambda_max: float | Tensor | None = None
) -> SparseShift:
    r"""``S = I − 2 L / λ_max`` of a graph, or of the graphs of a batch side by side.

    :meth:`SparseShift.from_edge_index` with the graph's ``edge_index``, ``edge_weight``, ``num_nodes`` and
    ``batch``.

    Args:
        data: a graph, or a batch.
        normalization: ``"sym"``, ``"rw"`` or ``None``, the combinatorial Laplacian ``D − A``.
        lambda_max: a bound of the eigenvalues of ``L``, a number or one a graph ``(B,)``; found by default.

    Returns:
        A shift of batch 1 over all ``N`` nodes.

    Raises:
        TypeError: if it is no ``Data``.
        ValueError: if it has no ``edge_index``; else as in :meth:`SparseShift.from_edge_index`.

    References:
        Defferrard, Bresson, Vandergheynst (2016). Deviation: ``S = −L̃``.

    Example:
        >>> from gsp_nonlocal import graphs
        >>> graphs.shift(graphs.ring(6))
        SparseShift(shape=(1, 6, 6), edges=12, dtype=torch.float32)
    """
    graph = require_graph(data)
    return SparseShift.from_edge_index(
        graph.edge_index, graph.edge_weight, graph.num_nodes, normalization, lambda_max, graph.batch
    )
