"""Filters of graph networks by name have the responses of the papers; polynomials begin as asked."""

import math

import pytest
import torch

from filters import Cayley, Chebyshev, Heat, Monomial, banks
from filters.starts import coefficients, start
from tests.cases.shifts import SHIFTS
from tests.cases.signals import IN, OUT, relative, signal

LAM = torch.linspace(0, 2, 33, dtype=torch.float64)
MU = 1 - LAM
BANKS = {
    "fagcn": (lambda i, o: banks.fagcn(i, o, 3, 0.2), [(0.2 + MU) ** 3, (0.2 - MU) ** 3]),
    "g2cn": (
        lambda i, o: banks.g2cn(i, o, 1.5, (0.2, 1.9)),
        [torch.exp(-1.5 * (LAM - 0.2) ** 2), torch.exp(-1.5 * (LAM - 1.9) ** 2)],
    ),
    "gnn_lf": (
        lambda i, o: banks.gnn_lf(i, o, 0.7, 0.2),
        [(0.7 + 0.3 * MU) / (0.7 + 5 - 1 + (2 - 0.7 - 5) * MU)],
    ),
    "gnn_hf": (
        lambda i, o: banks.gnn_hf(i, o, 1.5, 0.25),
        [(1 + 1.5 * LAM) / (1.5 + 4 + (1 - 1.5 - 4) * MU)],
    ),
    "acm": (lambda i, o: banks.acm(i, o, 2), [MU**2, LAM**2, torch.ones_like(MU)]),
    "figure": (
        lambda i, o: banks.figure(i, o, 2),
        [torch.ones_like(MU), MU, MU**2]
        + [torch.cos(k * torch.arccos(MU)) for k in range(3)]
        + [math.comb(2, k) * (1 - LAM / 2) ** (2 - k) * (LAM / 2) ** k for k in range(3)],
    ),
}
"""By name: how it is made, and the responses of the paper, one for each ``W``."""


def weights(f):
    return torch.cat([p for name, p in f.named_parameters() if name.endswith("weight")])


@pytest.mark.parametrize("name", BANKS)
def test_responses_are_those_of_the_papers(name):
    make, gains = BANKS[name]
    f = make(IN, OUT).double()
    expected = torch.einsum("kf,kio->fio", torch.stack(gains), weights(f))
    assert relative(f.response(LAM), expected) < 1e-12


@pytest.mark.parametrize("graph", ["low-rank", "dense", "sparse", "diagonal"])
@pytest.mark.parametrize("name", BANKS)
def test_every_kind_of_graph_gives_what_its_matrix_gives(name, graph):
    f, shift, z = BANKS[name][0](IN, OUT).double(), SHIFTS[graph](), signal()
    mu, basis = torch.linalg.eigh(shift.to_dense())
    gains = f.response(1 - mu.flatten()).unflatten(0, mu.shape)
    basis, gains = (one.expand(len(z), *one.shape[1:]) for one in (basis, gains))
    spectral = torch.einsum("bne,beio,bmi,bme->bno", basis, gains, z, basis)
    assert relative(f(z, shift), spectral) < 1e-9


def test_a_bank_of_ones_own_learns_each_weight():
    f = banks.bank(2, 3, [Heat(1.0), Heat(3.0)]).double()
    assert weights(f).shape == (2, 2, 3)
    z = torch.randn(1, 33, 2, dtype=torch.float64)
    f(z, torch.diag(MU)).sum().backward()
    assert all(p.grad.abs().max() > 0 for p in f.parameters())


THETA = {
    ("appr", 0.1): lambda k: 0.1 * 0.9**k,
    ("nappr", -0.5): lambda k: (-0.5) ** k / (1 + 0.5 + 0.25 + 0.125),
    ("hk", 2.0): lambda k: math.exp(-2) * 2**k / math.factorial(k),
    ("gaussian", 2.0): lambda k: 2**k / math.factorial(k),
    ("mono", 0.4): lambda k: 0.4 if k == 0 else 0.2,
    ("log", 1.5): lambda k: min(1.0, math.log(1.5 / (k + 1) + 1)),
    ("inverse", 3.0): lambda k: 3 / (k + 1),
    ("impulse", -2.0): lambda k: -2.0 if k == 3 else 0.0,
    ("ones", 0.5): lambda k: 0.5,
}


@pytest.mark.parametrize(("scheme", "p"), THETA)
def test_a_start_weighs_one_matrix(scheme, p):
    expected = [THETA[scheme, p](k) for k in range(4)]
    assert coefficients(scheme, 3, p) == pytest.approx(expected, rel=1e-12)
    for family in (Monomial, Chebyshev):
        f = start(family(IN, OUT, order=3, dtype=torch.float64), scheme, p)
        first = next(w / t for w, t in zip(f.weight, expected, strict=True) if t)
        outer = torch.tensor(expected, dtype=torch.float64).view(-1, 1, 1) * first
        assert relative(f.weight, outer) < 1e-12
        assert f.weight.requires_grad


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: banks.bank(2, 2, []), "at least one response, got none"),
        (lambda: banks.fagcn(2, 2, epsilon=1.5), r"epsilon must be in \[0, 1\], got 1.5"),
        (lambda: banks.g2cn(2, 2, sharpness=0.0), "sharpness.*positive.*0.0"),
        (lambda: banks.g2cn(2, 2, centres=(0.0, 3.0)), r"centre must be in \[0, 2\], got 3"),
        (lambda: banks.g2cn(2, 2, centres=()), "at least one response"),
        (lambda: banks.gnn_lf(2, 2, mu=0.2), r"mu must be in \[0.5, 0.999\], got 0.2"),
        (lambda: banks.gnn_hf(2, 2, alpha=0.0), r"alpha must be in \[0.001, 0.999\], got 0"),
        (lambda: banks.acm(2, 2, order=0), "order must be at least 1"),
        (lambda: coefficients("ppr", 3), "unknown scheme 'ppr'; choose one of: appr"),
        (lambda: coefficients("hk", 3, -1.0), r"'hk' must be in .*, got -1"),
        (lambda: coefficients("appr", 3, float("nan")), "p must be finite|p must be"),
    ],
)
def test_bad_settings_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_filter_without_a_weight_for_each_polynomial_has_no_scheme():
    with pytest.raises(ValueError, match=r"Cayley of order 2 has 5 weights.*Monomial"):
        start(Cayley(2, 2, order=2), "ones")
