"""The public names of the library, and the page of the reference on which each is described."""

from __future__ import annotations

import inspect
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple, TypeVar

GROUPS: dict[str, tuple[str, ...]] = {
    "Filters": ("filters", "filters.frames", "filters.banks", "filters.starts"),
    "Graphs": ("gsp_nonlocal.affinity", "gsp_nonlocal.shifts", "gsp_nonlocal.graphs"),
    "Blocks and networks": (
        "gsp_nonlocal.blocks",
        "gsp_nonlocal.insert",
        "gsp_nonlocal.models",
        "gsp_nonlocal.distributed",
    ),
    "Spectra, signals, analysis": (
        "gsp_nonlocal.spectral",
        "gsp_nonlocal.spectral.measures",
        "gsp_nonlocal.signals",
        "gsp_nonlocal.probe",
        "gsp_nonlocal.attribution",
        "gsp_nonlocal.analysis",
        "gsp_nonlocal.report",
    ),
    "Other packages": (
        "gsp_nonlocal.interop.pyg",
        "gsp_nonlocal.interop.timm",
        "gsp_nonlocal.interop.official",
        "gsp_nonlocal.interop.hub",
        "gsp_nonlocal.interop.mmcv",
        "gsp_nonlocal.interop.gcnet",
        "gsp_nonlocal.interop.video",
    ),
    "Laws": ("gsp_nonlocal.testing",),
}
MODULES = [module for group in GROUPS.values() for module in group]


class Name(NamedTuple):
    """A public name: where it is imported from, and what it is."""

    module: str
    name: str
    value: Any

    @property
    def path(self) -> str:
        """As it is imported."""
        return f"{self.module}.{self.name}"

    @property
    def directive(self) -> str:
        """That of autodoc."""
        if inspect.isclass(self.value):
            return "autoexception" if issubclass(self.value, Exception) else "autoclass"
        return "autofunction" if inspect.isroutine(self.value) else "autodata"

    @property
    def key(self) -> object:
        """The same for one thing under two names."""
        return self.value if self.directive == "autodata" and isinstance(self.value, str) else id(self.value)


def names(module: str) -> list[Name]:
    """What a module offers: its ``__all__``, or else what it defines without an underscore."""
    found = import_module(module)
    offered = getattr(found, "__all__", None) or _defined(found)
    return [Name(module, name, getattr(found, name)) for name in offered if name != "__version__"]


def _defined(module: ModuleType) -> list[str]:
    own = vars(module).items()
    return [
        n
        for n, value in own
        if not n.startswith("_")
        and getattr(value, "__module__", "") == module.__name__
        and not isinstance(value, TypeVar)
    ]


def homes() -> dict[object, Name]:
    """Each thing under the name on whose page it is described: the first that offers it."""
    found: dict[object, Name] = {}
    for module in MODULES:
        for name in names(module):
            found.setdefault(name.key, name)
    return found
