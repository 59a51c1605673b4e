"""From records to figures, tables and an interactive page; the callback that follows a training.

=======================================  ====================================================================
name                                     is
=======================================  ====================================================================
``analyze(model, images).write(path)``   the numbers of a snapshot with figures, tables and a page
``write_analyses([first, …], path)``     several of them side by side, as of a training
``plot_response(filter)``                a response, drawn
``report.lightning.SpectralCallback``    measures of every epoch in the training's logs; needs Lightning
=======================================  ====================================================================

The extra ``report`` (matplotlib, jinja2) is needed at the first use of a name, not at import.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from gsp_nonlocal.extras import naming_extra

if TYPE_CHECKING:
    from gsp_nonlocal.report.report import Analysis, analyze, write_analyses
    from gsp_nonlocal.report.response_plot import plot_response

__all__ = ["Analysis", "analyze", "plot_response", "write_analyses"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = "response_plot" if name == "plot_response" else "report"
    with naming_extra():
        return getattr(import_module(f"gsp_nonlocal.report.{home}"), name)
