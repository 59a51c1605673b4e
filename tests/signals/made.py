"""What tests of signals are made of: graphs on which a smoothness is defined, masks, PyGSP's numbers."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data

from gsp_nonlocal.shifts import ShiftOperator, SparseShift
from tests.cases.shifts import SHIFTS
from tests.cases.signals import NODES, edges

GRAPHS = [name for name, make in SHIFTS.items() if make().is_symmetric]
"""Every kind of shift that is symmetric."""
CONNECTED = [name for name in GRAPHS if not name.startswith(("diagonal", "sparse", "low-rank, isolated"))]


def laplacian(shift: ShiftOperator) -> Tensor:
    matrix = shift.to_dense()
    return torch.eye(NODES, dtype=matrix.dtype) - matrix


def mask() -> Tensor:
    """Five known nodes; those that may be isolated, 0, 5 and the last, are among them."""
    return torch.zeros(NODES, dtype=torch.bool).index_fill(0, torch.tensor([0, 3, 5, 7, NODES - 1]), True)


def some_graph() -> Data:
    edge_index, weight = edges()
    return Data(edge_index=edge_index, edge_weight=weight, num_nodes=NODES)


def ring(nodes: int = NODES) -> Data:
    """A connected graph whose weights differ."""
    first = torch.arange(nodes)
    pairs = torch.stack([first, first.roll(-1)])
    weight = 0.5 + (1 + first.double()).sin().square()
    return Data(
        edge_index=torch.cat([pairs, pairs.flip(0)], 1), edge_weight=weight.repeat(2), num_nodes=nodes
    )


def combinatorial(graph: Data) -> SparseShift:
    return SparseShift.from_edge_index(graph.edge_index, graph.edge_weight, graph.num_nodes, None)


def matrix_of(graph: Data) -> Tensor:
    """``D − A``, of the weights as they stand."""
    adjacency = torch.zeros(graph.num_nodes, graph.num_nodes, dtype=torch.float64)
    adjacency.index_put_(tuple(graph.edge_index), graph.edge_weight, accumulate=True)
    return adjacency.sum(1).diag() - adjacency


PYGSP = {
    name: torch.from_numpy(np.asarray(part))
    for name, part in np.load(Path(__file__).parents[1] / "data/pygsp_signals.npz").items()
}
"""A graph of 36 nodes with PyGSP 0.6.1's answers."""


def pygsp_graph() -> Data:
    edge_index = PYGSP["weights"].nonzero().T
    return Data(edge_index=edge_index, edge_weight=PYGSP["weights"][tuple(edge_index)], num_nodes=36)


def pygsp_shift() -> SparseShift:
    """``I − 2 L / λ_max``, with PyGSP's ``λ_max``, which is exact."""
    graph = pygsp_graph()
    bound = float(PYGSP["lambda_max"])
    return SparseShift.from_edge_index(graph.edge_index, graph.edge_weight, 36, None, bound)
