"""Differences of a signal along the edges of a sparse graph, and their adjoint."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import torch
from scipy.sparse import coo_matrix, csr_matrix, diags
from torch import Tensor

from filters.checks import require_tensor
from gsp_nonlocal.shifts import ShiftOperator
from gsp_nonlocal.shifts.edges import (
    LaplacianNormalization,
    check_edge_weights,
    check_normalization,
    check_places,
)
from gsp_nonlocal.shifts.structure import stored_edges
from gsp_nonlocal.shifts.wiring import Reverse
from gsp_nonlocal.signals.known import undirected

if TYPE_CHECKING:
    from torch_geometric.data import Data

    SparseGraph: TypeAlias = ShiftOperator | Data
else:
    SparseGraph = Any  # a graph of PyG is known by its edge_index


class WeightedEdges(NamedTuple):
    """Undirected edges, each once, ``first < second``, in ascending order, with positive weights ``(E,)``;
    and the degree of each node ``(N,)``, loops counted."""

    first: Tensor
    second: Tensor
    weight: Tensor
    degree: Tensor


class Differences(NamedTuple):
    """``∇ = diag(root) · G · diag(scale)``, where ``(G z)_e = z_second − z_first``.

    Attributes:
        first, second: the ends of each edge ``(E,)``.
        root: ``√w (E,)``.
        scale: of each node ``(N, 1)``: 1, or ``1/√d``.
    """

    first: Tensor
    second: Tensor
    root: Tensor
    scale: Tensor

    def __call__(self, z: Tensor) -> Tensor:
        """``∇ z``: ``(B, N, C) -> (B, E, C)``."""
        u = self.scale * z
        return self.root.unsqueeze(-1) * (u[:, self.second] - u[:, self.first])

    def adjoint(self, e: Tensor) -> Tensor:
        """``∇ᵀ e``: ``(B, E, C) -> (B, N, C)``."""
        flow = self.root.unsqueeze(-1) * e
        nodes = flow.new_zeros(len(e), len(self.scale), e.shape[-1])
        return self.scale * nodes.index_add(1, self.second, flow).index_add(1, self.first, -flow)

    def double(self) -> Differences:
        """The same in float64."""
        return self._replace(root=self.root.double(), scale=self.scale.double())


def grad(z: Tensor, graph: SparseGraph, normalization: LaplacianNormalization = None) -> Tensor:
    r"""``(∇z)_e = √w_ij (z_j − z_i)`` for every edge ``e = {i, j}``, ``i < j``, so that ``‖∇z‖² = zᵀ L z``.

    ``∇ᵀ∇ = L``: of the combinatorial Laplacian ``D − A``; with ``normalization="sym"``, where
    ``(∇z)_e = √w_ij (z_j/√d_j − z_i/√d_i)``, of ``I − D^{-1/2} A D^{-1/2}`` (but 0, not 1, at a node without
    edges). Edges are in ascending order of ``(i, j)``, each once; loops have no difference, duplicates add
    up.

    Args:
        z: signal ``(B, N, C)``, real.
        graph: PyG's ``Data`` with ``edge_index`` and, if not all are 1, ``edge_weight``; or a sparse shift
            of a combinatorial Laplacian (``SparseShift.from_edge_index(…, normalization=None)``), of which
            ``L = I − S``.
        normalization: of a ``Data``, ``None`` or ``"sym"``.

    Returns:
        ``(B, E, C)``, differentiable in ``z`` and the weights.

    Raises:
        TypeError: if ``graph`` is neither, or ``z`` is not real floating-point.
        ValueError: for a directed graph, negative weights, a normalised shift, or shapes that do not fit.

    References:
        Shuman, Narang, Frossard, Ortega, Vandergheynst (2013), *The Emerging Field of Signal Processing on
        Graphs*. As PyGSP's ``G.grad`` with edges ``i < j``.

    Example:
        >>> from torch_geometric.data import Data
        >>> path = Data(edge_index=torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), num_nodes=3)
        >>> grad(torch.tensor([[[0.0], [1.0], [4.0]]]), path).flatten()
        tensor([1., 3.])
    """
    found = differences(graph, normalization)
    _require_rows("a signal", z, len(found.scale))
    return found(z)


def div(e: Tensor, graph: SparseGraph, normalization: LaplacianNormalization = None) -> Tensor:
    r"""``(∇ᵀ e)_i = Σ_{j<i} √w_ij e_ji − Σ_{j>i} √w_ij e_ij``, the adjoint of :func:`grad`.

    ``⟨∇z, e⟩ = ⟨z, ∇ᵀe⟩``, and ``div(grad(z)) = L z``. (Some take the divergence with the other sign.)

    Args:
        e: a number an edge, ``(B, E, C)``, real, in the order of :func:`grad`.
        graph: as of :func:`grad`.
        normalization: as of :func:`grad`.

    Returns:
        ``(B, N, C)``, differentiable in ``e`` and the weights.

    Raises:
        TypeError: as :func:`grad`.
        ValueError: as :func:`grad`.

    References:
        Shuman et al. (2013). As PyGSP's ``G.div``.

    Example:
        >>> from torch_geometric.data import Data
        >>> path = Data(edge_index=torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), num_nodes=3)
        >>> div(torch.tensor([[[1.0], [3.0]]]), path).flatten()
        tensor([-1., -2.,  3.])
    """
    found = differences(graph, normalization)
    _require_rows("a signal of edges", e, len(found.root))
    return found.adjoint(e)


def differences(graph: SparseGraph, normalization: LaplacianNormalization = None) -> Differences:
    """``∇`` of a graph; errors as of :func:`grad`."""
    check_normalization(normalization)
    if normalization == "rw":
        raise ValueError("L = I − D⁻¹A is not symmetric and no ∇ᵀ∇; choose normalization None or 'sym'")
    edges = weighted_edges(graph)
    if normalization is None:
        scale = torch.ones_like(edges.degree)
    elif isinstance(graph, ShiftOperator):
        raise ValueError("normalization belongs to a graph of PyG; a shift has its own")
    else:
        scale = torch.where(edges.degree > 0, edges.degree, 1.0).rsqrt()
    return Differences(edges.first, edges.second, edges.weight.sqrt(), scale.unsqueeze(-1))


def weighted_edges(graph: SparseGraph) -> WeightedEdges:
    """The edges of PyG's ``Data``, or of a sparse shift of a combinatorial Laplacian; errors as of
    :func:`grad`."""
    edge_index, weight, nodes = _of_shift(graph) if isinstance(graph, ShiftOperator) else _of_data(graph)
    source, target, nodes, _ = check_places(edge_index, nodes, None)
    weight = check_edge_weights(weight, source)
    if not Reverse.of(source, target, nodes).holds(weight.detach()):
        raise ValueError(
            "the graph is directed: an edge has no reverse of the same weight; use "
            "torch_geometric.utils.to_undirected(edge_index, edge_weight)"
        )
    degree = weight.new_zeros(nodes).index_add(0, target, weight)
    kept = (source < target) & (weight > 0)
    place, index = torch.unique(source[kept] * nodes + target[kept], return_inverse=True)
    total = weight.new_zeros(len(place)).index_add(0, index, weight[kept])
    return WeightedEdges(place // nodes, place % nodes, total, degree)


def with_edges(graph: Any, edges: WeightedEdges) -> Any:
    """The graph with these edges, and with the attributes of its nodes."""
    found = copy.copy(graph)
    for name in [*found.edge_attrs(), "edge_weight"]:
        if name in found:
            del found[name]
    found.edge_index = torch.stack(
        [torch.cat([edges.first, edges.second]), torch.cat([edges.second, edges.first])]
    )
    found.edge_weight = edges.weight.repeat(2)
    found.num_nodes = len(edges.degree)
    return found.sort()


def combinatorial_laplacian(edges: WeightedEdges) -> csr_matrix:
    """``D − A``, in float64; loops play no part."""
    nodes = len(edges.degree)
    first, second = edges.first.cpu().numpy(), edges.second.cpu().numpy()
    weight = edges.weight.detach().double().cpu().numpy()
    upper = coo_matrix((weight, (first, second)), shape=(nodes, nodes)).tocsr()
    adjacency = upper + upper.T
    return diags(np.asarray(adjacency.sum(axis=1)).ravel()).tocsr() - adjacency


def _of_data(graph: Any) -> tuple[Tensor, Tensor | None, int]:
    edge_index = getattr(graph, "edge_index", None)
    if edge_index is None:
        raise TypeError(
            f"graph is PyG's Data with an edge_index, or a sparse shift, got {type(graph).__name__}"
        )
    weight = getattr(graph, "edge_weight", None)
    if weight is None and getattr(graph, "edge_attr", None) is not None:
        raise ValueError(
            "graph has edge_attr and no edge_weight; set graph.edge_weight = graph.edge_attr.flatten(), or "
            "graph.edge_attr = None where all weights are 1"
        )
    return edge_index, weight, graph.num_nodes


def _of_shift(shift: ShiftOperator) -> tuple[Tensor, Tensor, int]:
    """Off-diagonal entries of ``S = I − L``, whose rows sum to 1."""
    edges = stored_edges(undirected(shift))
    if edges is None:
        raise TypeError(f"{type(shift).__name__} keeps no list of edges; pass a SparseShift or PyG's Data")
    (source, target), values = edges
    nodes = shift.shape[-1]
    sums = values.new_zeros(nodes).index_add(0, target, values)
    if not torch.allclose(sums, torch.ones_like(sums), atol=nodes**0.5 * 8 * torch.finfo(values.dtype).eps):
        raise ValueError(
            f"rows of this shift sum to {float(sums.min()):.3g} to {float(sums.max()):.3g}, not to 1: "
            "L = I − S is no combinatorial Laplacian, and its degrees are not known; pass PyG's Data and "
            "normalization='sym', or SparseShift.from_edge_index(…, normalization=None)"
        )
    kept = source != target
    return torch.stack([source, target])[:, kept], values[kept], nodes


def _require_rows(what: str, z: Tensor, rows: int) -> None:
    if not require_tensor(what, z).is_floating_point():
        raise TypeError(f"{what} is real floating-point, got {z.dtype}; convert it with .float()")
    if z.dim() != 3 or z.shape[1] != rows:
        raise ValueError(f"{what} has shape (B, {rows}, C), got {tuple(z.shape)}")
