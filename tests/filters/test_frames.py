"""Frames and windows by name: responses as PyGSP 0.6.1 has them, their bounds, and signals that come back."""

import warnings
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from filters import ExponentialWindow, Heat, Rectangular, SpectralFunction, Wave, WaveletFrame, frames
from gsp_nonlocal.shifts import DenseShift, SparseShift
from tests.cases.shifts import SHIFTS
from tests.cases.signals import relative, signal

PYGSP = np.load(Path(__file__).parents[1] / "data/pygsp_responses.npz")
LAM = torch.from_numpy(PYGSP["frequencies"])


class FrameCase(NamedTuple):
    """``make()`` a frame, and the bound ``A = B`` of a tight one."""

    make: Callable[[], WaveletFrame]
    bound: float | None = None


FRAMES = {
    "abspline": FrameCase(frames.abspline),
    "abspline_4": FrameCase(partial(frames.abspline, 4)),
    "half_cosine": FrameCase(frames.half_cosine, 9 / 8),
    "half_cosine_4": FrameCase(partial(frames.half_cosine, 4), 9 / 8),
    "held": FrameCase(frames.held, 1.0),
    "mexican_hat": FrameCase(frames.mexican_hats),
    "meyer": FrameCase(frames.meyer, 1.0),
    "meyer_3": FrameCase(partial(frames.meyer, 3), 1.0),
    "papadakis": FrameCase(frames.papadakis, 1.0),
    "regular": FrameCase(frames.regular, 1.0),
    "regular_0": FrameCase(partial(frames.regular, 0), 1.0),
    "regular_5": FrameCase(partial(frames.regular, 4), 1.0),
    "simoncelli": FrameCase(frames.simoncelli, 1.0),
    "simple_tight": FrameCase(frames.simple_tight, 1.0),
    "simple_tight_4": FrameCase(partial(frames.simple_tight, 4), 1.0),
}
WINDOWS = {
    "exponential_window": ExponentialWindow,
    "exponential_window_band": partial(ExponentialWindow, 0.4, 1.2, slope=2.0),
    "heat": partial(Heat, 5.0),
    "rectangular": Rectangular,
    "rectangular_band": partial(Rectangular, 0.2, 1.0),
    "wave": Wave,
    "wave_3": partial(Wave, 3.0, 0.5),
}
GRAPHS = ["low-rank", "low-rank, isolated nodes", "dense", "diagonal"]


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_is_that_of_pygsp(name):
    bands = FRAMES[name].make().bands
    found = torch.stack([band.gain(LAM) for band in bands])
    assert np.abs(found.numpy() - PYGSP[name]).max() < 1e-8


@pytest.mark.parametrize("name", WINDOWS)
def test_a_window_is_that_of_pygsp(name):
    assert np.abs(WINDOWS[name]().gain(LAM).numpy() - PYGSP[name][0]).max() < 1e-8


@pytest.mark.parametrize("name", FRAMES)
def test_slopes_are_finite_and_those_of_the_gains(name):
    """They are the gradients in the graph; at the joints of two pieces they are those of one of them."""
    inner = LAM[1:-1] + 1e-3
    for band in FRAMES[name].make().bands:
        lam = torch.cat([LAM, inner]).requires_grad_()
        slope = torch.autograd.grad(band.gain(lam).sum(), lam)[0]
        assert slope.isfinite().all()
        step = 1e-6
        expected = (band.gain(inner + step) - band.gain(inner - step)) / (2 * step)
        assert (slope[len(LAM) :] - expected).abs().max() < 1e-4 * max(1.0, expected.abs().max())


@pytest.mark.parametrize("name", FRAMES)
def test_its_bounds_are_those_of_its_squares(name):
    frame, total = FRAMES[name].make(), (PYGSP[name] ** 2).sum(0)
    lower, upper = frame.frame_bounds()
    assert 0 < lower <= total.min() * (1 + 1e-6) and total.max() * (1 - 1e-6) <= upper
    if FRAMES[name].bound is not None:
        assert abs(lower - FRAMES[name].bound) < 1e-9 and abs(upper - FRAMES[name].bound) < 1e-9


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("name", FRAMES)
def test_a_signal_comes_back(name, graph):
    frame, shift, z = FRAMES[name].make(), SHIFTS[graph](), signal()
    coefficients = frame(z, shift)
    assert coefficients.shape[2] == len(frame.bands)
    lower, upper = frame.frame_bounds()
    share = float(coefficients.norm() ** 2 / z.norm() ** 2)
    assert lower * (1 - 1e-9) <= share <= upper * (1 + 1e-9)
    assert relative(frame.reconstruct(coefficients, shift), z) < 1e-9


@pytest.mark.parametrize("graph", [*GRAPHS, "sparse"])
@pytest.mark.filterwarnings("ignore:.*approximated by a polynomial")
def test_a_frame_is_its_bands_one_by_one_with_their_gradients(graph):
    frame = frames.meyer(4)
    cotangent = torch.stack([signal(seed=seed) for seed in range(4)], dim=2)
    found, gradients = [], []
    for filtered in (frame, lambda z, s: torch.stack([band(z, s) for band in frame.bands], dim=2)):
        z, leaves = signal().requires_grad_(), []

        def leaf(part, leaves=leaves):
            leaves.append(part.detach().requires_grad_())
            return leaves[-1]

        shift = SHIFTS[graph]().mapped(leaf)
        y = filtered(z, shift)
        found.append(y)
        gradients.append(torch.autograd.grad(y, [z, *leaves], cotangent))
    assert relative(found[0], found[1]) < 1e-13
    for one, other in zip(*gradients, strict=True):
        assert relative(one, other) < 1e-11


def test_bands_share_products_and_eigenpairs(monkeypatch):
    frame, asked = frames.meyer(4, order=25), Counter()
    for kind, method in ((SparseShift, "__call__"), (DenseShift, "eigenpairs")):
        plain = getattr(kind, method)

        def counted(self, *arguments, plain=plain, method=method):
            asked[method] += 1
            return plain(self, *arguments)

        monkeypatch.setattr(kind, method, counted)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frame(signal(), SHIFTS["sparse"]())
    frame(signal(), SHIFTS["dense"]())
    assert asked == {"__call__": 25, "eigenpairs": 1}


class Doubled(SpectralFunction):
    """A response with a call of its own."""

    def __init__(self):
        super().__init__(lambda lam: torch.exp(-lam))

    def filter_signal(self, shift, z):
        return 2 * super().filter_signal(shift, z)


def test_a_band_with_a_call_of_its_own_or_a_hook_is_called():
    frame, shift, seen = WaveletFrame([Doubled(), Heat(1.0)]), SHIFTS["dense"](), []
    found = frame(signal(), shift)
    assert relative(found[:, :, 0], 2 * found[:, :, 1]) < 1e-12
    plain = frames.meyer(2)
    expected = plain(signal(), shift)
    plain.bands[1].register_forward_hook(lambda *call: seen.append(call))
    assert relative(plain(signal(), shift), expected) < 1e-12 and len(seen) == 1


def test_the_response_of_a_frame_is_that_of_its_bands():
    frame = frames.meyer(4)
    found = frame.response(LAM)
    assert found.shape == (len(LAM), 1, 4)
    assert torch.equal(found[:, 0], torch.stack([band.response(LAM)[:, 0, 0] for band in frame.bands], -1))


def test_a_frame_names_what_it_refuses():
    with pytest.raises(ValueError, match=r"WaveletFrame\(Meyer band 1 of 2, .*needs a symmetric shift"):
        frames.meyer(2)(signal(), SHIFTS["sparse, random walk"]())
    with pytest.raises(ValueError, match="does not fit the signal"):
        frames.meyer(2)(signal()[:, 1:], SHIFTS["dense"]())


def test_a_bank_of_translates():
    window = SpectralFunction(lambda lam: torch.exp(-20 * lam.square()))
    bank = frames.gabor(window, [0.0, 0.7])
    assert torch.equal(bank.bands[1].gain(LAM), window.gain(LAM - 0.7))


@pytest.mark.parametrize("time", [1.0, 4.0, 10.0])
def test_a_wave_solves_its_equation(time):
    """``f(t + 1) = 2 f(t) − f(t − 1) − ½ s² L f(t)``, with slopes that are finite at 0 too."""
    before, now, after = (Wave(t, 0.8).gain(LAM) for t in (time, time + 1, time + 2))
    assert (after - (2 * now - before - 0.5 * 0.8**2 * LAM * now)).abs().max() < 1e-12
    lam = torch.tensor([0.0, 1e-18, 1e-9, 1e-6], dtype=torch.float64, requires_grad=True)
    slope = torch.autograd.grad(Wave(time, 0.8).gain(lam).sum(), lam)[0]
    assert torch.allclose(slope, torch.full_like(slope, -(time**2) * 0.8**2 / 4), rtol=1e-4)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: frames.half_cosine(2), ValueError, "bands must be at least 3, got 2"),
        (lambda: frames.meyer(1), ValueError, "bands must be at least 2, got 1"),
        (lambda: frames.held(-1.0), ValueError, "a must be .*-1"),
        (lambda: frames.regular(-1), ValueError, "degree must be at least 0, got -1"),
        (lambda: frames.abspline(4, 0.0), ValueError, "low_pass must be"),
        (lambda: frames.gabor(Heat, [0.0]), TypeError, "response is a SpectralFunction"),
        (lambda: frames.gabor(Heat(1.0), []), ValueError, "at least one band"),
        (lambda: Rectangular(1.0, 0.5), ValueError, "low = 1 is above high = 0.5"),
        (lambda: Rectangular(float("nan")), ValueError, "low must be finite"),
        (lambda: ExponentialWindow(slope=0.0), ValueError, "slope must be"),
        (lambda: Wave(speed=2.0), ValueError, "speed must be below 2, got 2"),
        (lambda: Wave(time=-1.0), ValueError, "time must be"),
    ],
)
def test_bad_input_is_named(make, error, message):
    with pytest.raises(error, match=message):
        make()
