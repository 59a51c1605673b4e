"""Bad input of graphs is named, with the remedy."""

import sys
from functools import partial
from types import SimpleNamespace

import networkx
import numpy as np
import pytest
import torch
from scipy import sparse
from torch_geometric.data import Data

from gsp_nonlocal import graphs

NAN = torch.tensor([[0.0, 1.0], [float("nan"), 0.0], [2.0, 2.0]])
POINTS, SAME = torch.rand(5, 2), torch.zeros(4, 2)
IMAGE = torch.rand(3, 6, 5)
W = sparse.csr_array


def nearest(k, **how):
    return partial(graphs.nearest_neighbours, POINTS, k, **how)


BAD = [
    (partial(graphs.ring, 0), ValueError, r"n must be at least 3 \(nodes of a ring\), got 0"),
    (partial(graphs.ring, 2.5), TypeError, "n must be an integer, got 2.5"),
    (partial(graphs.ring, 5, 0), ValueError, "k must be at least 1, got 0"),
    (partial(graphs.ring, 5, 3), ValueError, "k must be at most n / 2 = 2.5.*got 3"),
    (partial(graphs.path, 0), ValueError, "n must be at least 1"),
    (partial(graphs.path, 3, device="nowhere"), ValueError, "'nowhere' is unknown"),
    (partial(graphs.grid, 4), ValueError, "2 or 3 sizes, got 1.*path or ring"),
    (partial(graphs.grid, 2, 2, 2, 2), ValueError, "2 or 3 sizes, got 4"),
    (partial(graphs.grid, 3, 0), ValueError, "a size of the grid must be at least 1"),
    (partial(graphs.grid, 3, 2, periodic=True), ValueError, "at least 3 .*got 2"),
    (partial(graphs.grid, 3, 3, periodic=1), TypeError, "periodic must be True or False, got 1"),
    (partial(graphs.torus, 2, 5), ValueError, "at least 3 .*got 2"),
    (partial(graphs.complete, 0), ValueError, "n must be at least 1"),
    (partial(graphs.comet, 5, 5), ValueError, "degree must be below n = 5, the nodes, got 5"),
    (partial(graphs.comet, 5, 0), ValueError, "degree must be at least 1"),
    (partial(graphs.erdos_renyi, 5, 1.5), ValueError, r"p is a probability, in \[0, 1\], got 1.5"),
    (partial(graphs.erdos_renyi, 5, float("nan")), ValueError, "p must be finite"),
    (partial(graphs.erdos_renyi, 0, 0.5), ValueError, "n must be at least 1"),
    (partial(graphs.erdos_renyi, 5, 0.5, seed=-1), ValueError, "seed must be at least 0.*got -1"),
    (partial(graphs.erdos_renyi, 5, 0.5, seed=None), TypeError, "seed must be an integer, got None"),
    (partial(graphs.barabasi_albert, 5, 5), ValueError, "m must be below n = 5, the nodes, got 5"),
    (partial(graphs.stochastic_block_model, [], []), ValueError, "sizes is empty"),
    (partial(graphs.stochastic_block_model, [3, 0], torch.eye(2)), ValueError, "a size must be at least 1"),
    (partial(graphs.stochastic_block_model, [3, 2], [[1]]), ValueError, r"\(2, 2\), got \(1, 1\)"),
    (partial(graphs.stochastic_block_model, [3], [[-0.1]]), ValueError, r"in \[0, 1\], got -0.1"),
    (partial(graphs.stochastic_block_model, [3], [[float("nan")]]), ValueError, r"in \[0, 1\], got nan"),
    (partial(graphs.stochastic_block_model, [1, 1], [[0, 1], [0, 0]]), ValueError, "symmetric"),
    (partial(graphs.community, 5, 6), ValueError, "communities must be at most n = 5, the nodes, got 6"),
    (partial(graphs.community, 5, 2, inside=2), ValueError, "inside is a probability"),
    (partial(graphs.community, 5, 2, between=-1), ValueError, "between is a probability"),
    (partial(graphs.sensor, 6), ValueError, "k must be below the number of points, 6, got 6"),
    (partial(graphs.swiss_roll, 20, noise=-1.0), ValueError, "noise is a standard deviation.*-1"),
    (nearest(0), ValueError, "k must be at least 1 "),
    (nearest(5), ValueError, "k must be below the number of points, 5, got 5"),
    (nearest(2, sigma=0.0), ValueError, "sigma must be a positive number, got 0"),
    (nearest(2, weight="cosine"), ValueError, "unknown weight 'cosine'; choose one of: 'gaussian'"),
    (nearest(2, sigma=1.0, weight="one"), ValueError, 'sigma belongs to weight="gaussian"'),
    (partial(graphs.nearest_neighbours, NAN, 1), ValueError, "1 of 3 points are NaN or infinite; remove"),
    (partial(graphs.nearest_neighbours, NAN.long(), 1), TypeError, "int64; convert with .float"),
    (partial(graphs.nearest_neighbours, NAN[0], 1), ValueError, r"shape \(N, D\).*got \(2,\)"),
    (partial(graphs.nearest_neighbours, NAN[:0], 1), ValueError, r"got \(0, 2\)"),
    (partial(graphs.nearest_neighbours, [[0.0]], 1), TypeError, "tensor or array .*got list"),
    (partial(graphs.nearest_neighbours, SAME.to("meta"), 1), ValueError, "meta device"),
    (partial(graphs.nearest_neighbours, SAME, 1), ValueError, "all neighbours coincide.*pass sigma"),
    (partial(graphs.radius, POINTS, 0.0), ValueError, "r must be a positive number"),
    (partial(graphs.radius, SAME, 1.0), ValueError, "all neighbours coincide"),
    (partial(graphs.feature_map, IMAGE[0], 2), ValueError, r"\(C, H, W\) or \(B, C, H, W\).*\(6, 5\)"),
    (partial(graphs.feature_map, IMAGE.int(), 2), TypeError, "int32; convert"),
    (partial(graphs.feature_map, IMAGE[:, :0], 2), ValueError, "not empty"),
    (partial(graphs.feature_map, IMAGE, 30), ValueError, "k must be below the number of points, 30, got 30"),
    (partial(graphs.image_patches, IMAGE[None]), ValueError, "graph of each image of a batch"),
    (partial(graphs.image_patches, IMAGE.byte()), TypeError, r"uint8; convert it with .float\(\) / 255"),
    (partial(graphs.image_patches, IMAGE, 4), ValueError, "size must be odd.*got 4"),
    (partial(graphs.image_patches, "image"), TypeError, "image must be a tensor"),
    (partial(graphs.from_scipy, np.eye(2)), TypeError, "got ndarray; pass scipy.sparse.csr_array"),
    (partial(graphs.from_scipy, W(np.eye(2) * 1j)), TypeError, "matrix of complex128"),
    (partial(graphs.from_scipy, W(np.ones((2, 3)))), ValueError, r"shape \(N, N\).*got \(2, 3\)"),
    (partial(graphs.from_scipy, W((0, 0))), ValueError, r"got \(0, 0\)"),
    (partial(graphs.from_scipy, W([[0.0, 1], [2, 0]])), ValueError, r"W\[0, 1\] = 1, W\[1, 0\] = 2; pass"),
    (partial(graphs.from_scipy, W([[0.0, -1], [-1, 0]])), ValueError, "at least 0, got -1"),
    (partial(graphs.from_scipy, W([[0.0, np.nan], [np.nan, 0]])), ValueError, "finite.*got nan"),
    (partial(graphs.from_scipy, W(np.eye(2)), np.ones(3)), ValueError, r"\(2, D\), got \(3,\)"),
    (
        partial(graphs.from_scipy, W(np.eye(2)), [[0, np.inf], [0, 0]]),
        ValueError,
        "positions have NaN or inf",
    ),
    (partial(graphs.from_networkx, networkx.DiGraph([(0, 1)])), ValueError, "directed; pass .*to_undirected"),
    (partial(graphs.from_networkx, networkx.Graph()), ValueError, "graph is empty"),
    (partial(graphs.from_networkx, [(0, 1)]), TypeError, "got list"),
    (partial(graphs.from_pygsp, SimpleNamespace()), TypeError, "weight matrix W, got SimpleNamespace"),
    (partial(graphs.from_pygsp, SimpleNamespace(W=W([[0, 1], [0, 0]]))), ValueError, "not symmetric"),
    (partial(graphs.to_networkx, networkx.Graph()), TypeError, "Data or Batch of PyG.*got Graph"),
    (
        partial(graphs.to_networkx, Data(edge_index=torch.tensor([[0], [1]]), num_nodes=2)),
        ValueError,
        "not symmetric",
    ),
    (partial(graphs.to_scipy, Data(x=POINTS)), ValueError, "no edge_index"),
    (partial(graphs.shift, POINTS), TypeError, "got Tensor"),
    (partial(graphs.shift, Data(x=POINTS)), ValueError, "no edge_index"),
    (partial(graphs.shift, graphs.ring(4), "symmetric"), ValueError, "unknown normalization 'symmetric'"),
]


@pytest.mark.parametrize(("make", "error", "message"), BAD)
def test_bad_input_is_named(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_missing_package_names_its_install_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(
        ImportError, match=r"sklearn.* is not installed: pip install 'gsp-nonlocal\[graphs\]'"
    ):
        graphs.swiss_roll(20)
    assert graphs.sensor(20).num_nodes == 20
