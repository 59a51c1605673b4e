"""Graphs of points and maps: who is joined, with which weight, and gradients in the points."""

import pytest
import torch

from gsp_nonlocal import graphs
from gsp_nonlocal.graphs import neighbourhoods
from tests.cases.graphs import MAP, POINTS

WEIGHTS = {
    "gaussian": lambda distance: torch.exp(-((distance / 0.3) ** 2)),
    "distance": lambda distance: distance,
    "one": torch.ones_like,
}


def matrix(graph):
    W = torch.zeros(graph.num_nodes, graph.num_nodes, dtype=graph.edge_weight.dtype)
    W[tuple(graph.edge_index)] = graph.edge_weight.detach()
    return W


def near(distance, k):
    """Pairs of which one is among the ``k`` nearest of the other, by sorting all distances."""
    order = (distance + torch.eye(len(distance)) * 1e9).argsort(dim=1)[:, :k]
    found = torch.zeros_like(distance, dtype=torch.bool).scatter(1, order, True)
    return found | found.T


@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("dimensions", [1, 3, 30])
def test_neighbours_are_the_nearest(dimensions, weight):
    points = POINTS.repeat(1, 10)[:, :dimensions]
    distance = torch.cdist(points, points)
    sigma = 0.3 if weight == "gaussian" else None
    found = matrix(graphs.nearest_neighbours(points, 4, sigma, weight))
    assert torch.allclose(found, torch.where(near(distance, 4), WEIGHTS[weight](distance), 0.0), atol=1e-12)


@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("dimensions", [1, 3])
def test_all_within_the_radius_are_joined(dimensions, weight):
    points = POINTS[:, :dimensions]
    distance = torch.cdist(points, points)
    inside = (distance <= 0.4) & ~torch.eye(len(points), dtype=torch.bool)
    found = matrix(graphs.radius(points, 0.4, 0.3 if weight == "gaussian" else None, weight))
    assert torch.allclose(found, torch.where(inside, WEIGHTS[weight](distance), 0.0), atol=1e-12)


@pytest.mark.parametrize("at_once", [1, 60, 10**6])
def test_both_searches_find_the_same(at_once, monkeypatch):
    monkeypatch.setattr(neighbourhoods, "DISTANCES_AT_ONCE", at_once)
    tree, distances = neighbourhoods._by_tree(POINTS, 5), neighbourhoods._by_distances(POINTS, 5)
    assert torch.equal(tree, distances)


@pytest.mark.parametrize("search", [neighbourhoods._by_tree, neighbourhoods._by_distances])
def test_points_that_coincide_are_neighbours_of_each_other_not_of_themselves(search):
    found = search(torch.zeros(7, 2, dtype=torch.float64), 3)
    assert found.shape == (7, 3)
    assert (found != torch.arange(7)[:, None]).all()
    assert all(len(set(row)) == 3 for row in found.tolist())


def test_a_width_is_the_mean_length_of_the_edges():
    graph = graphs.nearest_neighbours(POINTS, 4)
    sigma = graphs.nearest_neighbours(POINTS, 4, weight="distance").edge_weight.mean()
    assert torch.allclose(graph.edge_weight, graphs.nearest_neighbours(POINTS, 4, float(sigma)).edge_weight)


@pytest.mark.parametrize("weight", ["gaussian", "distance"])
@pytest.mark.parametrize(
    "make",
    [
        lambda points, **how: graphs.nearest_neighbours(points, 3, **how),
        lambda points, **how: graphs.radius(points, 0.5, **how),
        lambda points, **how: graphs.feature_map(points.T.reshape(3, 3, 4), 3, **how),
        lambda points, **how: graphs.image_patches(points.T.reshape(3, 3, 4), 3, 3, **how),
    ],
)
def test_gradients_reach_the_points(make, weight):
    how = {"weight": weight, "sigma": 0.5 if weight == "gaussian" else None}
    points = POINTS[:12].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: make(x, **how).edge_weight, points)
    assert torch.autograd.gradcheck(lambda x: graphs.shift(make(x, **how)).to_dense(), points)


def test_gradients_are_finite_where_points_coincide():
    points = POINTS[:3].repeat(2, 1).requires_grad_()
    for weight in ("gaussian", "distance"):
        graph = graphs.nearest_neighbours(points, 2, weight=weight)
        assert torch.autograd.grad(graph.edge_weight.sum(), points)[0].isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_type_and_positions_are_those_of_the_points(dtype):
    graph = graphs.nearest_neighbours(POINTS.to(dtype), 3)
    assert graph.edge_weight.dtype == graph.pos.dtype == dtype and torch.equal(graph.pos, POINTS.to(dtype))


def test_arrays_are_points_too():
    assert torch.equal(graphs.radius(POINTS.numpy(), 0.4).edge_weight, graphs.radius(POINTS, 0.4).edge_weight)


def test_a_map_is_joined_by_its_features_and_placed_by_its_positions():
    graph = graphs.feature_map(MAP, 4)
    features = MAP.flatten(1).T
    assert torch.equal(graph.x, features)
    assert torch.equal(graph.edge_index, graphs.nearest_neighbours(features, 4).edge_index)
    row, column = torch.meshgrid(torch.arange(5.0), torch.arange(6.0), indexing="ij")
    assert torch.equal(graph.pos, torch.stack([column.flatten(), -row.flatten()], dim=1).double())


def test_a_batch_of_maps_is_a_batch_of_their_graphs():
    maps = torch.stack([MAP, 3 * MAP.flip(2)])
    for one, whole in zip(maps, graphs.feature_map(maps, 4).to_data_list(), strict=True):
        alone = graphs.feature_map(one, 4)
        assert all(torch.equal(alone[key], whole[key]) for key in ("x", "pos", "edge_index", "edge_weight"))


def test_patches_are_the_squares_around_the_pixels():
    image = MAP[:2]
    rows, columns = torch.arange(-1, 6).clamp(0, 4), torch.arange(-1, 7).clamp(0, 5)
    whole = image[:, rows][:, :, columns]
    squares = [whole[:, i : i + 3, j : j + 3].flatten() for i in range(5) for j in range(6)]
    expected = graphs.nearest_neighbours(torch.stack(squares), 4)
    found = graphs.image_patches(image, 3, 4)
    assert torch.equal(found.edge_index, expected.edge_index)
    assert torch.allclose(found.edge_weight, expected.edge_weight, atol=1e-12)
    single = graphs.image_patches(image[0], 1, 4)
    assert torch.equal(single.edge_index, graphs.feature_map(image[:1], 4).edge_index)
