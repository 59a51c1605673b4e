"""The comparison on node classification runs whole, on graphs and labels that are what it says."""

import pytest
import torch

from experiments import nodes
from experiments.cells import Key


@pytest.mark.parametrize("name", nodes.TASKS)
def test_labels_are_apart_and_even(name):
    task = nodes.TASKS[name]
    graph = task.graph()
    assert graph.is_undirected() and not graph.has_self_loops()
    found = nodes.split(graph.y, task, seed=3)
    assert torch.equal(torch.cat(found).sort().values, torch.arange(graph.num_nodes))
    for part, each in zip(found, (task.train, task.val), strict=False):
        assert set(graph.y[part].bincount().tolist()) == {each}
    other = nodes.split(graph.y, task, seed=4)
    assert not torch.equal(found.train, other.train)


@pytest.mark.parametrize("network", nodes.CONVOLUTIONS)
def test_every_network_learns(network, tmp_path):
    key = Key("karate club", network, 1, 2)
    assert nodes.train(key, tmp_path, tmp_path).key == key
    if network in nodes.SOLVED:
        return  # minutes
    graph, task = nodes.karate(), nodes.TASKS["karate club"]
    torch.manual_seed(0)
    known = nodes.split(graph.y, task, 1).train
    found, _ = nodes.fitted(nodes._network(network, graph), graph, nodes.Split(known, known, known), 80)
    assert found >= 0.75  # four labels


def test_the_command_writes_its_page_and_goes_on(tmp_path, capsys):
    options = ["--tasks", "digits", "--seeds", "0", "--steps", "2", "--output", str(tmp_path)]
    networks = ["chebyshev", "PyG GCNConv"]
    assert nodes.main([*options, "--networks", *networks]) == 0
    assert nodes.main([*options, "--networks", *networks]) == 0
    assert capsys.readouterr().out.count("done before") == 2
    page = (tmp_path / "nodes.md").read_text(encoding="utf-8")
    assert all(f"| {network} |" in page for network in networks)
    assert (tmp_path / "nodes.png").stat().st_size > 1000
