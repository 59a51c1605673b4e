"""Graphs that are drawn from a seed, by NetworkX's generators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import networkx
import numpy as np
import torch
from torch_geometric.data import Data

from filters.checks import Device, require_integer, require_number
from gsp_nonlocal.creation import options
from gsp_nonlocal.graphs.undirected import on_circle, unweighted


def erdos_renyi(
    n: int, p: float, seed: int = 0, *, device: Device = None, dtype: torch.dtype | None = None
) -> Data:
    r"""``w_ij = 1`` with probability ``p``, for each pair ``i < j`` by itself, else 0.

    Args:
        n: nodes.
        p: probability of an edge.
        seed: of the draw.
        device: of all tensors.
        dtype: of weights.

    Returns:
        The graph, without positions. It may have nodes without edges.

    Raises:
        ValueError: if ``n`` is below 1, ``p`` outside ``[0, 1]`` or ``seed`` negative.

    References:
        Erdős, Rényi (1959), *On random graphs I*; Gilbert (1959), *Random graphs*, whose model it is. As
        PyGSP's ``ErdosRenyi``.

    Example:
        >>> erdos_renyi(100, 0.1, seed=3).is_undirected()
        True
    """
    where, n = options(device, dtype), require_integer("n", n, 1, "nodes")
    p, seed = require_probability("p", p), require_seed(seed)
    return unweighted(_pairs(networkx.fast_gnp_random_graph(n, p, seed)), n, where)


def barabasi_albert(
    n: int, m: int = 1, seed: int = 0, *, device: Device = None, dtype: torch.dtype | None = None
) -> Data:
    r"""``w_ij = 1`` for ``m`` nodes ``j`` of each new node ``i``, drawn with probability ``∝ d_j``.

    Degrees follow a power law, ``P(d) ∝ d⁻³``.

    Args:
        n: nodes, more than ``m``. It begins with a star of ``m + 1`` nodes.
        m: edges of each new node.
        seed: of the draw.
        device: of all tensors.
        dtype: of weights.

    Returns:
        The graph, connected, with ``m (n − m)`` edges; without positions.

    Raises:
        ValueError: if ``m`` is below 1 or not below ``n``, or ``seed`` is negative.

    References:
        Barabási, Albert (1999), *Emergence of scaling in random networks*. As PyGSP's ``BarabasiAlbert``.

    Example:
        >>> barabasi_albert(50, 2).num_edges
        192
    """
    where, n = options(device, dtype), require_integer("n", n, 1, "nodes")
    m, seed = require_integer("m", m), require_seed(seed)
    if m >= n:
        raise ValueError(f"m must be below n = {n}, the nodes, got {m}")
    return unweighted(_pairs(networkx.barabasi_albert_graph(n, m, seed)), n, where)


def stochastic_block_model(
    sizes: Sequence[int],
    probabilities: Any,
    seed: int = 0,
    *,
    device: Device = None,
    dtype: torch.dtype | None = None,
) -> Data:
    r"""``w_ij = 1`` with probability ``P[y_i, y_j]``, for each pair ``i < j`` by itself, else 0.

    Args:
        sizes: nodes of each of the ``K`` blocks, which are numbered one after the other.
        probabilities: ``P (K, K)``, symmetric: a list of lists, an array or a tensor.
        seed: of the draw.
        device: of all tensors.
        dtype: of weights.

    Returns:
        The graph; ``y (N,)`` is the block of each node. Without positions.

    Raises:
        ValueError: if there is no block or one is empty; if ``P`` has another shape, is not symmetric or has
            an entry outside ``[0, 1]``; if ``seed`` is negative.

    References:
        Holland, Laskey, Leinhardt (1983), *Stochastic blockmodels: first steps*. As PyGSP's
        ``StochasticBlockModel`` with ``z`` and ``M``.

    Example:
        >>> stochastic_block_model([3, 2], [[1, 0], [0, 1]]).y
        tensor([0, 0, 0, 1, 1])
    """
    where, seed = options(device, dtype), require_seed(seed)
    sizes = [require_integer("a size", size, 1, "nodes of a block") for size in sizes]
    table = _probability_table(probabilities, len(sizes))
    graph = networkx.stochastic_block_model(sizes, table.tolist(), seed=seed)
    return unweighted(_pairs(graph), sum(sizes), where, y=np.repeat(np.arange(len(sizes)), sizes))


def community(
    n: int,
    communities: int,
    inside: float = 0.5,
    between: float | None = None,
    seed: int = 0,
    *,
    device: Device = None,
    dtype: torch.dtype | None = None,
) -> Data:
    r"""``w_ij = 1`` with probability ``p`` where ``y_i = y_j``, else with probability ``q``.

    Args:
        n: nodes, divided as evenly as can be.
        communities: how many, at most ``n``.
        inside: ``p``, probability of an edge within a community.
        between: ``q``, probability of an edge between two; by default ``1 / n``.
        seed: of the draw.
        device: of all tensors.
        dtype: of weights and positions.

    Returns:
        The graph; ``y (n,)`` is the community of each node, ``pos (n, 2)`` are drawn in a disc for each
        community, and discs stand in a circle.

    Raises:
        ValueError: if a number does not fit or a probability is outside ``[0, 1]``.

    References:
        Condon, Karp (2001), *Algorithms for graph partitioning on the planted partition model*. Deviation:
        PyGSP's ``Community`` draws the sizes, and joins nodes of a community that are near.

    Example:
        >>> community(7, 3).y
        tensor([0, 0, 0, 1, 1, 2, 2])
    """
    n = require_integer("n", n, 1, "nodes")
    count = require_integer("communities", communities)
    if count > n:
        raise ValueError(f"communities must be at most n = {n}, the nodes, got {count}")
    inside = require_probability("inside", inside)
    between = require_probability("between", 1 / n if between is None else between)
    sizes = [n // count + (index < n % count) for index in range(count)]
    table = np.full((count, count), between) + (inside - between) * np.eye(count)
    graph = stochastic_block_model(sizes, table, seed, device=device, dtype=dtype)
    graph.pos = torch.from_numpy(_in_discs(sizes, seed)).to(graph.edge_weight)
    return graph


def require_seed(seed: int) -> int:
    """``seed`` as a non-negative ``int``; see :func:`filters.checks.require_integer`."""
    return require_integer("seed", seed, 0, "the same seed gives the same graph")


def require_probability(name: str, value: float) -> float:
    """``value`` as a ``float`` in ``[0, 1]``; see :func:`filters.checks.require_number`."""
    number = require_number(name, value)
    if not 0 <= number <= 1:
        raise ValueError(f"{name} is a probability, in [0, 1], got {number:g}")
    return number


def _pairs(graph: Any) -> np.ndarray:
    return np.array(list(graph.edges), dtype=np.int64).reshape(-1, 2).T


def _probability_table(probabilities: Any, count: int) -> np.ndarray:
    """``P (K, K)`` in float64, checked."""
    if not count:
        raise ValueError("sizes is empty; a block model needs at least one block")
    table = np.asarray(probabilities, dtype=np.float64)
    if table.shape != (count, count):
        raise ValueError(f"probabilities of {count} blocks have shape ({count}, {count}), got {table.shape}")
    if not ((table >= 0) & (table <= 1)).all():
        wrong = table[~((table >= 0) & (table <= 1))][0]
        raise ValueError(f"probabilities are in [0, 1], got {wrong:g}")
    if (table != table.T).any():
        raise ValueError("probabilities must be symmetric, for an undirected graph; pass (P + P.T) / 2")
    return table


def _in_discs(sizes: Sequence[int], seed: int) -> np.ndarray:
    """Points of discs of radius 1, which stand in a circle half a radius apart."""
    count, drawn = len(sizes), np.random.default_rng(seed)
    far = 1.25 / np.sin(np.pi / count) if count > 1 else 0.0
    angle, length = 2 * np.pi * drawn.random(sum(sizes)), np.sqrt(drawn.random(sum(sizes)))
    offsets = length[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    centres: np.ndarray = far * on_circle(count)
    return np.repeat(centres, sizes, axis=0) + offsets
