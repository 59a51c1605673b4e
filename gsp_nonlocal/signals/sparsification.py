"""Fewer edges that act as all did: a graph sampled by effective resistances."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import torch
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu

from filters.checks import require_integer, require_number
from gsp_nonlocal.shifts import ShiftOperator
from gsp_nonlocal.signals.differences import (
    WeightedEdges,
    combinatorial_laplacian,
    weighted_edges,
    with_edges,
)

if TYPE_CHECKING:
    from torch_geometric.data import Data

    Graph: TypeAlias = Data
else:
    Graph = Any  # a graph of PyG is known by its edge_index

FAILURE = 0.01
"""The probability with which the bounds of :func:`sparsify` may fail."""

_AT_ONCE = 1024  # columns of a sparse system that are solved together


class Sparsification(NamedTuple):
    """What :func:`sparsify` finds.

    Attributes:
        graph: the graph of the edges that were drawn.
        samples: how many draws there were.
        components: connected components of the new graph.
        components_before: those of the given one; with more now, the draws were too few.

    Example:
        >>> from gsp_nonlocal.graphs import complete
        >>> found = sparsify(complete(40), epsilon=0.9, samples=300)
        >>> found.samples, found.components, found.graph.num_edges < 40 * 39
        (300, 1, True)
    """

    graph: Graph
    samples: int
    components: int
    components_before: int


def sparsify(graph: Graph, epsilon: float = 0.5, samples: int | None = None, seed: int = 0) -> Sparsification:
    r"""``w'_e = w_e n_e / (q p_e)``: of ``q`` edges drawn with ``p_e ∝ w_e R_e``, ``n_e`` were edge ``e``.

    ``R_ij = (δ_i − δ_j)ᵀ L⁺ (δ_i − δ_j)`` is the effective resistance between the ends of an edge, and
    ``Σ_e w_e R_e = N − c`` with ``c`` components. Weights are unbiased: ``E w' = w``, and ``E L' = L``. With

    .. math::
        q = ⌈3 (N − c) \ln(2 N / 0.01) / ε^2⌉

    draws, ``(1 − ε) xᵀ L x ≤ xᵀ L' x ≤ (1 + ε) xᵀ L x`` for all ``x`` at once, with a probability of at least
    99 % (a matrix Chernoff bound). That is worth while where a graph has many more edges than ``q``. Fewer
    ``samples`` make it sparser, without a proof.

    Args:
        graph: PyG's ``Data``, undirected, with the combinatorial ``L = D − A``; loops play no part.
        epsilon: ``ε`` in ``(0, 1)``.
        samples: ``q``, at least 1; by default that of ``ε``.
        seed: of the draw; no global random number is drawn.

    Returns:
        A :class:`Sparsification`: the graph, with all attributes of its nodes, and whether it is still
        connected. Its ``edge_weight`` is differentiable in that of ``graph``, with the draws and ``p`` held
        fixed, and unbiased in that too.

    Raises:
        TypeError: if ``graph`` is no ``Data``, or a number is none.
        ValueError: for an ``ε`` outside ``(0, 1)``, ``samples`` below 1, a negative seed, a graph that is
            directed, or without edges.

    References:
        Spielman, Srivastava (2011), *Graph Sparsification by Effective Resistances*; Tropp (2012),
        *User-Friendly Tail Bounds for Sums of Random Matrices*, for the number of draws. As PyGSP's
        ``graph_sparsify``. Deviation: resistances are exact, by ``N`` solves of one sparse factorisation.

    Example:
        >>> from gsp_nonlocal.graphs import path
        >>> found = sparsify(path(4), samples=500)  # each edge is the only way, and is drawn as often
        >>> found.graph.edge_weight.mean().round(), found.components == found.components_before
        (tensor(1.), True)
    """
    samples = None if samples is None else require_integer("samples", samples)
    epsilon, seed = _share(epsilon), require_integer("seed", seed, 0, "the same seed gives the same graph")
    if isinstance(graph, ShiftOperator):
        raise TypeError(
            f"graph is PyG's Data, got a {type(graph).__name__}; of L = I − S the sum of rows and the "
            "greatest frequency would change: sparsify the graph, then take its shift"
        )
    edges = weighted_edges(graph)
    if not len(edges.weight):
        raise ValueError("the graph has no edge to draw; pass one with positive weights between its nodes")
    laplacian = combinatorial_laplacian(edges)
    before = _components(laplacian)
    share = _probabilities(edges, laplacian)
    draws = samples or _draws(len(edges.degree), before, epsilon)
    counts = np.random.default_rng(seed).multinomial(draws, share)
    factor = torch.from_numpy(counts / (draws * share)).to(edges.weight)
    drawn = factor > 0
    weight = factor[drawn] * edges.weight[drawn]
    kept = WeightedEdges(edges.first[drawn], edges.second[drawn], weight, edges.degree)
    after = _components(combinatorial_laplacian(kept))
    return Sparsification(with_edges(graph, kept), draws, after, before)


def effective_resistances(edges: WeightedEdges, laplacian: csr_matrix) -> np.ndarray:
    """``R_e (E,)``, from the inverse of ``L`` without one node of each component, a block of columns at a
    time."""
    first, second = edges.first.cpu().numpy(), edges.second.cpu().numpy()
    nodes = laplacian.shape[0]
    part = connected_components(laplacian, directed=False)[1]
    rest = np.setdiff1d(np.arange(nodes), np.unique(part, return_index=True)[1])
    solve = splu(laplacian[rest][:, rest].tocsc()).solve
    own, across = np.zeros(nodes), np.zeros(len(first))
    for begin in range(0, len(rest), _AT_ONCE):
        block = rest[begin : begin + _AT_ONCE]
        columns = np.zeros((nodes, len(block)))
        columns[rest] = solve(np.eye(len(rest), len(block), -begin))
        own[block] = columns[block, np.arange(len(block))]
        here = np.flatnonzero(np.isin(second, block))
        across[here] = columns[first[here], np.searchsorted(block, second[here])]
    return own[first] + own[second] - 2 * across


def _probabilities(edges: WeightedEdges, laplacian: csr_matrix) -> np.ndarray:
    """``p_e ∝ w_e R_e``, which is at most 1; weights are unbiased whatever rounding makes of it."""
    leverage = edges.weight.detach().double().cpu().numpy() * effective_resistances(edges, laplacian)
    bounded = leverage.clip(1e-12, 1.0)
    share: np.ndarray = bounded / bounded.sum()
    return share


def _share(epsilon: float) -> float:
    number = require_number("epsilon", epsilon)
    if not 0 < number < 1:
        raise ValueError(f"epsilon is the greatest relative error of energies, in (0, 1), got {number:g}")
    return number


def _draws(nodes: int, components: int, epsilon: float) -> int:
    return math.ceil(3 * (nodes - components) * math.log(2 * nodes / FAILURE) / epsilon**2)


def _components(laplacian: csr_matrix) -> int:
    return int(connected_components(laplacian, directed=False)[0])
