"""Checkpoints of mmengine, read as PyTorch reads by default: without running code of theirs."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pickle import UnpicklingError

import numpy as np
import torch

_STATISTICS = ("min", "max", "current", "mean")
_NUMBERS = (np.float64, np.float32, np.int64, np.int32)


def know_checkpoints() -> None:
    """Make the types of mmengine's checkpoints known to ``torch.load``.

    Beside tensors they hold the history of the log: mmengine's ``HistoryBuffer`` with arrays and numbers of
    NumPy, and its four statistics, which are pickled as ``getattr(HistoryBuffer, name)``. That ``getattr`` is
    read as a function which knows these four alone. A checkpoint that holds anything else is refused by
    PyTorch, as before, and none needs ``weights_only=False`` or ``TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD``.
    """
    history = import_module("mmengine.logging.history_buffer").HistoryBuffer

    def statistic(owner: object, name: str) -> object:
        if owner is not history or name not in _STATISTICS:
            raise UnpicklingError(
                f"a checkpoint asks for {name!r} of {owner!r}, which is none of mmengine's statistics"
            )
        return getattr(owner, name)

    known: list[Callable[..., object] | tuple[Callable[..., object], str]] = [history, np.dtype, np.ndarray]
    known += [type(np.dtype(number)) for number in _NUMBERS]
    known += [(statistic, "builtins.getattr")]
    rebuilt: tuple[Callable[..., object], ...] = (np.empty(0).__reduce__()[0], np.float64().__reduce__()[0])  # type: ignore[assignment]
    for package in ("numpy.core", "numpy._core"):  # NumPy's name of it before version 2, and since
        known += [(function, f"{package}.multiarray.{function.__name__}") for function in rebuilt]
    torch.serialization.add_safe_globals(known)
