"""Laws of readers of foreign modules."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from gsp_nonlocal.probe import SpectralProbe, Trace
from gsp_nonlocal.testing.law import Measured, changed, obey, relative
from gsp_nonlocal.testing.shift_laws import promises_kept

_FREQUENCIES = (0.0, 0.25, 1.5)
_Output = Callable[[nn.Module, Trace], Tensor]
"""The module's output, from the module and its trace."""


class _Case(NamedTuple):
    """A module in float64 and evaluation mode, the arguments of a call, and its output from a trace."""

    module: nn.Module
    args: tuple[Any, ...]
    output: _Output


def check_reader(module: nn.Module, *args: Any, output: _Output) -> None:
    """``y = output(H(S) z)`` of the trace: a registered reader's laws, in float64, on one call.

    The trace is the module's own graph, the module's output and state stay as they are, and shapes fit.

    Args:
        module: of a kind that :func:`register_reader` was told of; it is copied, and stays as it is.
        args: the arguments of the call; floating-point tensors are cast to float64.
        output: called ``output(module, trace)``, the module's output as what it does to ``trace.filtered``.

    Raises:
        AssertionError: names the laws that the reader breaks.

    Example:
        >>> from gsp_nonlocal import SNL
        >>> block = SNL(4, gate=False)
        >>> def output(block, trace):
        ...     unit = block.units[0]
        ...     return x.double() + unit.activation(unit.norm(trace.filtered.mT))
        >>> x = torch.randn(2, 4, 6)
        >>> check_reader(block, x, output=output)
    """
    given = tuple(a.double() if isinstance(a, Tensor) and a.is_floating_point() else a for a in args)
    obey(module, READER_LAWS, _Case(copy.deepcopy(module).double().eval(), given, output))


def _first(output: Any) -> Any:
    return output[0] if isinstance(output, tuple) else output


def _traces(case: _Case) -> list[Trace]:
    with SpectralProbe(case.module) as probe:
        case.module(*case.args)
    if probe.skipped:
        raise ValueError(f"skipped: {probe.skipped}")
    return [trace for found in probe.traces.values() for trace in found]


def _unseen(case: _Case) -> Iterator[Measured]:
    """A reader leaves output, random numbers and statistics of a module as they are."""
    outcomes = []
    for watched in (False, True):
        module = copy.deepcopy(case.module).train()
        with torch.random.fork_rng():
            torch.manual_seed(1)
            if watched:
                with SpectralProbe(module):
                    y = _first(module(*case.args))
            else:
                y = _first(module(*case.args))
            outcomes.append([y, torch.get_rng_state(), *module.state_dict().values()])
    yield Measured("number of outputs, random states and buffers that differ", changed(*outcomes))


def _true(case: _Case) -> Iterator[Measured]:
    """A trace is the module's own graph: its output follows from it."""
    (trace,) = _traces(case)
    with torch.no_grad():
        expected = _first(case.module(*case.args))
        yield Measured("difference of the output", relative(case.output(case.module, trace), expected), 1e-10)
    yield from promises_kept(trace.shift)


def _sound(case: _Case) -> Iterator[Measured]:
    """A trace has no gradient, and layout, signal and responses fit its shift."""
    for trace in _traces(case):
        nodes = trace.shift.shape[-1]
        carried = (trace.signal, trace.shift.to_dense(), trace.filtered)
        yield Measured("number of tensors with a gradient", sum(t.requires_grad for t in carried))
        yield Measured("number of nodes of the layout", abs(_laid_out(trace) - nodes))
        yield Measured("number of nodes of the signal", abs(trace.signal.shape[1] - nodes))
        yield Measured("number of graphs that are no whole images", trace.shift.shape[0] % trace.graphs)
        if trace.respond is not None:
            responses = trace.respond(torch.tensor(_FREQUENCIES))
            yield Measured("number of responses without a graph", abs(len(responses) - trace.graphs))
            short = sum(len(response.matrices) != len(_FREQUENCIES) for response in responses)
            yield Measured("number of responses of other frequencies", short)


def _laid_out(trace: Trace) -> int:
    return trace.layout.extra + trace.layout.channels * trace.layout.positions


READER_LAWS = (_unseen, _true, _sound)
