"""Trees of the nodes of even depth: by walks from the root, and by resistances."""

import networkx
import pytest
import torch
from torch.autograd import gradcheck
from torch_geometric.data import Data

from gsp_nonlocal import graphs
from gsp_nonlocal.signals import tree_multiresolution
from tests.signals.made import combinatorial, ring

RULES = {
    "resistance": lambda a, b: 1 / (1 / a + 1 / b),
    "sum": lambda a, b: a + b,
    "unweighted": lambda a, b: 1.0,
}


def tree(nodes=40, seed=0):
    """A random tree with weights that differ, and an attribute of its nodes."""
    made = networkx.random_labeled_tree(nodes, seed=seed)
    for index, (_, _, edge) in enumerate(made.edges(data=True)):
        edge["weight"] = 0.5 + index / nodes
    data = graphs.from_networkx(made, dtype=torch.float64)
    data.x = torch.arange(nodes)
    return data


TREES = {"random": tree, "path": lambda: graphs.path(11, dtype=torch.float64), "other": lambda: tree(25, 3)}
roots = pytest.mark.parametrize("root", [0, 7])
trees = pytest.mark.parametrize("name", TREES)


@pytest.mark.parametrize("rule", RULES)
@roots
@trees
def test_nodes_of_even_depth_hang_on_their_grandparents(name, root, rule):
    """Level by level, against walks along the given tree."""
    data = TREES[name]()
    found = tree_multiresolution(data, 2, root, rule)
    names = torch.arange(data.num_nodes)
    for before, after, kept, place in zip(
        found.trees, found.trees[1:], found.kept, found.roots, strict=False
    ):
        fine, coarse = graphs.to_networkx(before), graphs.to_networkx(after)
        ways = networkx.single_source_shortest_path(fine, place)
        assert kept.tolist() == [node for node in range(len(fine)) if len(ways[node]) % 2 == 1]
        assert networkx.is_tree(coarse) and after.is_coalesced() and after.is_undirected()
        place_of = {node: index for index, node in enumerate(kept.tolist())}
        for node in kept.tolist():
            if len(ways[node]) > 1:
                above, middle = ways[node][-3], ways[node][-2]
                expected = RULES[rule](fine[node][middle]["weight"], fine[middle][above]["weight"])
                edge = coarse[place_of[node]][place_of[above]]
                assert edge["weight"] == pytest.approx(expected, rel=1e-12)
        names = names[kept]
    assert len(found.trees) == 3 and names[found.roots[2]] == root
    if name != "path":
        assert torch.equal(found.trees[2].x, names)


@roots
@trees
def test_resistances_from_the_root_stay(name, root):
    found = tree_multiresolution(TREES[name](), 2, root)
    depths = [_resistances(data, place) for data, place in zip(found.trees, found.roots, strict=True)]
    kept = found.kept[0][found.kept[1]]
    assert torch.allclose(depths[2], depths[0][kept], rtol=1e-12)


def _resistances(data, root):
    graph = graphs.to_networkx(data)
    for _, _, edge in graph.edges(data=True):
        edge["ohm"] = 1 / edge["weight"]
    found = networkx.single_source_dijkstra_path_length(graph, root, weight="ohm")
    return torch.tensor([found[node] for node in range(len(graph))], dtype=torch.float64)


@pytest.mark.parametrize("rule", ["resistance", "sum"])
def test_gradients(rule):
    data = tree(9, 1)
    upper = data.edge_index[0] < data.edge_index[1]
    weight = data.edge_weight[upper].clone().requires_grad_()
    ends = data.edge_index[:, upper]

    def coarse(weight):
        both = torch.cat([ends, ends.flip(0)], dim=1)
        other = Data(edge_index=both, edge_weight=weight.repeat(2), num_nodes=9)
        return tree_multiresolution(other, 1, 0, rule).trees[1].edge_weight

    assert gradcheck(coarse, (weight,))


TWO = Data(edge_index=torch.tensor([[0, 1, 2, 3], [1, 0, 3, 2]]), num_nodes=4)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: tree_multiresolution(ring(), 1), ValueError, "the graph is no tree: 12 edges join 12 nodes"),
        (lambda: tree_multiresolution(TWO, 1), ValueError, "2 edges join 4 nodes, and 2 of them are reached"),
        (lambda: tree_multiresolution(tree(), 0), ValueError, "levels must be at least 1"),
        (lambda: tree_multiresolution(tree(), 30), ValueError, "would be reduced to its root"),
        (lambda: tree_multiresolution(tree(), 1, 40), ValueError, "root must be from 0 to 39, got 40"),
        (lambda: tree_multiresolution(tree(), 1, -1), ValueError, "root must be at least 0"),
        (lambda: tree_multiresolution(tree(), 1, 0.5), TypeError, "root must be an integer"),
        (lambda: tree_multiresolution(tree(), 1, 0, "mean"), ValueError, "unknown weights 'mean'; choose"),
        (lambda: tree_multiresolution("path", 1), TypeError, "graph is PyG's Data"),
        (lambda: tree_multiresolution(combinatorial(ring()), 1), TypeError, "tree is PyG's Data, got"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
