"""Which module runs, which are read by their class, and which look like attention and left no trace."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from torch import Tensor, nn

from gsp_nonlocal.probe.readers import Entry, entry_of

PLAIN = {
    *(nn.Linear, nn.Identity, nn.Dropout, nn.GELU, nn.ReLU, nn.SiLU, nn.Tanh, nn.Sigmoid),
    *(nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.Embedding),
}
"""Classes of modules that run no attention: hooks on each would cost more than all the rest."""

NORM_LAYERS = (nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
"""They run none either, but windows are cut out of what they return."""

RECENT = 2
"""How many results of a running module's parts are remembered, to find where windows were cut."""

Watched = tuple[str, nn.Module, Entry]
"""The path that a trace is reported under, the module that is hooked, and how it is read."""


class ProbeError(ValueError):
    """Raised in a forward pass of which nothing can be read, or of which more would be kept than may be.

    Example:
        >>> import torch
        >>> from gsp_nonlocal.probe import SpectralProbe
        >>> model = nn.Linear(4, 2)
        >>> with SpectralProbe(model):
        ...     model(torch.randn(1, 4))
        Traceback (most recent call last):
        ...
        gsp_nonlocal.probe.modules.ProbeError: Linear ran no nonlocal block and no attention: ...
    """


@dataclass(frozen=True)
class _Frame:
    """A module that runs: what it was given, and what its parts returned last."""

    path: str
    given: list[Tensor]
    returned: deque[Tensor] = field(default_factory=lambda: deque(maxlen=RECENT))


class Running:
    """A context that knows the path of the module that runs.

    Args:
        model: its modules are followed.

    Attributes:
        called: the classes of modules that ran, by path.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.called: dict[str, str] = {}
        self._stack: list[_Frame] = []
        self._undo = ExitStack()

    @property
    def path(self) -> str:
        """Of the innermost module that runs; empty for the model itself."""
        return self._stack[-1].path if self._stack else ""

    @property
    def nearby(self) -> Iterator[Tensor]:
        """What parts of the running modules returned last, and what these were given; innermost first."""
        for frame in reversed(self._stack):
            yield from reversed(frame.returned)
            yield from frame.given

    def __enter__(self) -> Running:
        self._stack.clear()
        for path, module in self.model.named_modules():
            if path and isinstance(module, NORM_LAYERS):
                self._undo.callback(module.register_forward_hook(self._remember).remove)
            elif type(module) not in PLAIN or not path:
                self._undo.callback(module.register_forward_pre_hook(self._entering(path)).remove)
                self._undo.callback(module.register_forward_hook(self._leaving, always_call=True).remove)
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def _entering(self, path: str) -> Any:
        def enter(module: nn.Module, args: tuple[object, ...]) -> None:
            self._stack.append(_Frame(path, [part for part in args if isinstance(part, Tensor)]))
            self.called[path] = type(module).__name__

        return enter

    def _leaving(self, module: nn.Module, args: object, output: object) -> None:
        if self._stack:
            self._stack.pop()
        self._remember(module, args, output)

    def _remember(self, module: nn.Module, args: object, output: object) -> None:
        if self._stack and isinstance(output, Tensor):
            self._stack[-1].returned.append(output)

    def require(self, paths: Sequence[str]) -> None:
        """Raise a ``ValueError`` for a path that is no module of the model."""
        known = [path for path, _ in self.model.named_modules()] if paths else []
        for path in paths:
            if path not in known:
                near = get_close_matches(path, known, 3) or known[1:9]
                raise ValueError(
                    f"there is nothing to read at {path!r}: {type(self.model).__name__} has no such module; "
                    f"near it are {', '.join(near)}"
                )


def find_readable(model: nn.Module) -> list[Watched]:
    """Every module that a reader knows by its class, but for those inside of another one."""
    found: list[Watched] = []
    inside: tuple[str, ...] = ()
    for path, module in model.named_modules():
        entry = entry_of(module)
        if entry is None or path.startswith(inside):
            continue
        inside = (*inside, f"{path}." if path else "")
        found.append((_block_path(path, entry.levels), module, entry))
    return found


def _block_path(path: str, levels: int) -> str:
    return ".".join(path.split(".")[: len(path.split(".")) - levels])


LOOKS_LIKE_ATTENTION = re.compile(r"attn|attention|non_?local|mhsa|mha$|mla$", re.IGNORECASE)
"""Names of classes of attention."""


def unseen(called: Mapping[str, str], read: Iterable[str]) -> dict[str, str]:
    """The innermost modules that ran, are called like attention, and have no trace in, at or around them.

    Args:
        called: classes by path.
        read: paths that left a trace or a reason.
    """
    traced = [_inside(path) for path in read]
    alike = {path: kind for path, kind in called.items() if LOOKS_LIKE_ATTENTION.search(kind)}
    return {
        path: kind
        for path, kind in alike.items()
        if not any(_related(_inside(path), other) for other in traced)
        and not any(other != path and other.startswith(_inside(path)) for other in alike)
    }


def _inside(path: str) -> str:
    """How the paths of what is inside of a module begin."""
    return f"{path}." if path else ""


def _related(path: str, other: str) -> bool:
    return path.startswith(other) or other.startswith(path)


def without_a_trace(kind: str) -> str:
    """Why a module that looks like attention has no trace."""
    return (
        f"{kind} is called like attention, but no softmax over keys was followed by a product with values in "
        "it: it may be linear or gating attention, or a kernel of its own; tell of it with "
        f"gsp_nonlocal.probe.register_reader({kind}, reader)"
    )


def nothing_read(model: nn.Module) -> str:
    """The message for a forward pass without any graph."""
    return (
        f"{type(model).__name__} ran no nonlocal block and no attention: no module that a reader knows, and "
        "no softmax over keys followed by a product with values. Put a block in with "
        'gsp_nonlocal.insert_blocks(model, {"path.of.a.module": SNL}), or tell of a module with '
        "gsp_nonlocal.probe.register_reader(kind, reader)"
    )
