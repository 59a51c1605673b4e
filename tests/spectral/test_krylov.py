"""Every method finds the same eigenvalues: of every kind of shift, by products alone too."""

import importlib

import pytest
import torch
from torch import Tensor

from filters.operators.solve import ConvergenceError
from gsp_nonlocal.affinity import relu_dot_shift
from gsp_nonlocal.shifts import (
    AttentionShift,
    DenseShift,
    LowRankShift,
    ShiftOperator,
    SparseShift,
    as_shift,
)
from gsp_nonlocal.spectral import block_krylov, krylov, spectral_gap, spectrum
from tests.cases.shifts import SHIFTS
from tests.filters.graphs import complete, cycle, normalised, path, product, side_by_side, star

spectrum_module = importlib.import_module("gsp_nonlocal.spectral.spectrum")
every_shift = pytest.mark.parametrize("make", SHIFTS.values(), ids=SHIFTS.keys())


def lapack(shift: ShiftOperator) -> Tensor:
    """Eigenvalues of the dense matrix, by falling ``|μ|``; independent of the library's solvers."""
    matrix = shift.to_dense().double()
    symmetric = torch.equal(matrix, matrix.mT)
    values = torch.linalg.eigvalsh(matrix) if symmetric else torch.linalg.eigvals(matrix)
    return by_size(values)


def by_size(values: Tensor) -> Tensor:
    return values.gather(-1, values.abs().argsort(dim=-1, descending=True, stable=True))


def worst_distance(found: Tensor, wanted: Tensor) -> float:
    """Greatest distance of a found eigenvalue to the nearest wanted one, and the other way round."""
    gaps = (found.unsqueeze(-1) - wanted.unsqueeze(-2).to(found.dtype)).abs()
    return max(gaps.amin(-1).max().item(), gaps.amin(-2).max().item())


@every_shift
@pytest.mark.parametrize("method", ["auto", "dense"])
def test_the_whole_spectrum_is_that_of_the_matrix(make, method):
    shift = make()
    found = spectrum(shift, method=method, eigenvectors=True)
    assert found.is_complete
    assert worst_distance(found.eigenvalues.to(torch.complex128), lapack(shift)) < 1e-8
    assert residual(shift, found.paired, found.eigenvectors) < 1e-8


@every_shift
@pytest.mark.parametrize("k", [1, 4, 12])
def test_extreme_eigenvalues_by_products_alone(make, k):
    shift = make()
    found = spectrum(shift, k, "krylov", eigenvectors=True)
    wanted = lapack(shift)
    assert found.eigenvalues.shape == (shift.shape[0], k)
    assert found.is_complete == (k == shift.shape[-1])
    sizes = by_size(found.eigenvalues).abs(), wanted[:, :k].abs()
    torch.testing.assert_close(*sizes, atol=1e-9, rtol=0)
    assert (found.eigenvalues.real.diff(dim=-1) <= 1e-9).all()
    assert residual(shift, found.paired, found.eigenvectors) < 1e-8


def residual(shift: ShiftOperator, values: Tensor, vectors: Tensor) -> float:
    matrix = shift.to_dense().to(vectors.dtype)
    return (matrix @ vectors - vectors * values.unsqueeze(1)).abs().max().item()


def larger(dtype: torch.dtype) -> dict[str, ShiftOperator]:
    generator = torch.Generator().manual_seed(0)
    q, k = (2 * torch.randn(2, 300, 6, generator=generator, dtype=torch.float64) for _ in range(2))
    symmetric = torch.softmax(q @ q.mT, -1)
    return {
        "attention": AttentionShift(q, k).to(dtype),
        "low-rank": relu_dot_shift(torch.cat([q, k], -1).relu(), "low_rank").to(dtype),
        "dense": DenseShift(0.5 * (symmetric + symmetric.mT), is_symmetric=True).to(dtype),
    }


@pytest.mark.parametrize("name", larger(torch.float64))
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-8), (torch.float32, 1e-5)])
def test_lanczos_and_arnoldi_on_larger_graphs(name, dtype, tolerance):
    shift = larger(dtype)[name]
    found = spectrum(shift, 10, "krylov")
    wanted = lapack(larger(torch.float64)[name])
    sizes = by_size(found.eigenvalues).abs().double(), wanted[:, :10].abs()
    torch.testing.assert_close(*sizes, atol=tolerance, rtol=0)


def test_k_of_an_exact_spectrum_are_its_greatest():
    shift = larger(torch.float64)["low-rank"]
    some, whole = spectrum(shift, 7, eigenvectors=True), spectrum(shift)
    wanted = by_size(whole.eigenvalues)[:, :7].sort(-1, descending=True).values
    torch.testing.assert_close(some.eigenvalues, wanted)
    assert some.eigenvectors.shape == (2, 300, 7)
    assert not some.is_complete
    assert some.exact_zeros == 0


def test_auto_uses_products_beyond_the_budget_and_the_matrix_within_it(monkeypatch):
    shift = larger(torch.float64)["attention"]
    wanted = by_size(spectrum(shift).eigenvalues)[:, :5].abs()
    monkeypatch.setattr(AttentionShift, "to_dense", lambda self: pytest.fail("the matrix was formed"))
    found = by_size(spectrum(shift, 5, max_nodes=100).eigenvalues).abs()
    torch.testing.assert_close(found, wanted, atol=1e-8, rtol=0)


def test_a_graph_without_edges_has_zeros_alone():
    assert spectrum(torch.zeros(1, 30, 30), 3, "krylov").eigenvalues.abs().max() == 0
    empty = AttentionShift(torch.zeros(1, 30, 2), torch.zeros(1, 30, 2))
    assert by_size(spectrum(empty, 2, "krylov").eigenvalues).abs()[0].tolist() == pytest.approx(
        [1, 0], abs=1e-7
    )


def test_real_spectra_are_told_from_complex_ones():
    attention = larger(torch.float64)["attention"]
    walk = torch.rand(20, 20, dtype=torch.float64)
    walk = walk + walk.mT
    assert not spectrum(attention).is_real
    assert spectrum(walk / walk.sum(-1, keepdim=True)).is_real
    assert spectrum(walk).is_real


SHIFT = AttentionShift(torch.randn(1, 50, 3), torch.randn(1, 50, 3))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_nodes": 49}, r"50 nodes is beyond the budget of 49.*k=20.*spectral_density"),
        ({"k": 5, "method": "dense", "max_nodes": 49}, "beyond the budget of 49"),
        ({"k": 0}, "k must be at least 1, got 0"),
        ({"k": 51}, "k must be 1 to 50, the number of nodes, got 51"),
        ({"method": "lanczos"}, "unknown method 'lanczos'; choose one of: auto, factors, dense, krylov"),
        ({"method": "factors"}, "AttentionShift has no factors"),
        ({"method": "krylov"}, "k=20"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        spectrum(SHIFT, **arguments)


def test_no_convergence_is_an_error_and_no_number(monkeypatch):
    monkeypatch.setattr(block_krylov, "MOST_PRODUCTS", 2)
    with pytest.raises(ConvergenceError, match=r'6 greatest .* of a graph of 300 nodes .* method="dense"'):
        spectrum(larger(torch.float64)["attention"], 6, "krylov")


def test_auto_takes_the_matrix_where_products_do_not_converge(monkeypatch):
    monkeypatch.setattr(block_krylov, "MOST_PRODUCTS", 2)
    monkeypatch.setattr(spectrum_module, "DENSE_DIRECTED", 100)
    shift = larger(torch.float64)["attention"]
    found = spectrum(shift, 6)
    assert worst_distance(found.eigenvalues, lapack(shift)[:, :6]) < 1e-9
    assert found.residuals is None


def sparse(matrix: Tensor, dtype: torch.dtype) -> SparseShift:
    rows, columns = matrix.nonzero().T
    pointers = torch.cat([torch.zeros(1).long(), (matrix != 0).sum(1).cumsum(0)])
    symmetric = torch.equal(matrix, matrix.T)
    return SparseShift(pointers, columns, matrix[rows, columns].to(dtype), is_symmetric=symmetric)


def directed_ring(nodes: int) -> Tensor:
    """A ring with a chord, each way one way: complex eigenvalues, one of them 1."""
    matrix = torch.eye(nodes, dtype=torch.float64).roll(1, 0)
    matrix[0, nodes // 2] = 1
    return matrix / matrix.sum(1, keepdim=True)


REPEATED = {
    "four rings of 101": normalised(side_by_side(*[cycle(101)] * 4)),
    "grids of a batch": normalised(side_by_side(*[product(path(9), path(8))] * 6)),
    "different graphs": normalised(
        side_by_side(complete(90), star(80), cycle(75), product(path(9), path(9)))
    ),
    "torus": normalised(product(cycle(20), cycle(20))),
    "grid": normalised(product(path(18), path(18))),
    "40 complete graphs": normalised(side_by_side(*[complete(9)] * 40)),
    "complete": normalised(complete(320)),
    "rank one": torch.full((300, 300), 1 / 300, dtype=torch.float64),
    "60 directed parts": torch.block_diag(*[directed_ring(5)] * 60),
}
"""Graphs whose greatest eigenvalues repeat, more often than a block has columns too."""


@pytest.mark.parametrize(
    ("k", "dtype", "method"),
    [
        *((k, torch.float64, "krylov") for k in (1, 4, 5, 12)),
        *((k, torch.float32, "krylov") for k in (4, 12)),
        (4, torch.float64, "auto"),
        (5, torch.float32, "auto"),
    ],
)
@pytest.mark.parametrize("name", REPEATED)
def test_eigenvalues_come_with_their_multiplicities(name, k, dtype, method):
    matrix = REPEATED[name].to(dtype).double()
    shift = sparse(matrix, dtype)
    found = spectrum(shift, k, method, eigenvectors=True)
    wanted = lapack(DenseShift(matrix))[:, :k].abs()
    tolerance = 1e-9 if dtype == torch.float64 else 1e-6
    torch.testing.assert_close(by_size(found.eigenvalues).abs(), wanted, atol=tolerance, rtol=0)
    assert found.is_certified
    assert residual(shift.to(torch.float64), found.paired, found.eigenvectors) < 10 * tolerance
    assert torch.linalg.matrix_rank(found.eigenvectors[0], rtol=1e-4) == k
    if found.residuals is not None:
        assert found.residuals.max() < 10 * tolerance


def test_what_is_not_sure_is_said(monkeypatch):
    monkeypatch.setattr(krylov, "ROUNDS", 2)
    shift = sparse(REPEATED["40 complete graphs"], torch.float64)
    found = spectrum(shift, 30, "krylov")
    assert found.eigenvalues.shape == (1, 30)
    assert not found.is_certified
    with pytest.raises(ValueError, match="may be missing"):
        spectral_gap(found)


def test_each_graph_of_a_batch_is_judged_by_itself():
    undirected, directed = REPEATED["four rings of 101"][:30, :30], torch.eye(30).double().roll(1, 0)
    found = spectrum(torch.stack([undirected, directed]), eigenvectors=True)
    wanted = torch.linalg.eigvalsh(undirected).flip(-1)
    assert torch.equal(found.eigenvalues[0].imag, torch.zeros(30).double())
    torch.testing.assert_close(found.eigenvalues[0].real, wanted)
    vectors = found.eigenvectors[0]
    torch.testing.assert_close(vectors.mH @ vectors, torch.eye(30).to(vectors))
    assert not found.is_real


@pytest.mark.parametrize("weight", [1.0, 1e-6, 1e-9, 1e-12])
def test_a_faint_directed_part_is_not_taken_for_rounding(weight):
    parts = torch.block_diag(normalised(cycle(8)), weight * torch.eye(3).double().roll(1, 0))
    assert not spectrum(parts).is_real
    batch = torch.stack([normalised(cycle(3)), weight * torch.eye(3).double().roll(1, 0)])
    assert not spectrum(batch).is_real


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rounding_does_not_make_real_spectra_complex(dtype):
    features = torch.rand(60, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    weights = (features @ features.T).to(dtype)  # 56 eigenvalues are 0
    assert spectrum(weights / weights.sum(-1, keepdim=True)).is_real


def test_a_plain_matrix_and_factors_need_no_promise():
    ones = torch.ones(1, 40, 1, dtype=torch.float64) / 40**0.5
    assert spectrum(LowRankShift(ones), 1).eigenvalues.item() == pytest.approx(1)
    assert as_shift(torch.eye(3)).graph(0).shape == (1, 3, 3)
