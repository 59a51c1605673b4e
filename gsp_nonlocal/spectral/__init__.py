"""Spectra of affinities, responses of trained blocks, attention maps, and the report of all three.

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
``block_response(block)``                ``H(λ)`` of a trained block
``SpectralProbe(model)``                 every block's and attention's graph and signal in a forward pass
``register_reader(kind, reader)``        lets the probe know another kind of module
``snapshot(model, images)``              all numbers of all blocks, for a training to log
``analyze(model, images).write(path)``   the same with figures, tables and an interactive page
``fit_response(filter, target)``         a filter designed from the response it should have
``plot_response(filter)``                a response, drawn
=======================================  ====================================================================

``analyze`` and ``plot_response`` need the extra ``report`` (matplotlib, jinja2), at their first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from gsp_nonlocal.extras import naming_extra
from gsp_nonlocal.spectral.analysis.record import Snapshot
from gsp_nonlocal.spectral.analysis.snapshot import Limits, snapshot
from gsp_nonlocal.spectral.attention import attention_map, attention_rows
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
from gsp_nonlocal.spectral.probe import SpectralProbe
from gsp_nonlocal.spectral.probe import foreign_readers as _foreign_readers  # noqa: F401  (they register themselves)
from gsp_nonlocal.spectral.probe.readers import NotAGraphError, register_reader
from gsp_nonlocal.spectral.probe.trace import Trace
from gsp_nonlocal.spectral.response import Response, block_response
from gsp_nonlocal.spectral.spectrum import Spectrum, spectrum
from gsp_nonlocal.spectral.symmetric import symmetric_part

if TYPE_CHECKING:
    from gsp_nonlocal.spectral.report.report import Analysis, analyze, write_analyses
    from gsp_nonlocal.spectral.response_plot import plot_response

__all__ = [
    "Analysis",
    "Density",
    "Fit",
    "Layout",
    "Limits",
    "NotAGraphError",
    "Response",
    "Snapshot",
    "SpectralProbe",
    "Spectrum",
    "Trace",
    "analyze",
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
    "plot_response",
    "register_reader",
    "row_agreement",
    "row_distance",
    "row_entropy",
    "signal_density",
    "snapshot",
    "spectral_density",
    "spectral_entropy",
    "spectral_gap",
    "spectrum",
    "symmetric_part",
    "total_variation",
    "write_analyses",
]


_WITH_MATPLOTLIB = {
    "plot_response": "response_plot",
    "Analysis": "report.report",
    "analyze": "report.report",
    "write_analyses": "report.report",
}


def __getattr__(name: str) -> object:
    if name in _WITH_MATPLOTLIB:
        with naming_extra():
            return getattr(import_module(f"gsp_nonlocal.spectral.{_WITH_MATPLOTLIB[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
