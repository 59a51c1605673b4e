"""Every method finds the same eigenvalues: of every kind of shift, by products alone too."""

import pytest
import torch
from torch import Tensor

from filters.solve import ConvergenceError
from gsp_nonlocal.affinity import relu_dot_shift
from gsp_nonlocal.shifts import AttentionShift, DenseShift, LowRankShift, ShiftOperator, as_shift
from gsp_nonlocal.spectral import krylov, spectrum
from tests.filters.cases import SHIFTS

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
        ({"k": 0}, "k must be 1 to 50, the number of nodes, got 0"),
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
    def fails(*args, **kwargs):
        raise krylov.ArpackNoConvergence("no", torch.zeros(2).numpy(), torch.zeros(50, 2).numpy())

    monkeypatch.setattr(krylov, "eigs", fails)
    with pytest.raises(ConvergenceError, match="2 of 6 eigenvalues of a graph of 50 nodes"):
        spectrum(SHIFT, 6, "krylov")


def test_a_plain_matrix_and_factors_need_no_promise():
    ones = torch.ones(1, 40, 1, dtype=torch.float64) / 40**0.5
    assert spectrum(LowRankShift(ones), 1).eigenvalues.item() == pytest.approx(1)
    assert as_shift(torch.eye(3)).graph(0).shape == (1, 3, 3)
