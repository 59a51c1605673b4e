"""What is NaN or infinite is named: the first module of a pass, and figures before they are kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from gsp_nonlocal.analysis.record import BlockRecord


def check_weights(model: nn.Module, run: Callable[[], object]) -> None:
    """Raise if a module that runs has weights that are not finite; buffers may hold infinities, as masks do.

    Args:
        model: On a real device.
        run: Runs the model; it is called only if there are such weights, to find who is the first.

    Raises:
        ValueError: Names the first such module in the order of the pass.
    """
    for path, module in model.named_modules():
        if any(tensor.is_meta for _, tensor in _tensors(module)):
            raise ValueError(
                f"module {_name(path)} is on the meta device, where weights have no "
                "numbers; use a real device, for example model.to_empty(device=...) and load weights"
            )
    if any(_broken(module, recurse=False) for module in model.modules()):
        _raise_first(model, run)


def check_output(model: nn.Module, output: object, run: Callable[[], object]) -> None:
    """Raise if there is NaN in what a model returned.

    Args:
        model: With finite weights.
        output: What it returned.
        run: Runs it once more on the same input, to find where the NaN began.

    Raises:
        ValueError: Names the first module in the order of the pass that returned NaN.
    """
    if _has_nan(output):
        _raise_first(model, run)


def check_numbers(name: str, record: BlockRecord) -> None:
    """Raise unless all numbers are finite: JSON knows no others, and weights that are finite may overflow."""
    for what, value in asdict(record).items():
        try:
            json.dumps(value, allow_nan=False)
        except ValueError as error:
            raise ValueError(
                f"block {name}: its {what} come to NaN or infinity; its weights or its features are too large"
            ) from error


def _raise_first(model: nn.Module, run: Callable[[], object]) -> None:
    found: list[str] = []
    with ExitStack() as undo:
        for path, module in model.named_modules():
            before, after = _watch(path, found)
            undo.callback(module.register_forward_pre_hook(before).remove)
            undo.callback(module.register_forward_hook(after).remove)
        run()
    if found:
        raise ValueError(found[0])


def _watch(path: str, found: list[str]) -> tuple[Callable[..., None], Callable[..., None]]:
    """Hooks before and after a module's call, which note it if it is the first that is not finite."""

    def before(module: nn.Module, args: Any) -> None:
        if not found and (wrong := _broken(module, recurse=False)):
            found.append(f"module {_name(path)}: {wrong}")

    def after(module: nn.Module, args: Any, output: Any) -> None:
        if not found and _has_nan(output):  # of weights that it uses without a call of their module, too
            wrong = (
                _broken(module, recurse=True) or "it returned NaN; its weights or its features are too large"
            )
            found.append(f"module {_name(path)}: {wrong}")

    return before, after


def _tensors(module: nn.Module, recurse: bool = False) -> Iterator[tuple[str, Tensor]]:
    yield from module.named_parameters(recurse=recurse)
    yield from module.named_buffers(recurse=recurse)


def _broken(module: nn.Module, recurse: bool) -> str:
    """What of a module's weights is not finite, or ``""``."""
    for name, tensor in _tensors(module, recurse):
        bad = ~torch.isfinite(tensor) if isinstance(tensor, nn.Parameter) else torch.isnan(tensor)
        if wrong := int(bad.sum()):
            return (
                f"{wrong} of the {tensor.numel()} values of its {name!r} are NaN or infinite; "
                "load weights of a training that did not diverge"
            )
    return ""


def _has_nan(output: object) -> bool:
    if isinstance(output, Tensor):
        return (output.is_floating_point() or output.is_complex()) and bool(torch.isnan(output).any())
    parts = tuple(output.values()) if isinstance(output, Mapping) else output
    return isinstance(parts, list | tuple) and any(map(_has_nan, parts))


def _name(path: str) -> str:
    return path or "the model itself"
