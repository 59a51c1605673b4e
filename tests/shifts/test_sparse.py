"""Sparse graphs: the Laplacians, λ_max, gradients, and the errors."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck
from torch_geometric.nn import SimpleConv
from torch_geometric.utils import to_undirected

from filters import ARMA, Cayley, Chebyshev, ConvergenceError, Heat, IdealLowPass, Rational
from filters.operators.solve import iterate_resolvent
from gsp_nonlocal.shifts import SparseShift
from gsp_nonlocal.shifts.edges import LaplacianNormalization
from tests.cases.signals import NODES, edges, relative, signal

build = SparseShift.from_edge_index
DATA = Path(__file__).parents[1] / "data"
PATH = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
ONES = torch.ones(4)
RING = to_undirected(torch.stack([torch.arange(400), (torch.arange(400) + 1) % 400]))


def adjacency(edge_index, weight, nodes=NODES):
    return torch.zeros(nodes, nodes, dtype=weight.dtype).index_put(
        (edge_index[1], edge_index[0]), weight, accumulate=True
    )


def laplacian(matrix, normalization: LaplacianNormalization):
    degree = matrix.sum(1)
    inverse = torch.where(degree > 0, 1 / degree, 0)
    if normalization is None:
        return degree.diag() - matrix
    if normalization == "rw":
        return torch.eye(len(matrix)) - inverse.diag() @ matrix
    return torch.eye(len(matrix)) - inverse.sqrt().diag() @ matrix @ inverse.sqrt().diag()


@pytest.mark.parametrize("normalization", ["sym", "rw", None])
@pytest.mark.parametrize("factor", [None, 1.0, 1.7])
def test_it_is_the_textbook_laplacian(normalization, factor):
    edge_index, weight = edges()
    expected = laplacian(adjacency(edge_index, weight), normalization)
    greatest = float(torch.linalg.eigvals(expected).real.max())
    given = None if factor is None else factor * greatest
    shift = build(edge_index, weight, NODES, normalization, given)
    bound = given or (2.0 if normalization else greatest)
    assert relative(shift.to_dense()[0], torch.eye(NODES) - 2 * expected / bound) < 1e-12
    assert shift.is_symmetric == (normalization != "rw")
    assert torch.linalg.eigvals(shift.to_dense()).abs().max() <= 1 + 1e-9


def test_every_graph_of_a_batch_has_its_own_lambda_max():
    star = torch.tensor([[0, 0, 0, 1, 2, 3], [1, 2, 3, 0, 0, 0]])
    joined = torch.cat([PATH, star + 3, star + 7], dim=1)
    batch = torch.tensor([0] * 3 + [1] * 4 + [2] * 4 + [3])  # the last graph is one isolated node
    whole = build(joined, normalization=None, batch=batch).to_dense()[0]
    alone = [build(PATH, normalization=None), build(star, normalization=None)]
    parts = [alone[0], alone[1], alone[1]]
    assert torch.allclose(whole[:11, :11], torch.block_diag(*(p.to_dense()[0] for p in parts)))
    assert whole[11, 11] == 1
    given = build(joined, normalization=None, batch=batch, lambda_max=torch.tensor([3.0, 4.0, 4.0, 1.0]))
    assert torch.allclose(given.to_dense(), whole)


def test_lambda_max_of_a_large_graph_is_found_by_lanczos():
    ring = torch.stack([torch.arange(600), (torch.arange(600) + 1) % 600])
    shift = build(to_undirected(ring), torch.ones(1200, dtype=torch.float64), normalization=None)
    assert relative(torch.linalg.eigvalsh(shift.to_dense()).min(), torch.tensor(-1.0)) < 1e-6


def test_a_directed_graph_keeps_its_norm_below_one():
    directed = torch.randint(0, NODES, (2, 30), generator=torch.Generator().manual_seed(0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shift = build(directed, torch.rand(30, dtype=torch.float64), NODES)
    assert not shift.is_symmetric
    assert torch.linalg.matrix_norm(shift.to_dense(), 2) <= 1 + 1e-12
    z = signal()
    assert relative(shift.T @ z, shift.to_dense().mT @ z) < 1e-12


@pytest.mark.parametrize("normalization", ["sym", "rw", None])
@pytest.mark.parametrize(
    "filter", [Chebyshev(2, 2, 3), Cayley(2, 2, 2), ARMA(2, 2, 2), Rational(2, 2), Heat(0.5)]
)
def test_gradients_reach_signal_weights_and_edges(normalization, filter):
    edge_index, weight = edges()
    if filter.requires_symmetric and normalization == "rw":
        with pytest.raises(ValueError, match="symmetric"):
            filter.double()(signal(2), build(edge_index, weight, NODES, normalization))
        return
    half = weight[: len(weight) // 2].clone().requires_grad_()
    z, f = signal(2, batch=1).requires_grad_(), filter.double()
    bound = None if normalization else 20.0

    def run(z, half, *_):
        return f(z, build(edge_index, half.repeat(2), NODES, normalization, bound))

    assert gradcheck(run, (z, half, *f.parameters()), fast_mode=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weights_have_the_gradients_of_the_dense_matrix(dtype):
    """With duplicates, self-loops, rows in any order, and nodes without an edge."""
    edge_index, weight = edges()
    edge_index = torch.cat([edge_index, edge_index[:, :9], torch.tensor([[3, 5], [3, 5]])], 1)
    weight = torch.cat([weight, weight[:9], weight[:2]]).to(dtype).requires_grad_()
    z = signal().to(dtype)
    with pytest.warns(UserWarning, match="self-loops"):
        shift = build(edge_index, weight, NODES + 2)
    z = torch.cat([z, z[:, :2]], 1)
    found = [
        torch.autograd.grad((s @ z).square().sum(), weight, retain_graph=True)
        for s in (shift, shift.to_dense())
    ]
    assert relative(found[0][0].double(), found[1][0].double()) < (1e-5 if dtype == torch.float32 else 1e-13)


def test_more_duplicates_than_places_have_gradients():
    weight = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64, requires_grad=True)
    with pytest.warns(UserWarning, match="3 self-loops and 2 duplicate"):
        shift = build(torch.zeros(2, 3, dtype=torch.long), weight, 1, normalization=None, lambda_max=9.0)
    z = torch.ones(1, 1, 2, dtype=torch.float64)
    found, expected = (
        torch.autograd.grad((matrix @ z).square().sum(), weight, retain_graph=True)[0]
        for matrix in (shift, shift.to_dense())
    )
    assert torch.equal(found, expected)


def test_it_agrees_with_propagation_in_pyg():
    edge_index, weight = edges()
    shift, z = build(edge_index, weight, NODES), signal()
    propagate = SimpleConv(aggr="add")
    expected = torch.stack([propagate(one, shift.edge_index, shift.values) for one in z])
    assert relative(shift @ z, expected) < 1e-14
    assert torch.equal(shift @ z, shift @ z)


@pytest.mark.parametrize("zoom", [1e-3, 1.0, 1e3])
def test_an_iterated_cayley_filter_agrees_with_its_eigenbasis(zoom):
    shift, z, f = build(*edges(), NODES), signal(), Cayley(4, 3, 3, zoom=zoom).double()
    eigenvalues, basis = torch.linalg.eigh(shift.to_dense()[0])
    expected = basis @ torch.einsum("bnc,ncd->bnd", basis.T @ z, f.response(1 - eigenvalues))
    assert relative(f(z, shift), expected) < 1e-8


def test_memory_of_an_iterated_resolvent_does_not_grow_with_its_iterations():
    """The graph of the result holds one product with the shift, however many there were."""
    edge_index, weight = edges()
    z, saved = signal().requires_grad_(), {}
    for b in (-0.1, -0.99):
        count, shift = [], build(edge_index, weight.requires_grad_(), NODES)
        with torch.autograd.graph.saved_tensors_hooks(lambda t, c=count: c.append(t) or t, lambda t: t):
            iterate_resolvent(shift, 1.0, b)(z)
        saved[b] = len(count)
    assert saved[-0.1] == saved[-0.99] > 0


def test_what_does_not_converge_is_said(monkeypatch):
    monkeypatch.setattr("filters.operators.solve.MAX_ITERATIONS", 100)
    shift = build(*edges(), NODES)
    top = torch.linalg.eigvalsh(shift.to_dense()).max()
    with pytest.raises(ConvergenceError, match=r"did not converge.*relative residual"):
        shift.solve(signal(), 1.0, float(-1 / top))
    with pytest.raises(ValueError, match="NaN"):
        shift.solve(signal() * float("nan"), 1.0, 0.5)


def test_a_poor_approximation_is_said():
    with pytest.warns(UserWarning, match="IdealLowPass.*degree 40.*off by up to"):
        IdealLowPass(0.5)(signal(), build(*edges(), NODES))


def test_loops_and_duplicates_are_kept_and_said():
    doubled = torch.tensor([[0, 1, 0, 1, 2], [1, 0, 1, 0, 2]])
    with pytest.warns(UserWarning, match="1 self-loops and 2 duplicate edges; they are kept"):
        shift = build(doubled, torch.ones(5))
    assert torch.allclose(shift.to_dense()[0], torch.tensor([[0.0, 1, 0], [1, 0, 0], [0, 0, 1]]))


def test_isolated_nodes_and_no_edges_at_all():
    shift = build(torch.empty(2, 0, dtype=torch.long), num_nodes=3)
    assert torch.equal(shift @ torch.ones(1, 3, 2), torch.zeros(1, 3, 2))
    plain = build(torch.empty(2, 0, dtype=torch.long), num_nodes=3, normalization=None)
    assert torch.equal(plain.to_dense()[0], torch.eye(3))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: build(PATH, -ONES), ValueError, "-1 is negative.*absolute"),
        (lambda: build(PATH, ONES * float("nan")), ValueError, "4 edge weights are NaN"),
        (lambda: build(PATH, ONES.long()), TypeError, "int64.*float"),
        (lambda: build(PATH, ONES[:2]), ValueError, r"\(4,\), got \(2,\)"),
        (lambda: build(PATH, lambda_max=0.9), ValueError, "lambda_max=0.9 is too small.*leave it out"),
        (lambda: build(PATH, lambda_max=-1.0), ValueError, "positive number, got"),
        (lambda: build(PATH, lambda_max=torch.ones(3)), ValueError, "each of the 1 graphs"),
        (lambda: build(PATH, normalization="both"), ValueError, "'both'; choose"),
        (lambda: build(PATH, num_nodes=2), ValueError, "0 to 2.*nodes 0 to 1"),
        (lambda: build(PATH.float()), TypeError, "float32"),
        (lambda: build(PATH.T), ValueError, r"\(2, E\)"),
        (lambda: build(PATH[:, :0]), ValueError, "empty graph"),
        (lambda: build(PATH, batch=torch.tensor([1, 0, 1])), ValueError, "ascending"),
        (lambda: build(PATH, batch=torch.tensor([0, 1, 1])), ValueError, "joins two graphs"),
        (lambda: build(PATH[:, :3], normalization=None), ValueError, "directed.*reverse edges"),
        (lambda: Heat(1.0)(torch.ones(1, 3, 1), build(PATH, normalization="rw")), ValueError, "symmetric"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_minnesota_against_pygsp():
    """Heat by the Chebyshev interpolant, Cayley by iteration, on a road network of 2642 nodes."""
    stored = np.load(DATA / "minnesota.npz")
    graph = torch.from_numpy(stored["edge_index"]).long()
    shift = build(graph, torch.ones(graph.shape[1], dtype=torch.float64))
    z = torch.from_numpy(stored["signal"]).unsqueeze(0)
    for tau in stored["tau"]:
        expected = torch.from_numpy(stored[f"heat_{tau:g}"])
        assert relative(Heat(float(tau))(z, shift)[0], expected) < 1e-6
    mu, basis = torch.linalg.eigh(shift.to_dense()[0])
    for zoom in (0.5, 20.0):
        f = Cayley(z.shape[-1], 2, order=3, zoom=zoom).double()
        exact = basis @ torch.einsum("nc,ncd->nd", basis.T @ z[0], f.response(1 - mu))
        assert relative(f(z, shift)[0], exact) < 1e-5


@pytest.mark.parametrize("zoom", [1.0, 30.0, 1000.0])
def test_columns_that_are_done_early_wait_for_the_others(zoom):
    """One channel lives on a small component, another on one node: both end long before the third."""
    path = lambda n: to_undirected(torch.stack([torch.arange(n - 1), torch.arange(1, n)]))  # noqa: E731
    shift = build(torch.cat([path(4), path(200) + 4], dim=1), num_nodes=205)
    z = torch.zeros(1, 205, 3)
    z[0, :4, 0], z[0, 204, 1], z[0, :, 2] = 1.0, 1.0, torch.linspace(-1, 1, 205)
    f = Cayley(3, 4, 2, zoom=zoom)
    assert relative(f(z, shift), f.double()(z.double(), shift.to_dense().double())) < 1e-4


@pytest.mark.parametrize("normalization", ["sym", "rw", None])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_degrees_of_half_precision_weights_are_summed_in_float32(normalization, dtype):
    star = torch.stack([torch.zeros(5000, dtype=torch.long), torch.arange(1, 5001)])
    star = torch.cat([star, star.flip(0)], dim=1)
    half, full = (
        build(star, torch.ones(10000, dtype=d), 5001, normalization, 5001.0) for d in (dtype, torch.float32)
    )
    assert torch.equal(half.values, full.values)


def test_an_overflowing_gradient_reaches_the_gradient_scaler():
    z = torch.randn(1, NODES, 4, requires_grad=True)
    y = ARMA(4, 3)(z, build(*edges(), NODES))
    y.backward(torch.full_like(y, float("inf")))
    assert not torch.isfinite(z.grad).any()


def test_weights_that_differ_by_rounding_are_symmetric():
    torch.manual_seed(0)
    points = torch.randn(60, 3)
    weight = torch.exp(-(torch.cdist(points, points) ** 2) / 3)
    pairs = torch.combinations(torch.arange(60)).T
    places = torch.cat([pairs, pairs.flip(0)], dim=1)
    rounded = weight[places[0], places[1]] * (1 + 1e-6 * torch.rand(places.shape[1]))
    assert build(places, rounded, normalization=None).is_symmetric
    assert not build(places, rounded * (1 + 1e-3 * torch.rand(places.shape[1]))).is_symmetric


def test_a_large_graph_without_edges_is_the_identity():
    shift = build(torch.empty(2, 0, dtype=torch.long), num_nodes=300, normalization=None)
    assert torch.equal(shift.to_dense()[0], torch.eye(300))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: build(RING, normalization=None, lambda_max=3.9), ValueError, "eigenvalue 4"),
        (lambda: build(PATH, lambda_max=float("inf")), ValueError, "positive number, got"),
        (
            lambda: SparseShift(torch.tensor([0, 1, 2]), torch.tensor([0, 7]), torch.ones(2)),
            ValueError,
            "7, but",
        ),
        (
            lambda: SparseShift(torch.tensor([0, 2]), torch.tensor([0]), torch.ones(1)),
            ValueError,
            "compressed",
        ),
    ],
)
def test_more_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
