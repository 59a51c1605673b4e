"""NaN and infinite entries of a graph are named at once, whatever solves or decomposes it."""

import pytest
import torch

from filters import ARMA, Cayley, DenseShift, DiagonalShift, Heat, Rational
from gsp_nonlocal.shifts import AttentionShift, LowRankShift
from gsp_nonlocal.spectral import spectral_density, spectrum
from tests.cases.shifts import SHIFTS

BAD = [torch.nan, torch.inf]


def spoiled(graph, value):
    """The shift with one number of its first tensor replaced."""
    first = []

    def change(part):
        if not first:
            first.append(part)
            part = part.clone(memory_format=torch.contiguous_format)
            part.view(len(part), -1)[:, 0] = value
        return part

    return SHIFTS[graph]().mapped(change)


RESOLVED = ["low-rank", "dense", "sparse", "diagonal", "attention", "hinge", "criss-cross"]
SPOILED = [(g, v) for g in RESOLVED for v in BAD if (g, v) != ("attention", torch.inf)]
"""A softmax of an infinite exponent may be finite."""


@pytest.mark.parametrize(("graph", "value"), SPOILED)
@pytest.mark.parametrize("family", [Cayley, ARMA, Rational])
def test_a_resolvent_names_them(family, graph, value):
    shift = spoiled(graph, value)
    with pytest.raises(ValueError, match=r"NaN or inf"):
        family(2, 2, order=2).double()(torch.ones(2, 12, 2, dtype=torch.float64), shift)


@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize("use", [Heat(1.0), spectrum, spectral_density])
@pytest.mark.parametrize("graph", ["low-rank", "dense", "diagonal"])
def test_what_decomposes_names_them(use, graph, value):
    shift = spoiled(graph, value)
    with pytest.raises(ValueError, match=r"NaN or inf|not finite"):
        use(torch.ones(2, 12, 2, dtype=torch.float64), shift) if isinstance(use, Heat) else use(shift)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: DenseShift(torch.eye(3)).solve(torch.ones(1, 3, 1), 1, -1), "singular"),
        (lambda: DiagonalShift(torch.ones(3)).solve(torch.ones(1, 3, 1), 1, -1), "singular"),
        (lambda: DenseShift(torch.eye(3)).solve(torch.ones(1, 3, 1), torch.inf, 1), "finite, got inf"),
        (
            lambda: DenseShift(torch.eye(3)).solve(torch.ones(1, 3, 1), 1, complex("nan")),
            r"finite, got \(nan",
        ),
        (lambda: DenseShift(torch.eye(3)) @ torch.ones(1, 4, 1), "4 nodes does not fit a shift of 3"),
        (lambda: DenseShift(torch.eye(3), spectral_bound=-1.0), "spectral_bound"),
        (lambda: DenseShift(torch.eye(3), spectral_bound=torch.nan), "spectral_bound"),
        (lambda: DenseShift(torch.ones(1, 0, 0)), "at least one node"),
        (lambda: LowRankShift(torch.ones(1, 0, 2)), "at least one node"),
        (lambda: spectrum(torch.ones(0, 3, 3)), "empty batch"),
        (lambda: spectrum(torch.ones(1, 3, 3, device="meta")), "meta device"),
        (lambda: ARMA(1, 1).response(torch.tensor([torch.nan])), "finite"),
    ],
)
def test_values(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: DenseShift(torch.eye(3)) + torch.eye(3), "shift is added to a shift, got Tensor"),
        (lambda: DenseShift(torch.eye(3), is_symmetric="yes"), "True or False"),
        (lambda: LowRankShift(None), "left factor"),
        (lambda: AttentionShift(torch.ones(1, 3, 2), [1.0]), "key must be a tensor"),
        (lambda: spectrum(torch.eye(3), k=1.5), "k must be an integer"),
        (lambda: spectral_density(torch.eye(3), probes=1.5), "probes must be an integer"),
    ],
)
def test_types(call, message):
    with pytest.raises(TypeError, match=message):
        call()


@pytest.mark.parametrize("graph", SHIFTS)
def test_a_product_has_the_greater_precision_of_the_two(graph):
    shift, z = SHIFTS[graph](), torch.ones(2, 12, 2)
    assert (shift @ z).dtype == torch.float64
    assert (shift.to(torch.float32) @ z.double()).dtype == torch.float64
    assert (shift.to(torch.float32) @ z).dtype == torch.float32
