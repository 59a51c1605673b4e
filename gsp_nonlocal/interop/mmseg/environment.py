"""What mmsegmentation needs of its surroundings: its packages, compiled operations, checkpoints."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

from gsp_nonlocal.interop.mmseg.checkpoints import know_checkpoints

INSTALL = "pip install mmsegmentation==1.2.2 mmcv-lite==2.1.0 mmengine==0.10.7 ftfy regex 'setuptools<82'"
"""What brings everything that mmsegmentation imports; its last release takes mmcv below 2.2."""

_COMPILED = "mmcv._ext"


def prepare() -> None:
    """Make ready for mmsegmentation's models to be imported, and its checkpoints to be read.

    ``mmcv-lite`` has no compiled operations, and mmsegmentation imports all of them: a module whose functions
    raise when they are called stands in. With the full ``mmcv`` nothing is put in its place.

    mmengine's own checkpoints are made known to PyTorch's safe reading; see :func:`know_checkpoints`.

    Raises:
        ImportError: with the line that installs it, where a package is missing or of a version that
            mmsegmentation refuses.
    """
    _require_packages()
    if find_spec(_COMPILED) is None:
        sys.modules[_COMPILED] = _WithoutCompiled(_COMPILED)
    know_checkpoints()


def _require_packages() -> None:
    for package in ("mmengine", "mmcv", "mmseg"):
        try:
            import_module(package)
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(f"{error.name} is not installed: {INSTALL}", name=error.name) from error
        except AssertionError as error:  # mmseg's, for another version of mmcv or mmengine
            raise ImportError(f"{error} What fits: {INSTALL}") from error


class _WithoutCompiled(ModuleType):
    """Operations by any name, which raise when they are called."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "Stands in for the compiled operations, which mmcv-lite lacks.")
        self.__spec__ = ModuleSpec(name, None)

    def __getattr__(self, name: str) -> Callable[..., object]:
        if name.startswith("__"):
            raise AttributeError(name)

        def missing(*_: object, **__: object) -> object:
            raise RuntimeError(f"{name} is a compiled operation, which mmcv-lite lacks: install mmcv==2.1.0")

        return missing
