"""Graphs of points: each joined to those near it, with a weight of the distance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.spatial import cKDTree
from torch import Tensor
from torch_geometric.data import Data

from filters.checks import require_integer, require_positive
from gsp_nonlocal.graphs.undirected import both_directions

DistanceWeight = Literal["gaussian", "distance", "one"]

TREE_DIMENSIONS = 12
"""Beyond so many coordinates a k-d tree looks at most points, and all distances are faster."""

DISTANCES_AT_ONCE = 2**24
"""Distances that exist at once."""


def nearest_neighbours(
    points: Tensor | np.ndarray, k: int, sigma: float | None = None, weight: DistanceWeight = "gaussian"
) -> Data:
    r"""``w_ij = exp(−‖x_i − x_j‖² / σ²)`` where ``j`` is among the ``k`` nearest of ``i``, or ``i`` of ``j``.

    A node has at least ``k`` neighbours. Weights are differentiable in the points; who is joined is not, and
    neither is the default of ``σ``. Up to 12 coordinates a k-d tree finds the neighbours, in
    ``N log N``; beyond, all distances are computed, ``N² D``, on the points' device.

    Args:
        points: ``x (N, D)``, floating-point.
        k: neighbours of each, 1 to ``N − 1``. Where distances are equal, which is nearest is open.
        sigma: ``σ``, in units of the points; by default the mean length of the edges.
        weight: ``"gaussian"``; ``"distance"`` for ``‖x_i − x_j‖`` itself, a length and no similarity;
            ``"one"`` for 1.

    Returns:
        The graph, with the points as ``pos``, on their device and in their type.

    Raises:
        TypeError: if the points are not floating-point.
        ValueError: if they have another shape, NaN or infinite coordinates; if ``k``, ``sigma`` or ``weight``
            does not fit; if all neighbours coincide and ``sigma`` is not given.

    References:
        Belkin, Niyogi (2003), *Laplacian eigenmaps for dimensionality reduction and data representation*.
        Deviation: PyGSP's ``NNGraph`` has ``exp(−d² / σ)``, halves weights of neighbours on one side only,
        and scales the points first.

    Example:
        >>> graph = nearest_neighbours(torch.tensor([[0.0], [1.0], [3.0]]), 1, sigma=1.0)
        >>> graph.edge_index, graph.edge_weight[0] == torch.exp(torch.tensor(-1.0))
        (tensor([[0, 1, 1, 2],
                [1, 0, 2, 1]]), tensor(True))
    """
    points, k = checked_points(points), require_integer("k", k, 1, "neighbours of a point")
    if k >= len(points):
        raise ValueError(f"k must be below the number of points, {len(points)}, got {k}")
    check_weight(sigma, weight)
    source = torch.arange(len(points), device=points.device).repeat_interleave(k)
    pairs = torch.stack([source, _nearest(points.detach().double(), k).flatten()])
    return _weighted(points, pairs, sigma, weight)


def radius(
    points: Tensor | np.ndarray, r: float, sigma: float | None = None, weight: DistanceWeight = "gaussian"
) -> Data:
    r"""``w_ij = exp(−‖x_i − x_j‖² / σ²)`` where ``‖x_i − x_j‖ ≤ r``.

    Weights are differentiable in the points; who is joined is not, and neither is the default of ``σ``.

    Args:
        points: ``x (N, D)``, floating-point.
        r: greatest length of an edge, in units of the points.
        sigma: ``σ``, in units of the points; by default the mean length of the edges.
        weight: ``"gaussian"``; ``"distance"`` for ``‖x_i − x_j‖`` itself, a length and no similarity;
            ``"one"`` for 1.

    Returns:
        The graph, with the points as ``pos``, on their device and in their type. It may have nodes without
        edges, or no edge at all.

    Raises:
        TypeError: if the points are not floating-point.
        ValueError: if they have another shape, NaN or infinite coordinates; if ``r``, ``sigma`` or ``weight``
            does not fit; if all neighbours coincide and ``sigma`` is not given.

    References:
        Penrose (2003), *Random Geometric Graphs*. As PyGSP's ``NNGraph`` with ``NNtype="radius"``, except
        for the deviations of :func:`nearest_neighbours`.

    Example:
        >>> radius(torch.tensor([[0.0, 0.0], [0.6, 0.8], [2.0, 2.0]]), 1.5, weight="distance").edge_weight
        tensor([1., 1.])
    """
    points, r = checked_points(points), require_positive("r", r)
    check_weight(sigma, weight)
    tree = cKDTree(points.detach().double().cpu().numpy())
    pairs = torch.from_numpy(tree.query_pairs(r, output_type="ndarray").astype(np.int64).T)
    return _weighted(points, pairs.to(points.device), sigma, weight)


def checked_points(points: Tensor | np.ndarray) -> Tensor:
    """``points (N, D)`` as a tensor; errors name the value and the remedy."""
    if not isinstance(points, Tensor | np.ndarray):
        raise TypeError(f"points are a tensor or array (N, D), got {type(points).__name__}")
    points = torch.as_tensor(points)
    if not points.is_floating_point():
        raise TypeError(f"points must be real floating-point, got {points.dtype}; convert with .float()")
    if points.dim() != 2 or 0 in points.shape:
        raise ValueError(f"points have shape (N, D), N and D at least 1, got {tuple(points.shape)}")
    if points.is_meta:
        raise ValueError("points are on the meta device, which holds no numbers; use a real device")
    wrong = int((~points.isfinite()).any(dim=1).sum())
    if wrong:
        raise ValueError(f"{wrong} of {len(points)} points are NaN or infinite; remove them")
    return points


def check_weight(sigma: float | None, weight: DistanceWeight) -> None:
    """Raise a ``ValueError`` for an unknown weight, or a width that is none or that it does not have."""
    if weight not in get_args(DistanceWeight):
        known = ", ".join(repr(name) for name in get_args(DistanceWeight))
        raise ValueError(f"unknown weight {weight!r}; choose one of: {known}")
    if sigma is not None:
        require_positive("sigma", sigma)
        if weight != "gaussian":
            raise ValueError(f'sigma belongs to weight="gaussian", got sigma = {sigma:g} and {weight!r}')


def _nearest(points: Float[Tensor, "N D"], k: int) -> Int[Tensor, "N k"]:
    """The ``k`` nearest other points of each."""
    search = _by_tree if points.shape[1] <= TREE_DIMENSIONS else _by_distances
    return search(points, k)


def _by_tree(points: Float[Tensor, "N D"], k: int) -> Int[Tensor, "N k"]:
    values = points.cpu().numpy()
    found = np.asarray(cKDTree(values).query(values, k=k + 1)[1])
    others = found != np.arange(len(values))[:, None]
    others[others.all(axis=1), -1] = False  # of points that coincide, the point itself may be left out
    return torch.from_numpy(found[others].reshape(-1, k).astype(np.int64)).to(points.device)


def _by_distances(points: Float[Tensor, "N D"], k: int) -> Int[Tensor, "N k"]:
    found, start = [], 0
    for rows in points.split(max(1, DISTANCES_AT_ONCE // len(points))):
        # without products of matrices, which cancel where points are close
        distance = torch.cdist(rows, points, compute_mode="donot_use_mm_for_euclid_dist")
        distance.diagonal(start).fill_(torch.inf)
        found.append(distance.topk(k, largest=False).indices)
        start += len(rows)
    return torch.cat(found)


def _weighted(
    points: Float[Tensor, "N D"], pairs: Int[Tensor, "2 M"], sigma: float | None, weight: DistanceWeight
) -> Data:
    edges = both_directions(pairs, len(points))
    steps = points[edges[0]] - points[edges[1]]
    values = _WEIGHTS[weight](steps, sigma)
    return Data(edge_index=edges, edge_weight=values, pos=points, num_nodes=len(points))


def _gaussian(steps: Float[Tensor, "E D"], sigma: float | None) -> Float[Tensor, " E"]:
    width = _mean_length(steps.detach()) if sigma is None else sigma
    return torch.exp(-(steps / width).square().sum(dim=-1))


def _mean_length(steps: Float[Tensor, "E D"]) -> float:
    mean = float(steps.double().norm(dim=-1).mean()) if len(steps) else 1.0
    if mean == 0:
        raise ValueError("all neighbours coincide, so that their mean distance is 0; pass sigma")
    return mean


def _lengths(steps: Float[Tensor, "E D"], sigma: None) -> Float[Tensor, " E"]:
    return steps.norm(dim=-1)


def _ones(steps: Float[Tensor, "E D"], sigma: None) -> Float[Tensor, " E"]:
    return steps.new_ones(len(steps))


_WEIGHTS: dict[str, Callable[..., Tensor]] = {"gaussian": _gaussian, "distance": _lengths, "one": _ones}
