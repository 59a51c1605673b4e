"""Forward passes of a network that leave no trace in it, and what they show of chosen modules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from gsp_nonlocal.insert.attachment import CHILD

_JOINS = (torch.cat, torch.concat, torch.concatenate)


@dataclass(frozen=True)
class Output:
    """What a module returned in one of its calls: the ``shape`` of a tensor, or the value's type as text.

    ``grids``: numbers of positions of the maps that were seen until then. ``joins``: lengths of the pieces of
    token sequences that were joined until then.
    """

    shape: tuple[int, ...] | None
    kind: str
    grids: frozenset[int]
    joins: tuple[tuple[int, ...], ...]


@dataclass
class Observed:
    """The calls of each module in a pass, by path, and the tensors in the network's result."""

    calls: dict[str, list[Output]]
    result: list[Tensor] = field(default_factory=list)


def run(model: nn.Module, example: Any) -> Any:
    """``model`` of one input, of a tuple of inputs, or of inputs by name."""
    if isinstance(example, tuple):
        return model(*example)
    if isinstance(example, Mapping):
        return model(**example)
    return model(example)


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """In evaluation mode, without gradients; modes and PyTorch's generator are as before afterwards."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def observe(
    model: nn.Module, targets: Mapping[str, nn.Module], example: Any, *, until_error: bool = False
) -> Observed:
    """What ``targets`` return in a pass of ``example``; up to an error, if asked for."""
    seen = Observed({path: [] for path in targets})
    grids: set[int] = set()

    def note_grid(module: nn.Module, args: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.dim() > 3:
            grids.update((prod(output.shape[2:]), prod(output.shape[1:-1])))

    with ExitStack() as stack:
        joins = stack.enter_context(TokenJoins())
        for module in model.modules():
            stack.callback(module.register_forward_hook(note_grid).remove)
        for path, target in targets.items():

            def note(module: nn.Module, args: Any, output: Any, path: str = path) -> None:
                shape = tuple(output.shape) if isinstance(output, Tensor) else None
                kind = type(output).__name__
                seen.calls[path].append(Output(shape, kind, frozenset(grids), tuple(joins.pieces)))

            stack.callback(target.register_forward_hook(note).remove)
        stack.enter_context(undisturbed(model))
        with suppress(Exception) if until_error else nullcontext():
            seen.result = list(tensors_in(run(model, example)))
    return seen


class TokenJoins(TorchFunctionMode):
    """Notes lengths of what is joined along the second of three dimensions, as class token and patches."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[tuple[int, ...]] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """The function's result."""
        result = func(*args, **(kwargs or {}))
        if func in _JOINS:
            self._note(result, *args, **(kwargs or {}))
        return result

    def _note(self, result: Tensor, tensors: Sequence[Tensor], dim: int = 0, **_: Any) -> None:
        if isinstance(result, Tensor) and result.dim() == 3 and dim in (1, -2):
            self.pieces.append(tuple(tensor.shape[1] for tensor in tensors))


class Probe(nn.Module):
    """The identity, which knows how often it ran, and whether a value is its result, unchanged since."""

    def __init__(self) -> None:
        super().__init__()
        self.runs = 0
        self._returned: Any = None
        self._version = 0

    def forward(self, x: Tensor) -> Tensor:
        """``x``."""
        self.runs += 1
        self._returned = x.clone() if isinstance(x, Tensor) else x
        self._version = self._returned._version if isinstance(x, Tensor) else 0
        return self._returned

    def returned(self, value: object) -> bool:
        """Whether ``value`` is the last result."""
        return value is self._returned and isinstance(value, Tensor) and value._version == self._version


@contextmanager
def with_probes(targets: Mapping[str, nn.Module]) -> Iterator[dict[str, int]]:
    """Each target has a child at its end; gives ``n ≥ 0`` for a child that ran ``n`` times as its module's
    last step or not at all, and ``−n`` for one that ran ``n`` times otherwise. Filled while modules run."""
    runs: dict[str, int] = dict.fromkeys(targets, 0)
    with ExitStack() as stack:
        for path, target in targets.items():
            probe = Probe()
            target.add_module(CHILD, probe)
            stack.callback(delattr, target, CHILD)

            def note(
                module: nn.Module, args: Any, output: Any, path: str = path, probe: Probe = probe
            ) -> None:
                runs[path] = probe.runs if probe.returned(output) else -probe.runs

            stack.callback(target.register_forward_hook(note).remove)
        yield runs


def tensors_in(value: Any) -> Iterator[Tensor]:
    """The tensors in nested tuples, lists and mappings."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors_in(item)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from tensors_in(item)


def error_line(error: BaseException) -> str:
    """The error's kind and the first line of what it says."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
