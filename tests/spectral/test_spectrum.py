"""Low-rank ≡ dense, S u = μ u, bounds, invariance, and what is refused."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from gsp_nonlocal.affinity import relu_dot_shift
from gsp_nonlocal.shifts import DenseShift, DiagonalShift, LowRankShift, ShiftOperator
from gsp_nonlocal.spectral import effective_rank, eigenvector_condition, spectral_gap, spectrum

EXACT = 1e-9
SKEW = torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def snl(batch: int, nodes: int, inner: int, isolated: int = 0) -> ShiftOperator:
    features = draw(batch, nodes, 2 * inner).relu()
    features[:, :isolated] = 0
    return relu_dot_shift(features, "low_rank")


def deficient(batch: int, nodes: int, rank: int) -> ShiftOperator:
    """A factor of ``2 rank`` columns that span only ``rank`` dimensions, one of the columns zero."""
    half = draw(batch, nodes, rank).abs()
    half[..., 0] = 0
    return relu_dot_shift(torch.cat([half, half], dim=-1), "low_rank")


def two_factors() -> ShiftOperator:
    """Symmetric, but kept as two different factors with a promise."""
    shift = snl(2, 20, 3)
    return LowRankShift(shift.left, shift.left @ shift.core.mT, is_symmetric=True)


SYMMETRIC = {
    "more nodes than rank": lambda: snl(1, 40, 5),
    "batch of 2": lambda: snl(2, 30, 4),
    "more rank than nodes": lambda: snl(2, 7, 9),
    "rank deficient": lambda: deficient(2, 25, 4),
    "isolated nodes": lambda: snl(2, 30, 4, isolated=6),
    "no edge at all": lambda: snl(1, 12, 3, isolated=12),
    "one node": lambda: snl(1, 1, 2),
    "one factor, no core": lambda: LowRankShift(draw(2, 15, 3)),
    "two factors": two_factors,
    "sum of two": lambda: snl(1, 20, 2) + LowRankShift(draw(1, 20, 1, seed=3)),
    "core of each graph": lambda: LowRankShift(
        draw(2, 12, 3), core=torch.diag_embed(draw(2, 3)), is_symmetric=True
    ),
    "symmetric without the promise": lambda: LowRankShift(draw(1, 12, 3), core=torch.diag(draw(3))),
    "dense": lambda: DenseShift(snl(2, 9, 3).to_dense(), is_symmetric=True),
    "diagonal": lambda: DiagonalShift(draw(2, 11)),
}
GENERAL = {
    "low-rank": lambda: LowRankShift(draw(2, 30, 4), draw(2, 30, 4, seed=1)),
    "low-rank with core": lambda: LowRankShift(draw(1, 30, 4), draw(1, 30, 4, seed=1), draw(4, 4, seed=2)),
    "one factor, skew core": lambda: LowRankShift(
        draw(1, 30, 2), core=torch.tensor([[0.0, 1], [-1, 0]]).double()
    ),
    "more rank than nodes": lambda: LowRankShift(draw(2, 5, 8), draw(2, 5, 8, seed=1)),
    "dense": lambda: DenseShift(draw(2, 8, 8)),
}
every_symmetric = pytest.mark.parametrize("make", SYMMETRIC.values(), ids=SYMMETRIC.keys())
every_general = pytest.mark.parametrize("make", GENERAL.values(), ids=GENERAL.keys())
every_shift = pytest.mark.parametrize(
    "make",
    [*SYMMETRIC.values(), *GENERAL.values()],
    ids=[*SYMMETRIC.keys(), *(f"general {name}" for name in GENERAL)],
)


def farthest_match(found: Tensor, expected: Tensor) -> float:
    """Largest distance to the partner when complex numbers are paired one to one, nearest first."""
    worst, left = 0.0, expected.tolist()
    for value in found.tolist():
        partner = min(left, key=lambda other: abs(other - value))
        left.remove(partner)
        worst = max(worst, abs(partner - value))
    return worst


@every_symmetric
def test_equals_the_dense_eigenvalues(make):
    shift = make()
    expected = torch.linalg.eigvalsh(shift.to_dense()).flip(-1)
    found = spectrum(shift)
    assert found.eigenvalues.dtype == torch.float64
    assert found.eigenvalues.shape == expected.shape
    assert (found.eigenvalues - expected).abs().max() <= EXACT
    assert torch.equal(found.frequencies, 1 - found.eigenvalues)


@every_general
def test_equals_the_dense_complex_eigenvalues(make):
    shift = make()
    found = spectrum(shift).eigenvalues
    assert found.dtype == torch.complex128
    assert (found.real.diff(dim=-1) <= 0).all()
    for ours, theirs in zip(found, torch.linalg.eigvals(shift.to_dense()), strict=True):
        assert farthest_match(ours, theirs) <= EXACT


@every_shift
def test_eigenvectors_solve_the_equation(make):
    shift = make()
    found = spectrum(shift, eigenvectors=True)
    vectors, dense = found.eigenvectors, shift.to_dense().to(found.eigenvectors.dtype)
    assert vectors.shape == (*found.eigenvalues.shape, found.paired.shape[-1])
    assert (dense @ vectors - vectors * found.paired.unsqueeze(-2)).abs().max() <= EXACT
    assert (vectors.norm(dim=-2) - 1).abs().max() <= EXACT


@every_symmetric
def test_eigenvectors_are_orthonormal_and_rebuild_the_shift(make):
    shift = make()
    found = spectrum(shift, eigenvectors=True)
    vectors = found.eigenvectors
    unit = torch.eye(vectors.shape[-1], dtype=torch.float64)
    assert (vectors.mT @ vectors - unit).abs().max() <= EXACT
    rebuilt = vectors * found.paired.unsqueeze(-2) @ vectors.mT
    assert (rebuilt - shift.to_dense()).abs().max() <= EXACT


@every_shift
def test_the_values_beside_the_paired_ones_are_exact_zeros(make):
    shift = make()
    found = spectrum(shift)
    nodes = shift.shape[-1]
    known = min(nodes, shift.rank) if isinstance(shift, LowRankShift) else nodes
    assert found.exact_zeros == nodes - known
    assert ((found.eigenvalues == 0).sum(dim=-1) >= found.exact_zeros).all()
    total = found.eigenvalues.sum(dim=-1)
    assert (total - found.paired.sum(dim=-1)).abs().max() <= EXACT


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("nodes", "inner"), [(60, 3), (10, 12), (200, 8)])
def test_spectrum_of_the_relu_dot_affinity_lies_in_the_unit_interval(nodes, inner, seed):
    shift = relu_dot_shift(draw(2, nodes, 2 * inner, seed=seed).relu(), "low_rank")
    values = spectrum(shift).eigenvalues
    assert values.max() <= 1 + EXACT
    assert values.min() >= -1 - EXACT


def test_a_connected_graph_has_top_eigenvalue_one_and_a_gap():
    found = spectrum(relu_dot_shift(draw(2, 50, 8).abs() + 0.1, "low_rank"))
    assert (found.eigenvalues[:, 0] - 1).abs().max() <= EXACT
    assert (spectral_gap(found) > 0.1).all()


def test_two_parts_have_no_gap():
    features = draw(1, 20, 4).abs()
    features[:, :10, [0, 2]] = 0
    features[:, 10:, [1, 3]] = 0
    found = spectrum(relu_dot_shift(features, "low_rank"))
    assert spectral_gap(found).abs().max() <= EXACT


def test_numbering_the_nodes_otherwise_changes_nothing():
    features, order = draw(2, 30, 8).relu(), torch.randperm(30)
    one = spectrum(relu_dot_shift(features, "low_rank")).eigenvalues
    other = spectrum(relu_dot_shift(features[:, order], "low_rank")).eigenvalues
    assert (one - other).abs().max() <= EXACT


def test_both_forms_agree():
    features = draw(2, 30, 8).relu()
    one, other = (spectrum(relu_dot_shift(features, form)).eigenvalues for form in ("low_rank", "dense"))
    assert (one - other).abs().max() <= EXACT


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_plain_tensor_with_rounding_counts_as_symmetric(dtype):
    matrix = draw(6, 6).to(dtype)
    matrix = matrix + matrix.mT
    matrix[0, 1] *= 1 + 2 * torch.finfo(dtype).eps
    found = spectrum(matrix)
    assert found.eigenvalues.dtype == torch.float64
    assert found.eigenvalues.shape == (1, 6)


def test_a_plain_tensor_that_is_not_symmetric_is_complex():
    matrix = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
    assert spectrum(matrix).eigenvalues[0].tolist() == pytest.approx([1j, -1j])


def test_a_shift_that_is_symmetric_on_its_range_alone_is_complex():
    left = torch.eye(4, dtype=torch.float64)[None, :, :2]
    shift = LowRankShift(left, left + torch.eye(4, dtype=torch.float64)[None, :, 2:])
    assert spectrum(shift).eigenvalues.dtype == torch.complex128
    assert spectrum(shift).eigenvalues[0].tolist() == pytest.approx([1, 1, 0, 0])


def sharp(seed: int) -> torch.Tensor:
    """A softmax graph with weights of 1e-300 beside 1, as sharp attention has them."""
    generator = torch.Generator().manual_seed(seed)
    draw = torch.randn(2, 5, 2, generator=generator, dtype=torch.float64)
    scale = 10 ** (3 * torch.rand((), generator=generator, dtype=torch.float64))
    return (scale * draw[0] @ draw[1].mT).softmax(-1)


FAILING_IN_MKL = [
    [0.484122325233727, 0.484121665537096, 0.483776222667714, 0.547979786561462],
    [2.84935243957049e-229, 2.84314297132444e-229, 1.51196064890576e-229, 2.0],
    [0.0, 0.0, 0.0, 2.0],
    [3.79854282819749e-119, 2.0, 0.0, 0.0],
]


def test_sharp_softmax_graphs_have_a_spectrum():
    """LAPACK's balancing stumbles over their smallest entries, in MKL for about 1 of 250."""
    graphs = [torch.tensor(FAILING_IN_MKL, dtype=torch.float64), *(sharp(seed) for seed in range(600))]
    for graph in graphs:
        expected = torch.from_numpy(np.linalg.eigvals(graph.numpy())).abs().sort(descending=True).values
        found = spectrum(graph)
        assert (found.eigenvalues[0].abs().sort(descending=True).values - expected).abs().max() < 1e-7
        assert spectrum(graph, eigenvectors=True).eigenvectors.isfinite().all()
        assert not math.isnan(float(eigenvector_condition(graph)))


def test_no_gradient_flows():
    features = draw(1, 12, 4).abs().requires_grad_()
    found = spectrum(relu_dot_shift(features, "low_rank"), eigenvectors=True)
    assert not found.eigenvalues.requires_grad
    assert not found.eigenvectors.requires_grad


def test_eigenvectors_only_on_request():
    assert spectrum(torch.eye(3)).eigenvectors is None


@pytest.mark.parametrize(
    ("make", "counts"),
    [
        (lambda wrong: DenseShift(wrong), "3 of the 16"),
        (lambda wrong: DiagonalShift(wrong[0]), "3 of the 4"),
        (lambda wrong: LowRankShift(wrong.unsqueeze(0)), "3 of the 16"),
        (lambda wrong: LowRankShift(torch.ones(1, 4, 4), wrong.unsqueeze(0)), "3 of the 32"),
        (lambda wrong: LowRankShift(torch.ones(1, 4, 4), core=wrong), "3 of the 32"),
    ],
    ids=["dense", "diagonal", "left", "right", "core"],
)
def test_non_finite_shifts_are_refused_with_a_count_and_a_remedy(make, counts):
    wrong = torch.ones(4, 4)
    wrong[0, :3] = torch.tensor([torch.nan, torch.inf, -torch.inf])
    with pytest.raises(ValueError, match=f"{counts} entries.*isfinite"):
        spectrum(make(wrong))


def test_what_is_no_shift_is_refused():
    with pytest.raises(TypeError, match="str"):
        spectrum("S")
    with pytest.raises(TypeError, match="float"):
        spectrum(torch.ones(3, 3, dtype=torch.int64))
    with pytest.raises(ValueError, match="square"):
        spectrum(torch.ones(3, 4))


def test_effective_rank_counts_equal_eigenvalues_and_ignores_scale():
    values = torch.zeros(2, 10).double()
    values[0, :4] = 0.3
    values[1, :1] = -0.7
    assert effective_rank(spectrum(DiagonalShift(values))).tolist() == pytest.approx([4, 1])
    assert effective_rank(spectrum(torch.zeros(3, 3))).tolist() == [0.0]
