"""From a list of edges to the entries of ``S = I − 2 L / λ_max``."""

from __future__ import annotations

import warnings
from typing import Literal, NamedTuple

import numpy as np
import torch
from scipy.sparse import coo_array, csr_array
from scipy.sparse.linalg import eigsh
from torch import Tensor

from filters.promises import Promises

Normalization = Literal["sym", "rw"] | None
_DENSE = 256  # graphs up to this size: their greatest eigenvalue by a dense solver
_SLACK = 1e-5


class Edges(NamedTuple):
    """Checked edges ``source → target`` with weights, of ``num_nodes`` nodes in graphs ``batch (N,)``."""

    source: Tensor
    target: Tensor
    weight: Tensor
    num_nodes: int
    batch: Tensor


class Entries(NamedTuple):
    """Entries ``S[row, column] = value``, and what is known of ``S``."""

    row: Tensor
    column: Tensor
    value: Tensor
    promises: Promises


class Laplacian(NamedTuple):
    """``L = diag(diagonal) − A`` with ``A[target, source] = value``."""

    edges: Edges
    diagonal: Tensor
    value: Tensor
    normalised: bool


def laplacian_shift(edges: Edges, normalization: Normalization, lambda_max: float | Tensor | None) -> Entries:
    """The entries of ``S``; see ``SparseShift.from_edge_index``."""
    laplacian, undirected = _laplacian(edges, normalization), equals_transpose(edges)
    symmetric = undirected and normalization != "rw"
    if normalization and lambda_max is None:  # λ_max = 2: S is the normalised adjacency
        promises = Promises(symmetric, normalization == "rw", 1.0)
        return Entries(edges.target, edges.source, laplacian.value, promises)
    similar = _laplacian(edges, "sym") if normalization else laplacian  # the same eigenvalues
    per_node = _largest(similar, lambda_max, undirected)[edges.batch]
    nodes = torch.arange(edges.num_nodes, device=per_node.device)
    return Entries(
        torch.cat([edges.target, nodes]),
        torch.cat([edges.source, nodes]),
        torch.cat([2 * laplacian.value / per_node[edges.target], 1 - 2 * laplacian.diagonal / per_node]),
        Promises(symmetric, bound=1.0 if undirected else None),
    )


def _laplacian(edges: Edges, normalization: Normalization) -> Laplacian:
    arriving = added(edges.weight, edges.target, edges.num_nodes)
    if normalization is None:
        return Laplacian(edges, arriving, edges.weight, False)
    one = torch.ones_like(arriving)
    if normalization == "rw":
        return Laplacian(edges, one, edges.weight * _power(arriving, -1.0)[edges.target], True)
    leaving = added(edges.weight, edges.source, edges.num_nodes)
    scales = _power(arriving, -0.5)[edges.target], _power(leaving, -0.5)[edges.source]
    return Laplacian(edges, one, scales[0] * edges.weight * scales[1], True)


def added(values: Tensor, index: Tensor, size: int) -> Tensor:
    """Sums ``(size,)`` of the values of each index."""
    return values.new_zeros(size).index_add(0, index, values)


def _power(degree: Tensor, exponent: float) -> Tensor:
    """``d^exponent``, and 0 for a node of degree 0, with finite gradients."""
    isolated = degree <= 0
    return degree.masked_fill(isolated, 1.0).pow(exponent).masked_fill(isolated, 0.0)


@torch.no_grad()
def _largest(laplacian: Laplacian, lambda_max: float | Tensor | None, undirected: bool) -> Tensor:
    """``λ_max`` of every graph ``(G,)``: as given, if that is not too small; else computed."""
    value = laplacian.value
    graphs = int(laplacian.edges.batch[-1]) + 1
    if lambda_max is not None:
        given = torch.as_tensor(lambda_max, dtype=value.dtype, device=value.device)
        if given.shape not in {(), (graphs,)}:
            raise ValueError(
                f"lambda_max is one number, or one for each of the {graphs} graphs, got {given.shape}"
            )
        _refuse_too_small(laplacian, given.expand(graphs), undirected)
        return given.expand(graphs)
    if not undirected:
        raise ValueError(
            "the Laplacian D − A of a directed graph has no λ_max that bounds it; pass lambda_max, add the "
            "reverse edges, or choose normalization='rw'"
        )
    return _computed(laplacian, graphs)


def _refuse_too_small(laplacian: Laplacian, given: Tensor, undirected: bool) -> None:
    """Raise if ``lambda_max`` is below an eigenvalue; they are computed where Gershgorin's bound is above."""
    if not ((given > 0) & given.isfinite()).all():
        raise ValueError(f"lambda_max must be a positive number, got {given.tolist()}")
    if not undirected or (given >= _gershgorin(laplacian, len(given))).all():
        return
    found = _computed(laplacian, len(given))
    low = found > given * (1 + _SLACK)
    if low.any():
        graph = int(low.nonzero()[0])
        raise ValueError(
            f"lambda_max={given[graph]:.6g} is too small for graph {graph}, whose Laplacian has the "
            f"eigenvalue {found[graph]:.6g}; leave it out to have it computed"
        )


def _gershgorin(laplacian: Laplacian, graphs: int) -> Tensor:
    """``max_i (L_ii + Σ_j |A_ij|)`` of every graph ``(G,)``, never below ``λ_max``; 2 where normalised."""
    edges = laplacian.edges
    discs = laplacian.diagonal + added(laplacian.value, edges.target, edges.num_nodes)
    greatest = discs.new_zeros(graphs).scatter_reduce(0, edges.batch, discs, "amax")
    return greatest.clamp(max=2.0) if laplacian.normalised else greatest


def _computed(laplacian: Laplacian, graphs: int) -> Tensor:
    """The greatest eigenvalue of ``L``, graph by graph, by SciPy; 1 for a graph without edges."""
    edges, value = laplacian.edges, laplacian.value
    counts = torch.bincount(edges.batch, minlength=graphs).tolist()
    nodes = torch.arange(edges.num_nodes, device=value.device)
    row = torch.cat([edges.target, nodes]).cpu().numpy()
    column = torch.cat([edges.source, nodes]).cpu().numpy()
    entries = torch.cat([-value, laplacian.diagonal]).double().cpu().numpy()
    whole = coo_array((entries, (row, column)), shape=(edges.num_nodes,) * 2).tocsr()
    found, begin = [], 0
    for count in counts:
        found.append(_top(whole[begin : begin + count, begin : begin + count], count) if count else 1.0)
        begin += count
    return torch.tensor(found, dtype=value.dtype, device=value.device)


def _top(laplacian: csr_array, count: int) -> float:
    if not laplacian.data.any():
        return 1.0
    if count <= _DENSE:
        top = float(torch.linalg.eigvalsh(torch.from_numpy(laplacian.toarray()))[-1])
    else:
        start = np.sin(37.0 * np.arange(count))  # the same result at every call
        top = float(eigsh(laplacian, k=1, which="LA", return_eigenvectors=False, v0=start, tol=1e-10)[0])
    return top


def equals_transpose(edges: Edges) -> bool:
    """Whether every edge has its reverse with the same weight; duplicates are added first."""
    n = edges.num_nodes
    sums = []
    for row, column in ((edges.target, edges.source), (edges.source, edges.target)):
        places, inverse = torch.unique(row * n + column, return_inverse=True)
        sums.append((places, added(edges.weight.detach(), inverse, len(places))))
    (places, one), (others, other) = sums
    if not torch.equal(places, others):
        return False
    rounding = 32 * torch.finfo(one.dtype).eps
    return bool(torch.allclose(one, other, rtol=0, atol=rounding * float(one.amax()) if len(one) else 0))


def check_edges(
    edge_index: Tensor,
    edge_weight: Tensor | None,
    num_nodes: int | None,
    normalization: Normalization,
    batch: Tensor | None,
    quiet: bool = False,
) -> Edges:
    """The edges, if they make a graph; errors name the value and the remedy.

    Self-loops and duplicates are kept, and said unless ``quiet``.
    """
    if normalization not in ("sym", "rw", None):
        raise ValueError(f"unknown normalization {normalization!r}; choose 'sym', 'rw' or None")
    if edge_index.is_floating_point() or edge_index.is_complex() or edge_index.dtype == torch.bool:
        raise TypeError(f"edge_index holds node numbers, int64, got {edge_index.dtype}")
    if edge_index.dim() != 2 or edge_index.shape[0] != 2:
        raise ValueError(f"edge_index has shape (2, E), got {tuple(edge_index.shape)}")
    source, target = edge_index.long()
    greatest = int(edge_index.max()) + 1 if edge_index.numel() else 0
    nodes = greatest if num_nodes is None else num_nodes
    if batch is not None and num_nodes is None:
        nodes = len(batch)
    if nodes < 1:
        raise ValueError("an empty graph has no shift: no edge and no num_nodes; pass num_nodes >= 1")
    if edge_index.numel() and (greatest > nodes or int(edge_index.min()) < 0):
        raise ValueError(
            f"edges name nodes from {int(edge_index.min())} to {greatest - 1}, "
            f"but the graph has nodes 0 to {nodes - 1}"
        )
    weight = torch.ones(source.shape, device=source.device) if edge_weight is None else edge_weight
    _check_weights(weight, source)
    weight = weight.to(torch.promote_types(weight.dtype, torch.float32))  # degrees are sums over many edges
    edges = Edges(source, target, weight, nodes, _check_batch(batch, nodes, source, target))
    if not quiet:
        _say_what_is_kept(edges)
    return edges


def _check_weights(weight: Tensor, source: Tensor) -> None:
    if not weight.is_floating_point():
        raise TypeError(f"edge_weight must be real floating-point, got {weight.dtype}; convert with .float()")
    if weight.shape != source.shape:
        raise ValueError(f"edge_weight has shape (E,) = ({len(source)},), got {tuple(weight.shape)}")
    if not torch.isfinite(weight).all():
        wrong = int((~torch.isfinite(weight)).sum())
        raise ValueError(f"{wrong} edge weights are NaN or infinite; remove those edges")
    if (weight < 0).any():
        raise ValueError(
            f"edge weight {float(weight.min()):.4g} is negative, and a degree may then be 0 or negative; "
            "take absolute values, or build a DenseShift of a matrix that you normalised yourself"
        )


def _check_batch(batch: Tensor | None, nodes: int, source: Tensor, target: Tensor) -> Tensor:
    if batch is None:
        return torch.zeros(nodes, dtype=torch.long, device=source.device)
    if batch.shape != (nodes,):
        raise ValueError(f"batch gives the graph of each node, shape ({nodes},), got {tuple(batch.shape)}")
    if (batch.diff() < 0).any() or int(batch[0]) < 0:
        raise ValueError("batch must be ascending from 0: the nodes of one graph stand together, as in PyG")
    if (batch[source] != batch[target]).any():
        raise ValueError("an edge joins two graphs of the batch; give them one number, or remove the edge")
    return batch.long()


def _say_what_is_kept(edges: Edges) -> None:
    loops = int((edges.source == edges.target).sum())
    places = edges.target * edges.num_nodes + edges.source
    duplicates = len(places) - len(places.unique())
    found = [f"{n} {what}" for n, what in ((loops, "self-loops"), (duplicates, "duplicate edges")) if n]
    if found:
        warnings.warn(
            f"the graph has {' and '.join(found)}; they are kept: a self-loop counts once in the degree, "
            "duplicates add up (torch_geometric.utils.coalesce and remove_self_loops remove them)",
            stacklevel=4,
        )
