"""Each measure against a plain oracle, its bounds, its invariances, and known values."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from scipy.linalg import null_space

from gsp_nonlocal.shifts import AttentionShift, DenseShift, LowRankShift, ShiftOperator, scaled
from gsp_nonlocal.spectral import Layout, Spectrum, attention_rows, measures, spectrum
from gsp_nonlocal.spectral.measures import (
    asymmetry,
    departure_from_normality,
    dirichlet_energy,
    distance_to_rank_one,
    effective_rank,
    eigenvector_condition,
    row_agreement,
    row_distance,
    row_entropy,
    spectral_entropy,
    spectral_gap,
    total_variation,
)
from tests.cases.shifts import SHIFTS
from tests.cases.signals import GRID, embeddings, features, signal

EXACT = 1e-10


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def rotation(nodes: int, seed: int = 0) -> torch.Tensor:
    return torch.linalg.qr(draw(nodes, nodes, seed=seed)).Q


def cycle(nodes: int) -> torch.Tensor:
    return torch.eye(nodes, dtype=torch.float64).roll(1, 0)


def jordan(nodes: int, mu: float = 0.0) -> torch.Tensor:
    return mu * torch.eye(nodes, dtype=torch.float64) + torch.diag(torch.ones(nodes - 1).double(), 1)


def attention() -> torch.Tensor:
    return AttentionShift(*embeddings()).to_dense()


ADVERSARIAL = {
    "zero": lambda: DenseShift(torch.zeros(2, 6, 6, dtype=torch.float64)),
    "zero factors": lambda: LowRankShift(torch.zeros(1, 7, 2, dtype=torch.float64)),
    "identity": lambda: DenseShift(torch.eye(6, dtype=torch.float64)),
    "rank one": lambda: LowRankShift(draw(2, 9, 1), draw(2, 9, 1, seed=1)),
    "nilpotent": lambda: DenseShift(jordan(6)),
    "cycle": lambda: DenseShift(cycle(7)),
    "two cycles": lambda: DenseShift(torch.block_diag(cycle(4), cycle(4))),
    "skew": lambda: DenseShift(draw(5, 5) - draw(5, 5).mT),
    "two components": lambda: DenseShift(torch.block_diag(*attention())),
    "one node": lambda: DenseShift(torch.tensor([[0.3]], dtype=torch.float64)),
    "two nodes": lambda: DenseShift(torch.eye(2, dtype=torch.float64)),
    "large": lambda: DenseShift(1e6 * attention()),
    "tiny": lambda: DenseShift(1e-6 * attention()),
}
ALL = {**SHIFTS, **ADVERSARIAL}
DEFECTIVE = {"hinge", "nilpotent"}
"""Their eigenvalues change by much more than rounding where rounding changes the matrix."""


def matrix_of(name: str) -> torch.Tensor:
    return ALL[name]().to_dense().detach()


every_shift = pytest.mark.parametrize("name", ALL)


def of_spectrum(measure, shift: ShiftOperator) -> torch.Tensor:
    return measure(spectrum(shift))


NORMALITY = {
    "departure_from_normality": departure_from_normality,
    "eigenvector_condition": eigenvector_condition,
    "asymmetry": asymmetry,
    "distance_to_rank_one": distance_to_rank_one,
}
EIGENVALUES = {
    "spectral_gap": partial(of_spectrum, spectral_gap),
    "absolute gap": partial(of_spectrum, partial(spectral_gap, absolute=True)),
    "effective_rank": partial(of_spectrum, effective_rank),
    "spectral_entropy": partial(of_spectrum, spectral_entropy),
}
ROWS = {"row_entropy": lambda shift: row_entropy(shift).mean(-1), "row_agreement": row_agreement}
MEASURES = {**NORMALITY, **EIGENVALUES, **ROWS}
GAPS = {"spectral_gap", "absolute gap"}
INVARIANT = {
    "rotation": {*NORMALITY, *EIGENVALUES},
    "permutation": set(MEASURES),
    "scale": set(MEASURES) - GAPS,
    "transposition": {*NORMALITY, *EIGENVALUES} - {"eigenvector_condition"},
}


def changed(dense: torch.Tensor, how: str) -> torch.Tensor:
    nodes = dense.shape[-1]
    order = torch.randperm(nodes, generator=torch.Generator().manual_seed(0))
    turn = rotation(nodes)
    return {
        "rotation": lambda: turn @ dense @ turn.mT,
        "permutation": lambda: dense[:, order][:, :, order],
        "scale": lambda: -2.5e3 * dense,
        "transposition": lambda: dense.mT,
    }[how]()


@pytest.mark.parametrize(
    ("how", "measure"), [(how, m) for how, names in INVARIANT.items() for m in sorted(names)]
)
def test_what_does_not_change_a_measure(how, measure):
    """Of all shifts of the table; those with a defective eigenvalue where the measure does not read it."""
    for name, make in ALL.items():
        fragile = name in DEFECTIVE and measure in {*EIGENVALUES, "departure_from_normality"}
        if fragile and how == "rotation":
            continue
        dense = make().to_dense().detach()
        one, other = MEASURES[measure](dense), MEASURES[measure](changed(dense, how))
        torch.testing.assert_close(
            other, one, rtol=1e-8, atol=1e-8, msg=lambda said, name=name: f"{name}: {said}"
        )


def test_the_condition_of_the_transpose_is_another():
    shift = SHIFTS["attention"]()
    assert (eigenvector_condition(shift) - eigenvector_condition(shift.T)).abs().min() > 1


def test_a_gap_grows_with_the_shift():
    for measure in GAPS:
        one, other = (MEASURES[measure](factor * attention()) for factor in (1.0, 40.0))
        torch.testing.assert_close(other, 40 * one)


@every_shift
@pytest.mark.parametrize("measure", MEASURES)
def test_any_shift_is_measured_as_its_matrix_and_graph_by_graph(measure, name):
    shift, measured = ALL[name](), MEASURES[measure]
    found = measured(shift)
    assert found.dtype == torch.float64
    assert found.shape == shift.shape[:1]
    rough = 1e-4 if name in DEFECTIVE else EXACT
    torch.testing.assert_close(measured(shift.to_dense()), found, rtol=rough, atol=rough)
    alone = torch.cat([measured(shift.graph(index)) for index in range(shift.shape[0])])
    torch.testing.assert_close(alone, found, rtol=EXACT, atol=EXACT)


UPPER = {
    "departure_from_normality": lambda n: 1.0,
    "eigenvector_condition": lambda n: math.inf,
    "asymmetry": lambda n: 1.0,
    "distance_to_rank_one": lambda n: math.sqrt(1 - 1 / n),
    "effective_rank": lambda n: n,
    "spectral_entropy": lambda n: 1.0,
    "row_entropy": lambda n: 1.0,
    "row_agreement": lambda n: 1.0,
}


@every_shift
@pytest.mark.parametrize("measure", UPPER)
def test_bounds(measure, name):
    shift = ALL[name]()
    found = MEASURES[measure](shift)
    least = 1.0 if measure == "eigenvector_condition" else 0.0
    assert not found.isnan().any()
    assert (found >= least).all()
    assert (found <= UPPER[measure](shift.shape[-1]) + 1e-12).all()


KNOWN = {  # departure, condition, asymmetry, distance; gap, absolute gap, rank, entropy; rows
    "zero": (0, 1, 0, 0, 0, 0, 0, 0, 0, 0),
    "zero factors": (0, 1, 0, 0, 0, 0, 0, 0, 0, 0),
    "identity": (0, 1, 0, math.sqrt(5 / 6), 0, 0, 6, 1, 0, 1 / 6),
    "nilpotent": (1, math.inf, math.sqrt(0.5), math.sqrt(4 / 5), 0, 0, 0, 0, 0, 1 / 5),
    "cycle": (0, 1, math.sqrt(0.5), math.sqrt(6 / 7), 1 - math.cos(2 * math.pi / 7), 0, 7, 1, 0, 1 / 7),
    "two cycles": (0, 1, math.sqrt(0.5), math.sqrt(7 / 8), 0, 0, 8, 1, 0, 1 / 8),
    "one node": (0, 1, 0, 0, 0, 0, 1, 0, 0, 1),
    "two nodes": (0, 1, 0, math.sqrt(0.5), 0, 0, 2, 1, 0, 0.5),
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_values(name):
    found = [measure(ADVERSARIAL[name]())[0].item() for measure in MEASURES.values()]
    assert found == pytest.approx(KNOWN[name], abs=1e-12)


# Normality


@every_shift
def test_departure_and_eigenvalues_make_up_the_norm(name):
    dense = matrix_of(name)
    size = dense.norm(dim=(1, 2))
    total = torch.from_numpy(np.abs(np.linalg.eigvals(dense.numpy())) ** 2).sum(-1)
    whole = total / size.square().clamp_min(1e-300) + departure_from_normality(dense).square()
    expected = (size > 0).double()
    torch.testing.assert_close(whole, expected, rtol=0, atol=1e-8 if name in DEFECTIVE else 1e-12)


@pytest.mark.parametrize("small", [1.0, 1e-6, 1e-12])
def test_a_small_departure_keeps_its_digits(small):
    """The difference ``‖S‖² − Σ|μ|²`` would lose all digits below ``10⁻⁸``."""
    turn = rotation(6)
    matrix = torch.diag(torch.arange(1.0, 7).double())
    matrix[0, 5] = small
    expected = small / matrix.norm()
    found = departure_from_normality(turn @ matrix @ turn.mT)[0]
    assert abs(found / expected - 1) <= 1e-15 / expected + 1e-12


def expected_condition(matrix: np.ndarray) -> float:
    if np.linalg.norm(matrix @ matrix.T - matrix.T @ matrix) <= 1e-12 * np.linalg.norm(matrix) ** 2:
        return 1.0
    null = null_space(matrix, rcond=1e-10)
    values, vectors = np.linalg.eig(matrix)
    kept = np.argsort(-np.abs(values))[: len(matrix) - null.shape[1]]
    if np.linalg.matrix_rank(matrix @ matrix, 1e-10 * np.linalg.norm(matrix) ** 2) < len(kept):
        return math.inf
    return float(np.linalg.cond(np.hstack([vectors[:, kept], null])))


@pytest.mark.parametrize("name", [name for name in ALL if name != "two components"])
def test_condition_of_simple_eigenvalues_and_a_null_space(name):
    dense = matrix_of(name)
    expected = [expected_condition(matrix) for matrix in dense.numpy()]
    assert eigenvector_condition(dense).tolist() == pytest.approx(expected, rel=1e-8)


def test_condition_of_two_components_with_one_eigenvalue_in_common():
    """The vectors of ``μ = 1`` are constant on a component each, whichever LAPACK returns."""
    vectors = torch.block_diag(*torch.linalg.eig(attention())[1])
    expected = torch.linalg.cond(vectors).item()
    turn = rotation(24)
    dense = matrix_of("two components")
    for matrix in (dense, turn @ dense @ turn.mT):
        assert eigenvector_condition(matrix).item() == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("spread", [2.0, 1e2, 1e4])
@pytest.mark.parametrize("nodes", [6, 30])
def test_condition_of_repeated_eigenvalues_takes_orthonormal_bases(nodes, spread):
    sizes = torch.logspace(0, math.log10(spread), nodes).double()
    vectors = rotation(nodes) * sizes @ rotation(nodes, seed=1)
    values = torch.tensor([1.0, 1, 1, 0.5, 0.5, *[0.0] * (nodes - 5)], dtype=torch.float64)
    matrix = vectors * values @ torch.linalg.inv(vectors)
    bases = torch.cat([torch.linalg.qr(part).Q for part in vectors.split([3, 2, nodes - 5], dim=1)], dim=1)
    assert eigenvector_condition(matrix).item() == pytest.approx(torch.linalg.cond(bases).item(), rel=1e-6)


@pytest.mark.parametrize("mu", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("size", [2, 3, 5])
@pytest.mark.parametrize("turned", [False, True])
def test_a_defective_matrix_has_no_condition(size, mu, turned):
    """A Jordan block beside simple eigenvalues; rotated, rounding splits its eigenvalue."""
    matrix = torch.block_diag(jordan(size, mu), torch.diag(torch.linspace(-1, 0.9, 8).double()))
    turn = rotation(len(matrix)) if turned else torch.eye(len(matrix), dtype=torch.float64)
    assert eigenvector_condition(turn @ matrix @ turn.mT).item() == math.inf


def test_a_normal_matrix_with_repeated_eigenvalues_has_condition_one():
    matrix = SHIFTS["low-rank"]().to_dense()
    assert (torch.linalg.cond(torch.linalg.eig(matrix)[1]) > 2).any()  # LAPACK's own basis of μ = 0
    assert eigenvector_condition(matrix).tolist() == [1, 1]
    turn = rotation(8)
    assert eigenvector_condition(turn @ ADVERSARIAL["two cycles"]().to_dense() @ turn.mT).tolist() == [1]


@every_shift
def test_asymmetry_and_distance_are_what_they_say(name):
    dense = matrix_of(name)
    for index, matrix in enumerate(dense.numpy()):
        size = max(np.linalg.norm(matrix), 1e-300)
        skew = np.linalg.norm((matrix - matrix.T) / 2) / size
        u, sizes, vt = np.linalg.svd(matrix)
        rest = np.linalg.norm(matrix - sizes[0] * np.outer(u[:, 0], vt[0])) / size
        assert asymmetry(dense)[index].item() == pytest.approx(skew, abs=1e-12)
        assert distance_to_rank_one(dense)[index].item() == pytest.approx(rest, abs=1e-12)


def test_no_rank_one_matrix_is_nearer():
    matrix = attention()[0]
    found = distance_to_rank_one(matrix).item()
    u, v = draw(500, 12, 1), draw(500, 1, 12, seed=1)
    fitted = (matrix * (u * v)).sum((1, 2), keepdim=True) / (u * v).square().sum((1, 2), keepdim=True) * u * v
    assert ((matrix - fitted).norm(dim=(1, 2)) / matrix.norm() >= found).all()


def test_asymmetry_of_a_skew_matrix_is_one():
    assert asymmetry(ADVERSARIAL["skew"]()).item() == pytest.approx(1)
    assert departure_from_normality(ADVERSARIAL["skew"]()).item() <= 1e-14


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rounding_of_the_data_type_counts_as_rounding(dtype):
    matrix = SHIFTS["exponential, symmetric"]().to_dense().to(dtype)
    matrix[:, 0, 1] *= 1 + torch.finfo(torch.float32).eps
    assert eigenvector_condition(matrix).tolist() == [1, 1]
    assert distance_to_rank_one(matrix).dtype == torch.float64


# Eigenvalues


@every_shift
def test_gaps_and_entropies_of_the_eigenvalues(name):
    found = spectrum(ALL[name]())
    for index, values in enumerate(found.eigenvalues.tolist()):
        size = [abs(value) for value in values]
        shares = [value / (sum(size) or 1.0) for value in size]
        entropy = -sum(share * math.log(share) for share in shares if share > 0)
        real, moduli = (sorted(part, reverse=True) for part in ([complex(v).real for v in values], size))
        scale = max(size[0], 1.0)
        assert spectral_gap(found)[index].item() == pytest.approx(real[0] - real[1] if len(real) > 1 else 0)
        absolute = spectral_gap(found, absolute=True)[index].item()
        assert absolute == pytest.approx(moduli[0] - moduli[1] if len(moduli) > 1 else 0, abs=1e-12 * scale)
        assert effective_rank(found)[index].item() == pytest.approx(math.exp(entropy) if sum(size) else 0)
        normalised = entropy / math.log(len(values)) if len(values) > 1 else 0
        assert spectral_entropy(found)[index].item() == pytest.approx(normalised)


@pytest.mark.parametrize("name", SHIFTS)
@pytest.mark.parametrize("absolute", [False, True])
def test_an_incomplete_spectrum_gives_the_gap_or_says_that_it_does_not_know(name, absolute):
    shift = SHIFTS[name]()
    whole = spectral_gap(spectrum(shift), absolute=absolute)
    for k in range(1, 12):
        try:
            found = spectral_gap(spectrum(shift, k=k, method="auto"), absolute=absolute)
        except ValueError as error:
            assert f"k={4 * k}" in str(error)
        else:
            torch.testing.assert_close(found, whole, rtol=1e-6, atol=1e-4 if name in DEFECTIVE else 1e-6)
    assert k == 11


def test_which_incomplete_spectra_know_the_gap():
    values = torch.tensor([[1.0, 0.2, -0.9]], dtype=torch.float64)
    spectral_gap(Spectrum(values, values, None, False), absolute=True)
    with pytest.raises(ValueError, match=r"3 eigenvalues.*k=12"):
        spectral_gap(Spectrum(values[:, [0, 2, 2]], values, None, False))
    with pytest.raises(ValueError, match="1 eigenvalues"):
        spectral_gap(Spectrum(values[:, :1], values[:, :1], None, False))


@pytest.mark.parametrize("measure", [effective_rank, spectral_entropy])
def test_an_incomplete_spectrum_has_no_entropy(measure):
    with pytest.raises(ValueError, match=r"only 3 eigenvalues.*without k"):
        measure(spectrum(attention(), k=3))


# Signals


@every_shift
def test_energy_and_variation_of_a_signal(name):
    shift = ALL[name]()
    z = draw(shift.shape[0], shift.shape[-1], 3)
    dense = shift.to_dense()
    for index, (matrix, part) in enumerate(zip(dense, z, strict=True)):
        left = part - matrix @ part
        energy = torch.trace(part.mT @ left) / torch.trace(part.mT @ part)
        variation = left.abs().sum() / part.abs().sum()
        torch.testing.assert_close(dirichlet_energy(z, shift)[index], energy)
        torch.testing.assert_close(total_variation(z, shift)[index], variation)
        assert 0 <= variation <= 1 + matrix.abs().sum(0).max()
        torch.testing.assert_close(dirichlet_energy(z, dense.mT)[index], energy)


@pytest.mark.parametrize("name", ["low-rank", "sparse", "exponential, symmetric"])
def test_an_eigenvector_has_its_frequency(name):
    found = spectrum(SHIFTS[name](), eigenvectors=True)
    for index in range(found.paired.shape[-1]):
        vector, frequency = found.eigenvectors[:, :, index : index + 1], 1 - found.paired[:, index]
        torch.testing.assert_close(dirichlet_energy(vector, SHIFTS[name]()), frequency)
        torch.testing.assert_close(total_variation(vector, SHIFTS[name]()), frequency.abs())


def test_variation_is_not_bounded_by_two_where_only_rows_sum_to_one():
    all_look_at_the_first = torch.zeros(10, 10, dtype=torch.float64)
    all_look_at_the_first[:, 0] = 1
    z = torch.eye(10, dtype=torch.float64)[None, :, :1]
    assert total_variation(z, all_look_at_the_first).item() == 9


@pytest.mark.parametrize("measure", [dirichlet_energy, total_variation])
def test_signal_measures_have_gradients_in_the_type_of_the_signal(measure):
    z = signal(2).requires_grad_()
    matrix = attention().requires_grad_()
    assert torch.autograd.gradcheck(measure, (z, matrix))
    assert measure(z.float(), matrix).dtype == torch.float32
    assert measure(torch.zeros(2, 12, 3), matrix).tolist() == [0, 0]
    torch.testing.assert_close(measure(-7 * z, matrix), measure(z, matrix))


@pytest.mark.parametrize("measure", [dirichlet_energy, total_variation])
def test_signals_that_do_not_fit_are_refused(measure):
    with pytest.raises(ValueError, match=r"\(B, 12, C\), got \(2, 7, 4\)"):
        measure(signal(nodes=7), attention())
    with pytest.raises(TypeError, match="int64"):
        measure(signal().long(), attention())


# Rows


@every_shift
def test_entropy_distance_and_agreement_of_rows(name):
    shift = ALL[name]()
    nodes = shift.shape[-1]
    layout = Layout(GRID if nodes == 12 else (nodes,))
    width = layout.spatial[-1]
    entropy, distance, agreement = row_entropy(shift), row_distance(shift, layout), row_agreement(shift)
    for index, matrix in enumerate(shift.to_dense().tolist()):
        for i, row in enumerate(matrix):
            size = sum(map(abs, row)) or 1.0
            p = [abs(entry) / size for entry in row]
            places = [divmod(j, width) for j in range(nodes)]
            expected = -sum(share * math.log(share) for share in p if share > 0) / (math.log(nodes) or 1.0)
            assert entropy[index, i].item() == pytest.approx(expected, abs=1e-9)
            mean = sum(share * math.dist(places[i], place) for share, place in zip(p, places, strict=True))
            assert distance[index, i].item() == pytest.approx(mean, abs=1e-9)
            assert 0 <= distance[index, i] <= math.dist(places[0], places[-1])
        kept = [np.array(row) / np.linalg.norm(row) for row in matrix if any(row)]
        cosines = [float(one @ other) for one in kept for other in kept]
        assert agreement[index].item() == pytest.approx(np.mean(cosines) if kept else 0.0, abs=1e-9)


def test_rows_of_a_common_pattern_agree():
    pattern = draw(1, 12).expand(12, 12) * torch.arange(12).double()[:, None]
    assert row_agreement(pattern).item() == pytest.approx(1)
    assert row_agreement(-1e-200 * pattern).item() == pytest.approx(1)


def test_a_scale_for_each_row_changes_nothing():
    shift, scale = SHIFTS["attention"](), draw(1, 12, 1).abs() + 1e-3
    other = scaled(shift, scale, torch.ones_like(scale))
    for measure in (row_entropy, partial(row_distance, layout=Layout(GRID)), row_agreement):
        torch.testing.assert_close(measure(other), measure(shift), rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize("how", ["flip", "transpose"])
def test_symmetries_of_the_grid_keep_distances(how):
    numbers = torch.arange(12).view(GRID)
    moved = numbers.flip(0) if how == "flip" else numbers.T
    order, matrix = moved.flatten(), attention()
    found = row_distance(matrix[:, order][:, :, order], Layout(tuple(moved.shape)))
    torch.testing.assert_close(found, row_distance(matrix, Layout(GRID))[:, order])


def test_extra_nodes_and_channels_are_read_from_the_layout():
    """A class token before the positions, and two channels: weights fold onto positions."""
    layout = Layout((2, 3), extra=1, channels=2)
    matrix = draw(2, 13, 13).abs()
    found = row_distance(matrix, layout)
    assert found.shape == (2, 12)
    inner = matrix[:, 1:, 1:]
    folded = inner[..., :6] + inner[..., 6:]
    for channel in (0, 1):
        expected = row_distance(folded[:, 6 * channel :][:, :6], Layout((2, 3)))
        torch.testing.assert_close(found[:, 6 * channel :][:, :6], expected)
    matrix[:, 3, 1:] = 0
    assert row_distance(matrix, layout, torch.tensor([3])).tolist() == [[0], [0]]


BY_ROW = {
    "row_entropy": row_entropy,
    "row_distance": lambda shift, nodes=None: row_distance(shift, Layout((shift.shape[-1],)), nodes),
}


@pytest.mark.parametrize("measure", BY_ROW)
def test_some_rows_are_rows_of_all(measure, monkeypatch):
    shift, nodes = SHIFTS["attention"](), torch.tensor([11, 0, 5, 5])
    whole = BY_ROW[measure](shift)
    torch.testing.assert_close(BY_ROW[measure](shift, nodes), whole[:, nodes])
    monkeypatch.setattr(measures.rows, "CHUNK", 1)
    torch.testing.assert_close(BY_ROW[measure](shift), whole)
    torch.testing.assert_close(row_agreement(shift), row_agreement(shift.to_dense()))
    assert row_agreement(shift, nodes[1:2]).tolist() == pytest.approx([1, 1])


def test_of_many_nodes_a_sample_is_taken_in_chunks(monkeypatch):
    asked, sizes = [], []

    def watched(shift, nodes):
        asked.extend(nodes.tolist())
        rows = attention_rows(shift, nodes)
        sizes.append(rows.numel())
        return rows

    monkeypatch.setattr(measures.rows, "attention_rows", watched)
    assert row_entropy(LowRankShift(torch.rand(1, 1024, 2))).shape == (1, 1024)
    asked.clear()
    shift = LowRankShift(torch.rand(2, 50_000, 2))
    assert row_distance(shift, Layout((199, 251), extra=51)).shape == (2, 256)
    assert (len(set(asked)), min(asked), max(asked)) == (256, 51, 49_999)
    assert torch.tensor(asked).diff().unique().tolist() in ([195, 196], [196])
    assert max(sizes) <= 2**20


def test_large_factors_are_never_multiplied_out(monkeypatch):
    monkeypatch.setattr(LowRankShift, "to_dense", lambda self: pytest.fail("S was formed"))
    left, right = draw(1, 30_000, 3), draw(1, 30_000, 3, seed=1)
    for measure in [*NORMALITY.values(), *ROWS.values()]:
        assert measure(LowRankShift(left, right)).isfinite().all()


@pytest.mark.parametrize("measure", NORMALITY.values(), ids=NORMALITY)
def test_matrices_beyond_the_budget_are_refused(measure):
    with pytest.raises(ValueError, match="12 nodes is beyond the budget of 11"):
        measure(attention(), max_nodes=11)


def test_no_gradient_flows():
    factor = features().requires_grad_()
    for measure in MEASURES.values():
        assert not measure(LowRankShift(factor)).requires_grad


@pytest.mark.parametrize("measure", [*NORMALITY.values(), *ROWS.values()], ids=[*NORMALITY, *ROWS])
def test_what_is_no_number_is_refused(measure):
    matrix = attention()
    matrix[0, 3, 4] = torch.nan
    with pytest.raises(ValueError, match="1 of the 288 entries"):
        measure(matrix)
    with pytest.raises(TypeError, match="str"):
        measure("S")
    with pytest.raises(ValueError, match="on the meta device"):
        measure(DenseShift(torch.eye(4, device="meta")))
    with pytest.raises(ValueError, match="empty batch"):
        measure(DenseShift(torch.ones(0, 4, 4)))


@pytest.mark.parametrize("measure", [spectral_gap, effective_rank, spectral_entropy])
@pytest.mark.parametrize("given", [DenseShift(torch.eye(4)), torch.eye(4), None])
def test_what_is_no_spectrum_is_refused(measure, given):
    with pytest.raises(TypeError, match=rf"expected a Spectrum, got {type(given).__name__}; spectrum\(shift"):
        measure(given)


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: row_entropy(attention(), torch.tensor([12])), IndexError, "not among 0 to 11"),
        (lambda: row_entropy(attention(), torch.tensor([-1])), IndexError, "not among 0 to 11"),
        (lambda: row_entropy(attention(), [0]), TypeError, "tensor of integers.*got list"),
        (lambda: row_entropy(attention(), torch.ones(12).bool()), TypeError, "got torch.bool"),
        (lambda: row_agreement(attention(), torch.tensor(3)), ValueError, r"shape \(m,\).*got \(\)"),
        (lambda: row_agreement(attention(), torch.arange(0)), ValueError, r"at least one node, got \(0,\)"),
        (lambda: row_distance(attention(), (3, 4)), TypeError, r"a Layout.*got \(3, 4\)"),
        (lambda: row_distance(attention(), Layout((3, 4), extra=1)), ValueError, "13 nodes.*graph has 12"),
        (
            lambda: row_distance(attention(), Layout((11,), extra=1), torch.tensor([4, 0])),
            ValueError,
            "below 1 are no positions.*nodes has 0",
        ),
        (
            lambda: row_entropy(LowRankShift(torch.full((1, 4, 2), 3e4).half())),
            ValueError,
            "overflow.*float64",
        ),
    ],
)
def test_rows_that_are_not_there_are_refused(call, error, said):
    with pytest.raises(error, match=said):
        call()
