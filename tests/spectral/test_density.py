"""Distributions over frequency: of eigenvalues against LAPACK's, of a signal against its transform."""

import pytest
import torch
from scipy.stats import wasserstein_distance
from torch import Tensor

from gsp_nonlocal.affinity import relu_dot_shift
from gsp_nonlocal.affinity.normalization import normalise_exponential
from gsp_nonlocal.shifts import AttentionShift, DenseShift, DiagonalShift, ExponentialShift, ShiftOperator
from gsp_nonlocal.spectral import dirichlet_energy, signal_density, spectral_density, symmetric_part
from gsp_nonlocal.spectral.density import Density, lanczos_quadrature
from tests.cases.shifts import SHIFTS
from tests.cases.signals import signal

every_shift = pytest.mark.parametrize("make", SHIFTS.values(), ids=SHIFTS.keys())


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def frequencies(shift: ShiftOperator) -> Tensor:
    matrix = shift.to_dense()
    return 1 - torch.linalg.eigvalsh(0.5 * (matrix + matrix.mT))


def distance(one: Density, frequencies: Tensor, weights: Tensor | None = None, graph: int = 0) -> float:
    own = one.weights[graph] if weights is None else weights[graph]
    return wasserstein_distance(
        one.frequencies[graph], frequencies[graph], one.weights[graph], None if weights is None else own
    )


@every_shift
def test_the_symmetric_part_is_that_of_the_matrix(make):
    shift = make()
    part, matrix = symmetric_part(shift), shift.to_dense()
    assert part.is_symmetric
    torch.testing.assert_close(part.to_dense(), 0.5 * (matrix + matrix.mT))
    torch.testing.assert_close(part @ signal(), 0.5 * (matrix + matrix.mT) @ signal())


@every_shift
def test_few_nodes_give_the_exact_moments(make):
    """As many steps as nodes: the quadrature of each vector is exact for every polynomial."""
    shift = symmetric_part(make())
    start = signal(3)[: shift.shape[0]]
    nodes, weights = lanczos_quadrature(shift, start, 100)
    unit = start / start.norm(dim=1, keepdim=True)
    for power in range(6):
        wanted = (unit * (torch.linalg.matrix_power(shift.to_dense(), power) @ unit)).sum(1)
        torch.testing.assert_close((weights * nodes**power).sum(-1), wanted, atol=1e-10, rtol=1e-9)


LARGE = {
    "attention, symmetric": lambda q: normalise_exponential(q, q, "average", "symmetric"),
    "attention, symmetric part": lambda q: symmetric_part(AttentionShift(q, q.roll(1, -1))),
    "sharp attention": lambda q: symmetric_part(AttentionShift(4 * q, 4 * q)),
    "random symmetric": lambda q: symmetric_part(DenseShift(draw(1, q.shape[1], q.shape[1]) / 64)),
}


@pytest.mark.parametrize("make", LARGE.values(), ids=LARGE.keys())
def test_the_density_is_close_to_the_exact_histogram(make):
    shift = make(draw(1, 700, 4))
    assert distance(spectral_density(shift), frequencies(shift)) < 0.02


def test_factors_and_diagonals_are_exact():
    shift = relu_dot_shift(draw(2, 400, 12).relu(), "low_rank")
    assert distance(spectral_density(shift), frequencies(shift), graph=1) < 1e-9
    values = torch.linspace(-1, 1, 50, dtype=torch.float64)
    assert distance(spectral_density(DiagonalShift(values)), (1 - values).unsqueeze(0)) < 1e-9


def test_the_seed_alone_decides():
    shift = symmetric_part(AttentionShift(draw(1, 90, 3), draw(1, 90, 3, seed=1)))
    one, same, other = (spectral_density(shift, probes=2, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one.frequencies, same.frequencies)
    assert not torch.equal(one.frequencies, other.frequencies)


def test_no_matrix_is_formed_of_a_large_graph(monkeypatch):
    monkeypatch.setattr(AttentionShift, "to_dense", lambda self: pytest.fail("the matrix was formed"))
    shift = symmetric_part(AttentionShift(draw(1, 2000, 2).float(), draw(1, 2000, 2).float()))
    found = spectral_density(shift, probes=2, steps=8)
    assert found.weights.sum().item() == pytest.approx(1)
    signal_density(draw(1, 2000, 3).float(), shift, steps=4, max_nodes=10)


@every_shift
@pytest.mark.parametrize("max_nodes", [1024, 1])
def test_the_mean_of_a_signals_density_is_its_dirichlet_energy(make, max_nodes):
    shift, z = make(), signal()
    z = z[: shift.shape[0]] if shift.shape[0] > 1 else z[:1]
    found = signal_density(z, shift, max_nodes=max_nodes)
    torch.testing.assert_close(found.weights.sum(-1), torch.ones(len(z), dtype=torch.float64))
    assert (found.weights >= 0).all()
    torch.testing.assert_close(found.mean, dirichlet_energy(z, shift).double())


@pytest.mark.parametrize("channels", [3, 16])
def test_a_signals_density_is_its_energy_by_eigenvectors(channels):
    shift, z = AttentionShift(draw(1, 60, 3), draw(1, 60, 3, seed=1)), draw(1, 60, channels, seed=2)
    matrix = shift.to_dense()
    values, vectors = torch.linalg.eigh(0.5 * (matrix + matrix.mT))
    energy = (vectors.mT @ z).square().sum(-1) / z.square().sum()
    for max_nodes in (100, 10):
        assert distance(signal_density(z, shift, max_nodes=max_nodes), 1 - values, energy) < 1e-9


def test_many_channels_are_mixed_without_bias():
    shift, z = AttentionShift(draw(1, 80, 3), draw(1, 80, 3, seed=1)), draw(1, 80, 300, seed=2)
    exact, mixed = (signal_density(z, shift, max_nodes=nodes) for nodes in (100, 10))
    assert (
        wasserstein_distance(exact.frequencies[0], mixed.frequencies[0], exact.weights[0], mixed.weights[0])
        < 0.05
    )


def test_what_low_rank_factors_do_not_reach_lies_at_one():
    shift = relu_dot_shift(draw(1, 50, 4).relu(), "low_rank")
    found = signal_density(draw(1, 50, 2), shift, max_nodes=1)
    assert found.weights.sum().item() == pytest.approx(1)
    assert found.histogram(torch.tensor([0, 0.999999, 1.000001, 2]))[0, 1] > 0.5


def test_a_zero_signal_has_no_energy():
    shift = AttentionShift(draw(1, 30, 2), draw(1, 30, 2))
    for max_nodes in (100, 1):
        assert signal_density(torch.zeros(1, 30, 2), shift, max_nodes=max_nodes).weights.abs().sum() == 0


def test_a_histogram_keeps_all_weight():
    found = Density(torch.tensor([[-0.5, 0.2, 1.0, 2.0, 3.0]]).double(), torch.full((1, 5), 0.2).double())
    assert found.histogram(torch.tensor([0.0, 0.5, 1.0, 2.0]))[0].tolist() == pytest.approx([0.4, 0.0, 0.6])


NAN = torch.eye(3).double().index_fill(0, torch.tensor([1]), torch.nan)
OVERFLOWING = ExponentialShift(torch.full((1, 3, 1), 1e4), torch.full((1, 3, 1), 1e4), is_symmetric=True)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: spectral_density(torch.tensor([[0.0, 1.0], [0.0, 0.0]])), "symmetric_part"),
        (lambda: spectral_density(torch.eye(3), probes=0), "probes must be at least 1, got 0"),
        (lambda: spectral_density(NAN), "3 of the 9 entries"),
        (lambda: spectral_density(OVERFLOWING), "products of the shift in torch.float32 are NaN or infinite"),
        (lambda: signal_density(torch.ones(1, 4, 1), torch.eye(3)), "does not fit a shift of 3 nodes"),
        (lambda: signal_density(torch.full((1, 3, 1), torch.nan), torch.eye(3)), "3 of 3 values"),
        (lambda: signal_density(torch.ones(1, 3, 1), NAN), "3 of the 9 entries"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
