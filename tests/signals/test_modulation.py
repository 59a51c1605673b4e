"""Signals by node and frequency: against atoms as they are defined, and what is known of them."""

import pytest
import torch
from torch.autograd import gradcheck

from filters import Chebyshev, Heat, Rectangular
from gsp_nonlocal import graphs
from gsp_nonlocal.shifts import LowRankShift
from gsp_nonlocal.signals import localise, modulate, windowed_gft, windowed_igft
from gsp_nonlocal.spectral import gft, spectrum
from tests.cases.shifts import SHIFTS
from tests.cases.signals import NODES, features, relative, signal
from tests.signals.made import GRAPHS, PYGSP, pygsp_shift

every = pytest.mark.parametrize("graph", GRAPHS)
WINDOW = Heat(1.5)


def found_of(graph):
    return spectrum(SHIFTS[graph](), eigenvectors=True)


@every
def test_it_is_the_product_with_atoms(graph):
    """``⟨z, M_k T_i g⟩``, each atom made by its definition."""
    shift, found, z = SHIFTS[graph](), found_of(graph), signal()
    localised = localise(WINDOW, range(NODES), shift.to_dense())
    parts = windowed_gft(z, WINDOW, found)
    known = found.paired.shape[-1]
    assert parts.shape == (2, NODES, known, z.shape[-1]) and parts.dtype == torch.float64
    for k in range(known):
        atoms = modulate(localised, k, found)
        assert relative(parts[:, :, k], atoms.mT @ z) < 1e-9


@every
def test_the_signal_comes_back_and_energies_are_known(graph):
    shift, z = SHIFTS[graph](), signal()
    found = spectrum(shift, method="dense", eigenvectors=True)
    parts = windowed_gft(z, WINDOW, found)
    assert relative(windowed_igft(parts, WINDOW, found), z) < 1e-9
    atoms = localise(WINDOW, range(NODES), shift.to_dense()).square().sum(dim=1).unsqueeze(-1)
    energy = NODES * (atoms * z.square()).sum(dim=1)
    assert relative(parts.square().sum(dim=(1, 2)), energy) < 1e-9


def test_on_a_ring_frequencies_move():
    """``cos a · cos b`` has the frequencies of ``a + b`` and ``a − b``."""
    shift = graphs.shift(graphs.ring(16, dtype=torch.float64))
    found = spectrum(shift, eigenvectors=True)
    angle = 2 * torch.pi * torch.arange(16, dtype=torch.float64) / 16
    z = torch.cos(2 * angle).view(1, 16, 1)
    moved = gft(modulate(z, 9, found), found).flatten()
    expected = {round(float(1 - torch.cos(torch.tensor(2 * torch.pi * k / 16))), 6) for k in (3, 7)}
    energies = moved.square() > 1e-12
    assert {round(float(lam), 6) for lam in found.frequencies[0][energies]} == expected
    assert torch.allclose(modulate(z, 0, found).abs(), z.abs())


def test_they_are_those_of_pygsp():
    """Localised first; signs are free."""
    found, z = spectrum(pygsp_shift(), eigenvectors=True), PYGSP["z"].view(1, 36, 1)
    parts = windowed_gft(z, Heat(3.0 / 2), found)[0, :, :9, 0]
    assert relative(parts.abs(), PYGSP["windowed"]) < 1e-8


def test_low_rank_is_dense():
    """Where eigenvectors are left out, ``g(1)`` is what the window has there."""
    shift = LowRankShift(features(rank=4) / 5)
    some = spectrum(shift, eigenvectors=True)
    whole = spectrum(shift, method="dense", eigenvectors=True)
    assert some.exact_zeros == NODES - 4
    parts, expected = (windowed_gft(signal(), WINDOW, found) for found in (some, whole))
    assert relative(parts.square(), expected[:, :, :4].square()) < 1e-8


def test_gradients_and_single_precision():
    found, z = found_of("dense"), signal(channels=2).requires_grad_()
    assert gradcheck(lambda z: modulate(z, 3, found), (z,))
    assert gradcheck(lambda z: windowed_gft(z, WINDOW, found), (z,))
    parts = windowed_gft(z.detach(), WINDOW, found).requires_grad_()
    assert gradcheck(lambda c: windowed_igft(c, WINDOW, found), (parts,))
    assert relative(modulate(z.float(), 3, found), modulate(z, 3, found)) < 1e-6
    both = torch.complex(z, 2 * z)
    assert relative(windowed_gft(both, WINDOW, found).imag, 2 * windowed_gft(z, WINDOW, found)) < 1e-12


FOUND, Z = found_of("dense"), signal()
ALL = Z.unsqueeze(2).expand(2, NODES, NODES, 4)
DIRECTED = spectrum(torch.eye(NODES).double().roll(1, 0), eigenvectors=True)
SOME = spectrum(SHIFTS["dense"](), k=3, eigenvectors=True)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: modulate(Z, NODES, FOUND), ValueError, "frequency must be from 0 to 11, .* got 12"),
        (lambda: modulate(Z, -1, FOUND), ValueError, "frequency must be at least 0"),
        (lambda: modulate(Z, 1.0, FOUND), TypeError, "frequency must be an integer"),
        (lambda: modulate(Z.long(), 1, FOUND), TypeError, "floating-point or complex"),
        (lambda: modulate(Z[:, :5], 1, FOUND), ValueError, "has shape"),
        (lambda: modulate(Z, 1, DIRECTED), ValueError, "the shift is directed.*symmetric_part"),
        (lambda: modulate(Z, 1, spectrum(SHIFTS["dense"]())), ValueError, "has no eigenvectors"),
        (lambda: modulate(Z, 1, SHIFTS["dense"]()), TypeError, "expected a Spectrum"),
        (lambda: windowed_gft(Z, WINDOW, Z), TypeError, "expected a Spectrum"),
        (lambda: windowed_gft(Z, Chebyshev(1, 1), FOUND), TypeError, "window is a SpectralFunction"),
        (lambda: windowed_gft(Z, WINDOW, SOME), ValueError, "has 3 eigenvalues that were asked for"),
        (
            lambda: windowed_igft(Z.unsqueeze(2), WINDOW, found_of("low-rank, odd rank, no core")),
            ValueError,
            "these are 5 of 12 eigenvectors",
        ),
        (lambda: windowed_igft(Z, WINDOW, FOUND), ValueError, r"coefficients have shape \(B, 12, 12, C\)"),
        (
            lambda: windowed_igft(ALL, Rectangular(0, 0.01), found_of("diagonal")),
            ValueError,
            "is 0 about node",
        ),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
