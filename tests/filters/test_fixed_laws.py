"""Fixed responses where eigenvalues repeat or nearly do: gradients, jumps, and what is not finite."""

import math

import pytest
import torch
from torch import Tensor

from filters import DenseShift, Heat, IdealLowPass, MexicanHat, SpectralFunction, Tikhonov
from filters.operators.plain import DiagonalShift
from gsp_nonlocal.shifts import LowRankShift, SparseShift
from tests.cases.signals import relative
from tests.filters.graphs import GRAPHS, normalised, path

graphs = pytest.mark.parametrize("graph", GRAPHS)
dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])


def laplacian(matrix: Tensor) -> Tensor:
    return torch.eye(len(matrix), dtype=matrix.dtype) - matrix


RESPONSES = {
    f"{kind.__name__}({number:g})": (kind(number), formula, number)
    for kind, formula, numbers in [
        (Heat, lambda x, t: torch.matrix_exp(-t * laplacian(x)), (0.1, 1.0, 100.0, 5000.0)),
        (
            Tikhonov,
            lambda x, a: torch.linalg.inv(torch.eye(len(x)).to(x) + a * laplacian(x)),
            (0.1, 1.0, 100.0, 1e4),
        ),
        (
            MexicanHat,
            lambda x, s: math.e * s * laplacian(x) @ torch.matrix_exp(-s * laplacian(x)),
            (0.5, 1.0, 4.0, 300.0),
        ),
    ]
    for number in numbers
} | {
    "cos(3 λ)": (
        SpectralFunction(lambda lam: torch.cos(3 * lam)),
        lambda x, _: torch.matrix_exp(3j * laplacian(x)).real,
        3.0,
    ),
    "(1 − λ)²": (
        SpectralFunction(lambda lam: lam * lam - 2 * lam + 1),
        lambda x, _: x @ x,
        1.0,
    ),
}
"""Each filter, the same function of a matrix without eigenvectors, and how fast it changes with ``λ``."""


def factors(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """``left`` and ``core`` of a shift with the eigenpairs of a matrix but those near 0, in its data type."""
    values, vectors = torch.linalg.eigh(matrix.double())
    kept = values.abs() > 0.3
    return vectors[:, kept].to(matrix.dtype), torch.diag(values[kept]).to(matrix.dtype)


def gradient(f, leaf: Tensor, core: Tensor | None, is_filter: bool = True) -> Tensor:
    """The gradient of ``⟨w, f(S) z⟩`` in a matrix, symmetrised, or in the factor of a low-rank shift."""
    generator = torch.Generator().manual_seed(0)
    z, w = torch.randn(2, len(leaf), 3, generator=generator, dtype=torch.float64).to(leaf.dtype)
    leaf = leaf.clone().requires_grad_()
    if not is_filter:
        y = f(leaf if core is None else leaf @ core @ leaf.T) @ z
    elif core is None:
        y = f(z[None], DenseShift(leaf, is_symmetric=True))[0]
    else:
        y = f(z[None], LowRankShift(leaf[None], core=core, is_symmetric=True))[0]
    (y * w).sum().backward()
    return leaf.grad + leaf.grad.T if core is None else leaf.grad


@graphs
@dtypes
@pytest.mark.parametrize("form", ["dense", "low-rank"])
@pytest.mark.parametrize("name", RESPONSES)
def test_gradients_are_those_of_the_matrix_function(name, form, dtype, graph):
    """As exact as the entries: an error ``ε`` of those is one of ``ε g'`` in the response."""
    f, formula, steepness = RESPONSES[name]
    leaf, core = (GRAPHS[graph], None) if form == "dense" else factors(GRAPHS[graph])
    wanted = gradient(lambda x: formula(x, steepness), leaf, core, is_filter=False)
    found = gradient(f, leaf.to(dtype), None if core is None else core.to(dtype))
    allowed = 5e-6 * (1 + steepness / 20) if dtype == torch.float32 else 1e-12 * (1 + steepness)
    assert found.dtype == dtype
    assert relative(found.double(), wanted) < allowed


@pytest.mark.parametrize(
    ("f", "nodes", "wanted"), [(Tikhonov(100.0), 60, 0.0154690), (Heat(5000.0), 100, 1.7459803)]
)
def test_stiff_gradients_between_far_nodes(f, nodes, wanted):
    matrix = normalised(path(nodes)).float().requires_grad_()
    z = torch.zeros(1, nodes, 1)
    z[0, 10] = 1
    f(z, DenseShift(matrix, is_symmetric=True))[0, 40, 0].backward()
    assert float(matrix.grad[20, 21] + matrix.grad[21, 20]) == pytest.approx(wanted, rel=2e-5)


@pytest.mark.parametrize("name", [name for name in RESPONSES if RESPONSES[name][0].error < 1e-9])
def test_on_sparse_graphs_the_gradient_of_the_interpolant_is_that_of_the_function(name):
    f, formula, steepness = RESPONSES[name]
    matrix = GRAPHS["grid"]
    rows, columns = matrix.nonzero().T
    pointers = torch.cat([torch.zeros(1).long(), (matrix != 0).sum(1).cumsum(0)])
    values = matrix[rows, columns].clone().requires_grad_()
    z, w = torch.randn(2, 1, len(matrix), 2, dtype=torch.float64)
    (f(z, SparseShift(pointers, columns, values, is_symmetric=True, spectral_bound=1.0)) * w).sum().backward()
    leaf = matrix.clone().requires_grad_()
    ((formula(leaf, steepness) @ z[0]) * w[0]).sum().backward()
    found = torch.zeros_like(matrix).index_put((rows, columns), values.grad)
    assert relative(found + found.T, (leaf.grad + leaf.grad.T) * (matrix != 0)) < 1e-6


JUMPS = {
    "λ ≤ c": lambda c: IdealLowPass(c),
    "λ < c": lambda c: SpectralFunction(lambda lam: lam < c),
    "λ ≥ c": lambda c: SpectralFunction(lambda lam: (lam >= c).double()),
    "λ = c": lambda c: SpectralFunction(lambda lam: (lam == c).float()),
    "a ramp with a step": lambda c: SpectralFunction(lambda lam: lam.square() + 5 * (lam > c)),
}
jumps = pytest.mark.parametrize("jump", JUMPS)


def cutoffs(matrix: Tensor) -> list[float]:
    """The distinct frequencies of a graph, those that are simple numbers as one would write them."""
    values = (1 - torch.linalg.eigvalsh(matrix)).tolist()
    simple = {
        round(lam * 720720) / 720720 for lam in values if abs(lam * 720720 - round(lam * 720720)) < 1e-6
    }
    return sorted(c for c in simple if c > 0)


def by_groups(f: SpectralFunction, matrix: Tensor) -> Tensor:
    """``f(S)`` with the eigenvalues that are a simple number but for rounding put on it."""
    values, vectors = torch.linalg.eigh(matrix)
    lam = 1 - values
    simple = (lam * 720720).round() / 720720
    lam = torch.where((lam - simple).abs() < 1e-13, simple, lam)
    return vectors @ torch.diag(f.gain(lam).double()) @ vectors.T


@graphs
@jumps
@dtypes
@pytest.mark.parametrize("form", ["dense", "low-rank"])
def test_a_jump_at_an_eigenvalue_takes_or_leaves_all_equal_ones(form, dtype, jump, graph):
    matrix = GRAPHS[graph]
    for cutoff in cutoffs(matrix):
        f = JUMPS[jump](cutoff)
        if form == "dense":
            shift, exact = DenseShift(matrix.to(dtype), is_symmetric=True), matrix
        else:
            left, core = factors(matrix)
            left, core = (
                torch.cat([left, left[:, :1]], -1),
                torch.block_diag(core, torch.zeros(1, 1).double()),
            )
            exact = left @ core @ left.T  # one column twice: a computed zero beside those left out
            shift = LowRankShift(left[None].to(dtype), core=core.to(dtype), is_symmetric=True)
        found = f(torch.eye(len(matrix), dtype=dtype)[None], shift)[0]
        tolerance = 2e-4 if dtype == torch.float32 else 1e-10
        torch.testing.assert_close(found.double(), by_groups(f, exact), atol=tolerance, rtol=0)


@graphs
@dtypes
@pytest.mark.parametrize("sign", [1, -1])
def test_a_jump_at_any_eigenvalue_does_not_depend_on_the_numbering(sign, dtype, graph):
    matrix, unit = GRAPHS[graph], torch.eye(len(GRAPHS[graph]), dtype=dtype)[None]
    for seed, cutoff in enumerate((1 - torch.linalg.eigvalsh(matrix)).unique().tolist()):
        f = SpectralFunction(lambda lam, c=cutoff: (sign * lam <= sign * c).double())
        order = torch.randperm(len(matrix), generator=torch.Generator().manual_seed(seed))
        one, other = (
            f(unit, DenseShift(m.to(dtype), is_symmetric=True))[0] for m in (matrix, matrix[order][:, order])
        )
        assert (one[order][:, order] - other).abs().max() < (1e-4 if dtype == torch.float32 else 1e-10)


@dtypes
def test_a_response_at_its_jump_is_that_of_the_jump(dtype):
    for cutoff in torch.linspace(0.01, 1.99, 199, dtype=torch.float64).tolist():
        cutoff = round(cutoff, 2)
        gains = IdealLowPass(cutoff).response(
            torch.tensor([cutoff - 1e-5, cutoff, cutoff + 1e-5], dtype=dtype)
        )
        assert gains.flatten().tolist() == [1, 1, 0]


@dtypes
def test_a_fine_grid_of_frequencies_is_cut_at_the_jump_alone(dtype):
    lam = torch.linspace(0, 2, 200_001, dtype=dtype)
    gains = IdealLowPass(0.7).response(lam).flatten()
    assert torch.equal(gains, (lam <= 0.7 + 1e-6).to(dtype))


@pytest.mark.parametrize("beyond", [1e-14, 1e-9, 4e-6, 1e-3])
def test_a_spectrum_beyond_the_interval_is_put_back_by_its_rounding_alone(beyond):
    """``√(2 − λ)`` is a number at rounding above 2; ``λ`` itself is no other number elsewhere."""
    mu = torch.tensor([1.0 + beyond, 0.3, -1.0 - beyond], dtype=torch.float64)
    basis = torch.linalg.qr(torch.rand(3, 3, generator=torch.manual_seed(0), dtype=torch.float64))[0]
    shift = DenseShift(basis * mu @ basis.mT, is_symmetric=True)
    z = basis.mT[None]
    found = SpectralFunction(lambda lam: lam)(z, shift)
    expected = (basis * (1 - mu) @ basis.mT @ z[0])[None]
    assert (found - expected).abs().max() < 1e-13
    if beyond < 1e-13:
        assert SpectralFunction(lambda lam: (lam * (2 - lam)).sqrt())(z, shift).isfinite().all()


SMOOTH = [torch.cos, torch.sin, lambda lam: lam - 1.0, lambda lam: (lam - 0.6) ** 3, torch.exp]


@dtypes
@pytest.mark.parametrize("g", SMOOTH)
def test_a_smooth_response_has_its_slope_on_a_diagonal_near_its_zeros_too(g, dtype):
    """All eigenvalues alike: nothing else tells how great the response is."""
    for lam in (0.0, 0.6, 0.61, 1.0, 1.0001, math.pi / 2, 1.5776, 2.0):
        mu = torch.full((1, 5), 1.0, dtype=dtype).sub(lam).requires_grad_()
        (found,) = torch.autograd.grad(SpectralFunction(g)(torch.ones(1, 5, 1), DiagonalShift(mu)).sum(), mu)
        at = (1 - mu.detach().double()).requires_grad_()
        (slope,) = torch.autograd.grad(g(at).sum(), at)
        assert (found.double() + slope).abs().max() < (1e-5 if dtype == torch.float32 else 1e-12)


def poisoned(value: float, *place: int) -> Tensor:
    matrix = normalised(path(8)).expand(2, -1, -1).clone()
    matrix[place] = matrix[place[0], place[2], place[1]] = value
    return matrix


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    "make",
    [
        lambda m: DenseShift(m, is_symmetric=True),
        lambda m: DiagonalShift(m[:, 3]),
        lambda m: LowRankShift(m),
        lambda m: LowRankShift(torch.ones(2, 8, 8).double(), core=m, is_symmetric=True),
        lambda m: SparseShift(
            torch.arange(9), torch.arange(8), m[1, 3], is_symmetric=True, spectral_bound=1.0
        ),
    ],
    ids=["dense", "diagonal", "factor", "core", "sparse"],
)
@pytest.mark.parametrize("f", [Heat(1.0), IdealLowPass(0.5)], ids=str)
@pytest.mark.filterwarnings("ignore:.*approximated")
def test_what_is_not_finite_is_named_with_its_place(f, make, value):
    shift = make(poisoned(value, 1, 3, 5))
    with pytest.raises(ValueError, match=rf"NaN or infinite, the first is {value} at \[([01], )?(3, )?5\]"):
        f(torch.ones(shift.shape[0], 8, 1, dtype=torch.float64), shift)


def test_entries_whose_products_overflow_are_refused():
    with pytest.raises(ValueError, match="normalise the shift"):
        Heat(1.0)(
            torch.ones(1, 4, 1).double(), LowRankShift(torch.full((1, 4, 2), 1e200, dtype=torch.float64))
        )
