"""The package ``filters`` under a name that cannot collide: ``from gsp_nonlocal.filters import Cayley``.

It is the same package: this module replaces itself by it, and enters each module of it under both names.
Since ``filters`` is a common name, the first import of the library asks whose it is.
"""

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import walk_packages


def require_own_filters() -> None:
    """Raise an ``ImportError`` where ``import filters`` finds, or has found, another than our own."""
    own = Path(__file__).resolve().parents[1] / "filters"
    loaded = sys.modules.get("filters")
    spec = find_spec("filters") if loaded is None else loaded.__spec__
    origin = getattr(loaded, "__file__", None) or (spec.origin if spec else None)
    if origin is None:
        raise ImportError(f"gsp-nonlocal needs its package filters, expected in {own}; install it again")
    if Path(origin).resolve().parent != own:
        raise ImportError(
            f"{origin} shadows the package filters of gsp-nonlocal in {own}: both have the name filters; "
            "rename that file, or let its folder come later in sys.path"
        )


require_own_filters()

from filters import *  # noqa: E402, F403  (for type checkers: at run time the package itself stands here)

_package = import_module("filters")
for _module in walk_packages(_package.__path__, "filters."):
    sys.modules[f"gsp_nonlocal.{_module.name}"] = import_module(_module.name)
sys.modules[__name__] = _package
