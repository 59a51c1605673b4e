"""The explorer of the page: click a position of an image, see its row of ``S``; two blocks side by side.

=====================================  ===============================================================
name                                   is
=====================================  ===============================================================
``views(path, trace, image_size)``     a block's rows over some images, as plain values within a budget
``all_views(traces, image_size)``      those of several blocks, which share one budget
``share_of_budget(calls)``             the budget of each of several calls for one page
``explorer(views, inputs)``            what the template ``explorer.html`` needs
``script_hash(script)``                what lets a script run under a Content-Security-Policy
=====================================  ===============================================================

A page includes ``explorer.css`` in its style and ``explorer.html`` in its body, which reads the variable
``explorer`` (``None`` leaves it out), and allows ``img-src data:`` and as ``script-src`` its ``script_hash``.
"""

from gsp_nonlocal.report.explorer.build import VIEWS_BYTES, all_views, views
from gsp_nonlocal.report.explorer.embedded import Explorer, explorer, script_hash, share_of_budget
from gsp_nonlocal.report.explorer.view import Picture, View

__all__ = [
    "VIEWS_BYTES",
    "Explorer",
    "Picture",
    "View",
    "all_views",
    "explorer",
    "script_hash",
    "share_of_budget",
    "views",
]
