"""Filters designed from a response, and responses drawn."""

from functools import partial

import pytest
import torch
from numpy.polynomial import chebyshev as polynomials

from filters import (
    ARMA,
    Aggregation,
    Bernstein,
    Chebyshev,
    Heat,
    Identity,
    Rational,
)
from gsp_nonlocal.interop.pyg import PyGFilter
from gsp_nonlocal.report import plot_response
from gsp_nonlocal.spectral import fit_response
from tests.cases.filters import FAMILIES as TABLE
from tests.cases.own import Clenshaw, Horner

LAM = torch.linspace(0, 2, 801, dtype=torch.float64)
FAMILIES = {
    name: partial(family, order=6)
    for name, (family, _) in TABLE.items()
    if family(1, 1, order=6).num_terms > 1
}
"""Every family with a choice: one of a single term has none."""
POLYNOMIALS = {name for name, (family, _) in TABLE.items() if family.terms is Chebyshev.terms}


def smooth_step(lam):
    return torch.sigmoid(-8 * (lam - 0.8))


@pytest.mark.parametrize("method", ["least_squares", "minimax"])
@pytest.mark.parametrize("name", FAMILIES)
def test_the_response_meets_its_target_as_reported(name, method):
    f = FAMILIES[name](3, 3).double()
    fit = fit_response(f, smooth_step, method)
    error = f.response(LAM) - smooth_step(LAM).view(-1, 1, 1) * torch.eye(3)
    assert fit.max_error == pytest.approx(float(error.abs().max()))
    assert fit.rms_error == pytest.approx(float(error.square().mean().sqrt()))
    assert fit.max_error < 0.08


@pytest.mark.parametrize("name", FAMILIES)
def test_minimax_is_never_worse_in_the_maximum_nor_better_in_the_mean(name):
    least, most = (fit_response(FAMILIES[name](1, 1).double(), smooth_step, m) for m in METHODS)
    assert most.max_error <= least.max_error * (1 + 1e-6)
    assert most.rms_error >= least.rms_error * (1 - 1e-6)


METHODS = ("least_squares", "minimax")


def test_all_polynomials_of_one_degree_find_the_same_optimum():
    makers = [
        *(FAMILIES[name] for name in sorted(POLYNOMIALS)),
        *(partial(f, order=6) for f in (Horner, Clenshaw)),
    ]
    found = [fit_response(make(1, 1).double(), smooth_step).rms_error for make in makers]
    values = smooth_step(LAM).numpy()
    fitted = polynomials.chebval(1 - LAM.numpy(), polynomials.chebfit(1 - LAM.numpy(), values, 6))
    assert found == pytest.approx([float(((fitted - values) ** 2).mean() ** 0.5)] * len(found), rel=1e-8)


def test_what_a_family_can_make_exactly_is_found_exactly():
    rational = fit_response(Rational(1, 1, order=2).double(), lambda lam: 0.09 / ((lam - 0.6) ** 2 + 0.09))
    assert rational.max_error < 1e-6
    single = fit_response(ARMA(1, 1).double(), lambda lam: 2 / (1 - 0.8 * (1 - lam)))
    assert single.max_error < 1e-6


def test_a_matrix_target_sets_every_entry():
    f = Chebyshev(2, 3, order=2).double()
    target = torch.stack([LAM**k for k in range(3)], -1).unsqueeze(1) * torch.tensor([[1.0], [-2.0]])
    assert fit_response(f, lambda lam: target).max_error < 1e-12


def test_weights_asked_to_be_non_negative_stay_so():
    f = Bernstein(1, 1, order=8, nonnegative=True)
    for method in METHODS:
        fit_response(f, lambda lam: (lam - 1) ** 2 - 0.1, method)
        assert (f.weight >= 0).all()
        assert (f.response(LAM.float()) >= -1e-6).all()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: fit_response(Heat(1.0), smooth_step), TypeError, "one family, got Heat"),
        (lambda: fit_response(Chebyshev(1, 1) + Identity(1), smooth_step), TypeError, "parts"),
        (lambda: fit_response(Chebyshev(1, 1), smooth_step, "best"), ValueError, "'best'; choose"),
        (lambda: fit_response(Chebyshev(1, 2), smooth_step), ValueError, r"\(F, 1, 2\), got \(801,\)"),
        (lambda: fit_response(Chebyshev(1, 1), lambda lam: 1 / lam), ValueError, "infinite"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_scalar_response_is_drawn_as_its_curve():
    axes = plot_response(Heat(2.0), frequencies=torch.tensor([[0.0, 0.5]]))
    curve = axes.lines[0]
    assert curve.get_ydata() == pytest.approx(torch.exp(-2 * torch.as_tensor(curve.get_xdata())).numpy())
    assert axes.get_legend().get_texts()[0].get_text() == "Heat(tau=2)"
    assert list(axes.lines[1].get_xdata()) == [0.0, 0.5]


def test_a_matrix_response_is_drawn_as_its_gains():
    f = Aggregation(3, 2)
    axes = plot_response(f, label="mine")
    mean = f.weight[0].detach().norm() / 3**0.5
    lam = torch.as_tensor(axes.lines[0].get_xdata())
    assert axes.lines[0].get_ydata() == pytest.approx((mean * (1 - lam).abs()).numpy(), rel=1e-5)
    assert len(axes.collections) == 1
    again = plot_response(Heat(1.0), axes)
    assert again is axes


def test_what_has_no_response_cannot_be_drawn():
    from torch_geometric.nn import GCNConv

    with pytest.raises(TypeError, match="no response"):
        plot_response(PyGFilter(GCNConv(2, 2)))
