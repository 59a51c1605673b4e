"""Spectra of affinities, responses of trained blocks, attention maps, and the report of all three.

=================================  ==========================================================
name                               is
=================================  ==========================================================
``spectrum(shift)``                eigenvalues, and eigenvectors on request, exact from factors
``attention_map(shift, node)``     one row of ``S``, without ``S``
``block_response(block)``          ``H(λ)`` of a trained block
``block_shifts(model, x)``         every nonlocal block's input and graph in a forward pass
``dirichlet_energy``, ``effective_rank``, ``spectral_gap``   measures
``write_report(model, x, path)``   all of it on one self-contained HTML page
=================================  ==========================================================

``write_report`` needs the extra ``report`` (matplotlib and jinja2), and is imported at first use;
everything else needs torch alone.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from gsp_nonlocal.spectral.attention import attention_map
from gsp_nonlocal.spectral.measures import dirichlet_energy, effective_rank, spectral_gap
from gsp_nonlocal.spectral.response import Response, block_response
from gsp_nonlocal.spectral.spectrum import Spectrum, spectrum
from gsp_nonlocal.spectral.trace import BlockTrace, block_shifts

if TYPE_CHECKING:
    from gsp_nonlocal.spectral.report import write_report

__all__ = [
    "BlockTrace",
    "Response",
    "Spectrum",
    "attention_map",
    "block_response",
    "block_shifts",
    "dirichlet_energy",
    "effective_rank",
    "spectral_gap",
    "spectrum",
    "write_report",
]


def __getattr__(name: str) -> object:
    if name == "write_report":
        return import_module("gsp_nonlocal.spectral.report").write_report
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
