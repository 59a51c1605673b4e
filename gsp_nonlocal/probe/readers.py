"""How a module's graph is read off a call of it: one small function a kind of module.

A **reader** is ``reader(module, call) -> Iterable[Trace]``. It runs in a forward hook, without gradients, and
changes nothing. Readers are found by the module's class or the names of its bases, so that no package is
imported for their sake. The reader of this library's blocks stands here, those of other packages' modules in
:mod:`gsp_nonlocal.probe.foreign_readers`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.func import functional_call

from gsp_nonlocal.blocks import NonlocalUnit
from gsp_nonlocal.probe.trace import Trace
from gsp_nonlocal.spectral.layout import Layout
from gsp_nonlocal.spectral.response import Response, unit_response


class Call(NamedTuple):
    """One call of a module: its arguments and what it returned."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    output: Any

    def argument(self, index: int, name: str, default: Any = None) -> Any:
        """The argument at place ``index``, or by ``name``, or ``default``."""
        return self.args[index] if len(self.args) > index else self.kwargs.get(name, default)


class NotAGraphError(ValueError):
    """Raised by a reader for a call that is no graph filter; the message says why.

    :class:`SpectralProbe` keeps the message in ``skipped``, and the forward pass goes on.

    Example:
        >>> import torch
        >>> from gsp_nonlocal import NL, SNL
        >>> from gsp_nonlocal.probe import SpectralProbe
        >>> model = nn.Sequential(SNL(8), NL(8, sub_sample="max"))
        >>> with SpectralProbe(model) as probe:
        ...     _ = model(torch.randn(1, 8, 6, 6))
        >>> probe.skipped["1"]
        'max pooling of values is not linear: no matrix does the same; use sub_sample="average"'
    """


Reader = Callable[[Any, Call], Iterable[Trace]]


class Entry(NamedTuple):
    """A reader, and how many levels above its module the block is that it reports for."""

    reader: Reader
    levels: int


_ENTRIES: dict[str, Entry] = {}


def register_reader(kind: type[nn.Module] | str, reader: Reader, *, levels: int = 0) -> None:
    """Let :class:`SpectralProbe` know a kind of module, and its subclasses.

    Args:
        kind: the class; or ``"package.Class"`` with the outermost package's name, if it is not to be
            imported.
        reader: called ``reader(module, call)`` after each call of such a module.
        levels: how many levels above the module the block is that the traces are reported for.

    Raises:
        TypeError: if ``kind`` is neither a class nor such a name.

    Example:
        >>> import torch
        >>> class Mean(nn.Module):  # every position gets the mean of all
        ...     def forward(self, x):
        ...         return x.mean(dim=1, keepdim=True).expand_as(x)
        >>> def read_mean(module, call):
        ...     x = call.argument(0, "x")
        ...     ones = torch.ones_like(x[..., :1])
        ...     shift = LowRankShift(ones / x.shape[1], ones)
        ...     yield Trace(shift, x, lambda z, S: S @ z, Layout(x.shape[1:2]))
        >>> from gsp_nonlocal import LowRankShift
        >>> register_reader(Mean, read_mean)
        >>> from gsp_nonlocal.probe import SpectralProbe
        >>> model = Mean()
        >>> with SpectralProbe(model) as probe:
        ...     y = model(torch.arange(4.0).view(1, 4, 1))
        >>> torch.equal(probe.traces[""][0].filtered, y)
        True
    """
    name = kind if isinstance(kind, str) else _name(kind) if isinstance(kind, type) else ""
    if "." not in name:
        raise TypeError(f'a kind of module is a class or "package.Class", got {kind!r}')
    _ENTRIES[name] = Entry(reader, levels)


def entry_of(module: nn.Module) -> Entry | None:
    """The entry of a module's class or of the nearest of its bases that has one."""
    return next((_ENTRIES[name] for name in map(_name, type(module).__mro__) if name in _ENTRIES), None)


def known_kinds() -> list[str]:
    """The names of all registered kinds."""
    return sorted(_ENTRIES)


def _name(kind: type) -> str:
    return f"{kind.__module__.split('.')[0]}.{kind.__name__}"


def recompute(module: nn.Module, *args: Any) -> Any:
    """``module(*args)`` once more, on copies of its buffers, so that no running statistics change."""
    buffers = {name: buffer.clone() for name, buffer in module.named_buffers()}
    return functional_call(module, buffers, args) if buffers else module(*args)


def read_unit(unit: NonlocalUnit, call: Call) -> Iterable[Trace]:
    """A unit of this library's blocks: its shift, with its own affinity's, and its folded values."""
    nodes, shift = call.argument(0, "nodes"), call.argument(1, "shift")
    spatial = call.argument(2, "spatial")
    if unit.affinity is not None:
        shift = shift + recompute(unit.affinity, nodes, spatial)
    if getattr(getattr(shift, "pool", None), "kind", None) == "max":
        raise NotAGraphError(
            'max pooling of values is not linear: no matrix does the same; use sub_sample="average"'
        )
    signal = unit.vertices.fold(recompute(unit.value, nodes))
    graphs = len(signal) // len(nodes)
    channels = signal.shape[1] // nodes.shape[1]

    def respond(lam: Tensor | None) -> list[Response]:
        return [unit_response(unit.value, unit.filter, nodes.shape[-1], lam)]

    layout = Layout(tuple(nodes.shape[1:2] if spatial is None else spatial), channels=channels)
    yield Trace(shift, signal, unit.filter, layout, graphs, respond)


register_reader(NonlocalUnit, read_unit, levels=2)
