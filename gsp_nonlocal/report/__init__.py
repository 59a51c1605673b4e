"""From records to figures, tables and an interactive page; the callback that follows a training.

=======================================  ====================================================================
name                                     is
=======================================  ====================================================================
``analyze(model, images).write(path)``   the numbers of a snapshot with figures, tables and a page
``write_analyses([first, …], path)``     several of them side by side, as of a training
``plot_response(filter)``                a response, or the bands of a frame, drawn
``plot_graph(data, signal)``             a graph with a signal on it, drawn in its positions
``plot_spectrum(shift)``                 graph frequencies with their multiplicities, drawn
``report.lightning.SpectralCallback``    measures of every epoch in the training's logs; needs Lightning
=======================================  ====================================================================

The extra ``report`` (matplotlib, jinja2) is needed at the first use of a name, not at import.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from gsp_nonlocal.extras import naming_extra

if TYPE_CHECKING:
    from gsp_nonlocal.report.graph_plot import plot_graph
    from gsp_nonlocal.report.report import Analysis, analyze, write_analyses
    from gsp_nonlocal.report.response_plot import plot_response
    from gsp_nonlocal.report.spectrum_plot import plot_spectrum

__all__ = ["Analysis", "analyze", "plot_graph", "plot_response", "plot_spectrum", "write_analyses"]

_PLOTS = {"plot_graph": "graph_plot", "plot_response": "response_plot", "plot_spectrum": "spectrum_plot"}
"""Files of what is drawn by itself; the other names are in ``report``."""


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with naming_extra():
        return getattr(import_module(f"gsp_nonlocal.report.{_PLOTS.get(name, 'report')}"), name)
