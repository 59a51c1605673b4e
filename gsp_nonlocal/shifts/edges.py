"""Lists of edges: what makes a graph of them, and whether it is undirected."""

from __future__ import annotations

import warnings
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from filters.checks import require_integer, require_tensor
from filters.precision import widened

LaplacianNormalization = Literal["sym", "rw"] | None


class Edges(NamedTuple):
    """Checked edges ``source → target`` with weights, of ``num_nodes`` nodes in graphs ``batch (N,)``."""

    source: Tensor
    target: Tensor
    weight: Tensor
    num_nodes: int
    batch: Tensor


def check_normalization(normalization: LaplacianNormalization) -> None:
    """Raise a ``ValueError`` for an unknown name."""
    if normalization not in ("sym", "rw", None):
        raise ValueError(f"unknown normalization {normalization!r}; choose 'sym', 'rw' or None")


def check_places(
    edge_index: Tensor, num_nodes: int | None, batch: Tensor | None
) -> tuple[Tensor, Tensor, int, Tensor]:
    """Sources, targets, ``N`` and the batch, if they make a graph; errors name the value and the remedy."""
    require_tensor("edge_index", edge_index)
    if batch is not None:
        _require_device("batch", batch, edge_index)
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
    return source, target, nodes, _check_batch(batch, nodes, source, target)


def _require_device(name: str, part: Tensor, edge_index: Tensor) -> None:
    if require_tensor(name, part).device != edge_index.device:
        raise ValueError(f"{name} is on {part.device} and edge_index on {edge_index.device}; use .to(device)")


def check_edge_weights(weight: Tensor | None, source: Tensor) -> Tensor:
    """Weights ``(E,)``, 1 by default, in float32 or better: degrees are sums over many edges."""
    if weight is None:
        return torch.ones(source.shape, device=source.device)
    _require_device("edge_weight", weight, source)
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
    return widened(weight)


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


def say_what_is_kept(source: Tensor, target: Tensor, num_nodes: int) -> None:
    """Warn of self-loops and duplicates."""
    loops = int((source == target).sum())
    places = target * num_nodes + source
    duplicates = len(places) - len(places.unique())
    found = [f"{n} {what}" for n, what in ((loops, "self-loops"), (duplicates, "duplicate edges")) if n]
    if found:
        warnings.warn(
            f"the graph has {' and '.join(found)}; they are kept: a self-loop counts once in the degree, "
            "duplicates add up (torch_geometric.utils.coalesce and remove_self_loops remove them)",
            stacklevel=4,
        )
