"""Lists of edges: what makes a graph of them, and whether it is undirected."""

from __future__ import annotations

import warnings
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from filters.checks import require_integer, require_tensor
from filters.precision import widened
from gsp_nonlocal.shifts.degrees import added

LaplacianNormalization = Literal["sym", "rw"] | None


class Edges(NamedTuple):
    """Checked edges ``source → target`` with weights, of ``num_nodes`` nodes in graphs ``batch (N,)``."""

    source: Tensor
    target: Tensor
    weight: Tensor
    num_nodes: int
    batch: Tensor


def equals_transpose(edges: Edges) -> bool:
    """Whether every edge has its reverse with the same weight, up to rounding of the two weights themselves.

    Duplicates are added first, in double precision; an edge without a reverse has one of weight 0. Other
    edges play no part: a small component is judged as closely as a large one.
    """
    size, weight = edges.num_nodes, edges.weight.detach()
    places, inverse = torch.unique(edges.target * size + edges.source, return_inverse=True)
    sums, moduli = (added(part.double(), inverse, len(places)) for part in (weight, weight.abs()))
    reverse = places % size * size + places // size
    found = torch.searchsorted(places, reverse).clamp_max(len(places) - 1)
    there = places[found] == reverse
    others, scales = (torch.where(there, part[found], 0.0) for part in (sums, moduli))
    rounding = 32 * torch.finfo(weight.dtype).eps * torch.maximum(moduli, scales)
    return bool(((sums - others).abs() <= rounding).all())


def check_edges(
    edge_index: Tensor,
    edge_weight: Tensor | None,
    num_nodes: int | None,
    normalization: LaplacianNormalization,
    batch: Tensor | None,
    quiet: bool = False,
) -> Edges:
    """The edges, if they make a graph; errors name the value and the remedy.

    Self-loops and duplicates are kept, and said unless ``quiet``.
    """
    if normalization not in ("sym", "rw", None):
        raise ValueError(f"unknown normalization {normalization!r}; choose 'sym', 'rw' or None")
    require_tensor("edge_index", edge_index)
    for name, part in {"edge_weight": edge_weight, "batch": batch}.items():
        if part is not None and require_tensor(name, part).device != edge_index.device:
            raise ValueError(
                f"{name} is on {part.device} and edge_index on {edge_index.device}; use .to(device)"
            )
    if edge_index.is_meta:
        raise ValueError("edge_index is on the meta device, which holds no numbers; use a real device")
    if edge_index.is_floating_point() or edge_index.is_complex() or edge_index.dtype == torch.bool:
        raise TypeError(f"edge_index holds node numbers, int64, got {edge_index.dtype}")
    if edge_index.dim() != 2 or edge_index.shape[0] != 2:
        raise ValueError(f"edge_index has shape (2, E), got {tuple(edge_index.shape)}")
    source, target = edge_index.long()
    greatest = int(edge_index.max()) + 1 if edge_index.numel() else 0
    nodes = greatest if num_nodes is None else require_integer("num_nodes", num_nodes, least=0)
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
    weight = widened(weight)  # degrees are sums over many edges
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
