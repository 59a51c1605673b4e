"""Spectra of affinities, responses of trained blocks, attention maps, and the report of all three.

=================================  ==========================================================
name                               is
=================================  ==========================================================
``spectrum(shift)``                eigenvalues, and eigenvectors on request, exact from factors
``attention_map(shift, node)``     one row of ``S``, without ``S``
``block_response(block)``          ``H(λ)`` of a trained block
``block_shifts(model, x)``         every nonlocal block's input and graph in a forward pass
``dirichlet_energy``, ``effective_rank``, ``spectral_gap``   measures
``fit_response(filter, target)``    a filter designed from the response it should have
``plot_response(filter)``          a response, drawn
``write_report(model, x, path)``   all of it on one self-contained HTML page
=================================  ==========================================================

``plot_response`` and ``write_report`` need the extra ``report`` (matplotlib and jinja2), and are imported at
first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from gsp_nonlocal.spectral.attention import attention_map
from gsp_nonlocal.spectral.design import Fit, fit_response
from gsp_nonlocal.spectral.measures import dirichlet_energy, effective_rank, spectral_gap
from gsp_nonlocal.spectral.response import Response, block_response
from gsp_nonlocal.spectral.spectrum import Spectrum, spectrum
from gsp_nonlocal.spectral.trace import BlockTrace, block_shifts

if TYPE_CHECKING:
    from gsp_nonlocal.spectral.report import write_report
    from gsp_nonlocal.spectral.response_plot import plot_response

__all__ = [
    "BlockTrace",
    "Fit",
    "Response",
    "Spectrum",
    "attention_map",
    "block_response",
    "block_shifts",
    "dirichlet_energy",
    "effective_rank",
    "fit_response",
    "plot_response",
    "spectral_gap",
    "spectrum",
    "write_report",
]


_WITH_MATPLOTLIB = {"plot_response": "response_plot", "write_report": "report"}


def __getattr__(name: str) -> object:
    if name in _WITH_MATPLOTLIB:
        return getattr(import_module(f"gsp_nonlocal.spectral.{_WITH_MATPLOTLIB[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
