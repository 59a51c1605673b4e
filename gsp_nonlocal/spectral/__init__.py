"""Spectra of graphs, signals by frequency, responses, attention maps, single numbers: mathematics only.

=======================================  ====================================================================
name                                     is
=======================================  ====================================================================
``spectrum(shift, k)``                   eigenvalues at any size: from factors, the matrix, or products
``spectral_density(shift)``              the whole spectrum of a symmetric shift as a distribution
``attention_map``, ``attention_rows``    rows of ``S``, without ``S``
``symmetric_part(shift)``                ``½ (S + Sᵀ)``, whose frequencies are real
``signal_density(z, shift)``             where in frequency the energy of a signal lies
``gft(z, found)``, ``igft``              a signal by frequency, and back
``measures``                             single numbers of eigenvalues, matrix, rows and signals
``stable_penalty(shift)``                ``‖S² − S‖_F``: how far the graph is from the stable hypothesis
``block_response(block)``                ``H(λ)`` of a trained block
``fit_response(filter, target)``         a filter designed from the response it should have
=======================================  ====================================================================

What a model's forward pass shows is in :mod:`gsp_nonlocal.probe`, its numbers are in
:mod:`gsp_nonlocal.analysis`, figures and pages in :mod:`gsp_nonlocal.report`. Their names were here once and
are still found, with a ``DeprecationWarning``.
"""

import warnings
from importlib import import_module

from gsp_nonlocal.shifts.structure import symmetric_part
from gsp_nonlocal.spectral.density import Density, signal_density, spectral_density
from gsp_nonlocal.spectral.design import Fit, fit_response
from gsp_nonlocal.spectral.fourier import gft, igft
from gsp_nonlocal.spectral.layout import Layout
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
from gsp_nonlocal.spectral.response import Response, block_response
from gsp_nonlocal.spectral.shift_rows import attention_map, attention_rows
from gsp_nonlocal.spectral.spectrum import Spectrum, spectrum
from gsp_nonlocal.spectral.stability import stable_penalty

__all__ = [
    "Density",
    "Fit",
    "Layout",
    "Response",
    "Spectrum",
    "asymmetry",
    "attention_map",
    "attention_rows",
    "block_response",
    "departure_from_normality",
    "dirichlet_energy",
    "distance_to_rank_one",
    "effective_rank",
    "eigenvector_condition",
    "fit_response",
    "gft",
    "igft",
    "row_agreement",
    "row_distance",
    "row_entropy",
    "signal_density",
    "spectral_density",
    "spectral_entropy",
    "spectral_gap",
    "spectrum",
    "stable_penalty",
    "symmetric_part",
    "total_variation",
]

_MOVED = {
    "NotAGraphError": "probe",
    "SpectralProbe": "probe",
    "Trace": "probe",
    "register_reader": "probe",
    "Limits": "analysis",
    "Snapshot": "analysis",
    "snapshot": "analysis",
    "Analysis": "report",
    "analyze": "report",
    "plot_response": "report",
    "write_analyses": "report",
}
"""Names that were here, and their package: old imports go on working, and nothing of ours uses them."""


def __getattr__(name: str) -> object:
    if name not in _MOVED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = f"gsp_nonlocal.{_MOVED[name]}"
    warnings.warn(f"{name} has moved to {home}", DeprecationWarning, stacklevel=2)
    return getattr(import_module(home), name)
