"""A tree, and smaller and smaller trees of the nodes of even depth."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import torch
from scipy.sparse.csgraph import breadth_first_order
from torch import Tensor

from filters.checks import require_integer
from gsp_nonlocal.shifts import ShiftOperator
from gsp_nonlocal.signals.differences import (
    WeightedEdges,
    combinatorial_laplacian,
    weighted_edges,
    with_edges,
)

TreeWeights = Literal["resistance", "sum", "unweighted"]


class TreeLevels(NamedTuple):
    """What :func:`tree_multiresolution` gives: ``J + 1`` trees.

    Attributes:
        trees: PyG's ``Data``, the given one first.
        kept: of each level the nodes that the next one has, ascending, ``(N_{j+1},)``.
        roots: the root's number in each tree.

    Example:
        >>> from gsp_nonlocal.graphs import path
        >>> found = tree_multiresolution(path(9), levels=2)
        >>> [tree.num_nodes for tree in found.trees], found.kept[1]
        ([9, 5, 3], tensor([0, 2, 4]))
    """

    trees: list[Any]
    kept: list[Tensor]
    roots: list[int]


class _Rooted(NamedTuple):
    """Of each node its parent, itself of the root; its depth; and the weight ``(N,)`` of the edge up."""

    parent: np.ndarray
    depth: np.ndarray
    up: Tensor


def tree_multiresolution(
    tree: Any, levels: int, root: int = 0, weights: TreeWeights = "resistance"
) -> TreeLevels:
    r"""Trees of the nodes of even depth, each joined to its grandparent by ``w' = 1 / (1/w_1 + 1/w_2)``.

    ``w_1`` is the weight to the parent, ``w_2`` from there to the grandparent: as conductances in series,
    so that the resistance from the root to each node stays. ``"sum"`` takes ``w_1 + w_2``, ``"unweighted"``
    1. Every level is a tree (a Kron reduction joins all neighbours of a node that is left out).

    Args:
        tree: PyG's ``Data``, a tree with positive weights.
        levels: ``J``, at least 1.
        root: number of the root.
        weights: ``"resistance"``, ``"sum"`` or ``"unweighted"``.

    Returns:
        The :class:`TreeLevels`, with all attributes of nodes; weights are differentiable in those of the
        tree.

    Raises:
        TypeError: if ``tree`` is no ``Data``, or ``levels`` or ``root`` no integer.
        ValueError: if the graph is directed or no tree, there is no such root, ``weights`` is unknown,
            ``levels`` below 1, or one would keep fewer than two nodes.

    References:
        Perraudin et al. (2014), *GSPBOX*. As PyGSP's ``tree_multiresolution`` says that it does (0.6.1 ends
        in an error).

    Example:
        >>> from gsp_nonlocal.graphs import path
        >>> tree_multiresolution(path(5), levels=1).trees[1].edge_weight
        tensor([0.5000, 0.5000, 0.5000, 0.5000])
    """
    if weights not in get_args(TreeWeights):
        raise ValueError(f"unknown weights {weights!r}; choose one of {', '.join(get_args(TreeWeights))}")
    levels, root = require_integer("levels", levels), require_integer("root", root, 0, "nodes count from 0")
    if isinstance(tree, ShiftOperator):
        raise TypeError(f"tree is PyG's Data, got a {type(tree).__name__}; take the shift of each level")
    edges = weighted_edges(tree)
    rooted = _rooted(edges, root)
    found = TreeLevels([tree], [], [root])
    for _ in range(levels):
        kept = (rooted.depth % 2 == 0).nonzero()[0]
        if len(kept) < 2:
            raise ValueError(
                f"a tree of {len(rooted.depth)} nodes would be reduced to its root, and at least 2 nodes are "
                "left; ask for fewer levels, or choose another root"
            )
        rooted = _coarser(rooted, kept, weights)
        nodes = torch.from_numpy(kept).to(edges.weight.device)
        root = int(np.searchsorted(kept, root))
        found.trees.append(with_edges(found.trees[-1].subgraph(nodes), _edges(rooted)))
        found.kept.append(nodes)
        found.roots.append(root)
    return found


def _rooted(edges: WeightedEdges, root: int) -> _Rooted:
    nodes = len(edges.degree)
    if root >= nodes:
        raise ValueError(f"root must be from 0 to {nodes - 1}, got {root}")
    order, before = breadth_first_order(combinatorial_laplacian(edges), root, directed=False)
    if len(order) < nodes or len(edges.weight) != nodes - 1:
        raise ValueError(
            f"the graph is no tree: {len(edges.weight)} edges join {nodes} nodes, and {len(order)} of them "
            "are reached from the root; pass a spanning tree, by scipy.sparse.csgraph.minimum_spanning_tree"
        )
    parent = np.where(before < 0, np.arange(nodes), before).astype(np.int64)
    depth = np.zeros(nodes, dtype=np.int64)
    for node in order[1:]:
        depth[node] = depth[parent[node]] + 1
    first, second = edges.first.cpu().numpy(), edges.second.cpu().numpy()
    child = torch.from_numpy(np.where(parent[first] == second, first, second)).to(edges.weight.device)
    return _Rooted(parent, depth, torch.ones_like(edges.degree).index_put((child,), edges.weight))


def _coarser(tree: _Rooted, kept: np.ndarray, weights: TreeWeights) -> _Rooted:
    """The tree of the kept nodes, of even depth; what the root has as ``up`` is never used."""
    above = tree.parent[kept]
    first, second = (tree.up[torch.from_numpy(part).to(tree.up.device)] for part in (kept, above))
    rules = {
        "resistance": lambda: 1 / (1 / first + 1 / second),
        "sum": lambda: first + second,
        "unweighted": lambda: torch.ones_like(first),
    }
    parent = np.searchsorted(kept, tree.parent[above])
    return _Rooted(parent, tree.depth[kept] // 2, rules[weights]())


def _edges(tree: _Rooted) -> WeightedEdges:
    child = np.flatnonzero(tree.depth)
    ends = torch.from_numpy(np.sort(np.stack([child, tree.parent[child]]), axis=0)).to(tree.up.device)
    weight = tree.up[torch.from_numpy(child).to(tree.up.device)]
    return WeightedEdges(ends[0], ends[1], weight, torch.zeros_like(tree.up))
