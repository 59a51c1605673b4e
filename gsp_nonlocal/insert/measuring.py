"""Places of blocks, read off passes of an example."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor, nn

from gsp_nonlocal.insert.attachment import Place, no_map
from gsp_nonlocal.insert.axes import Evidence, UnclearError, find_layout
from gsp_nonlocal.insert.layouts import OutputLayout
from gsp_nonlocal.insert.passes import Observed, Output, error_line, observe, with_probes
from gsp_nonlocal.insert.rehearsal import varied
from gsp_nonlocal.insert.widths import all_widths


def measure(
    model: nn.Module, targets: Mapping[str, nn.Module], example: Any, layouts: Mapping[str, OutputLayout]
) -> dict[str, Place]:
    """The place after each target.

    Raises:
        ValueError: for a model that refuses the example; for a target that does not run once, returns no map,
            reads its children in a way that a block among them would disturb, or whose layout is unclear.
    """
    seen = _observed(model, targets, example)
    outputs = {path: _one_map(path, targets[path], calls) for path, calls in seen.calls.items()}
    runs = _runs_of_children(model, targets, example, seen)
    found = _found_layouts(model, outputs, example, layouts)
    return {
        path: _place(path, targets[path], output, found[path], runs[path] > 0)
        for path, output in outputs.items()
    }


def _observed(model: nn.Module, targets: Mapping[str, nn.Module], example: Any) -> Observed:
    try:
        return observe(model, targets, example)
    except Exception as error:  # a model of another package raises anything
        given = f"of shape {tuple(example.shape)} " if isinstance(example, Tensor) else ""
        raise ValueError(
            f"{type(model).__name__} does not take the example {given}({error_line(error)}); pass example= "
            "an input of the model, or a tuple of its inputs"
        ) from error


def _one_map(path: str, target: nn.Module, calls: list[Output]) -> Output:
    name = f"module {path!r} ({type(target).__name__})"
    if not calls:
        raise ValueError(
            f"{name} is never called on the example, so a block would not run; name a module that is: its "
            "items, or one that calls it"
        )
    if len(calls) > 1:
        raise ValueError(
            f"{name} is called {len(calls)} times on the example, so a block would run after each; name a "
            "module that runs once"
        )
    output = calls[0]
    if output.shape is None or len(output.shape) < 3:
        raise ValueError(no_map(target, output.kind if output.shape is None else f"{output.shape}"))
    return output


def _runs_of_children(
    model: nn.Module, targets: Mapping[str, nn.Module], example: Any, plain: Observed
) -> dict[str, int]:
    """How often each target runs a child at its end by itself: 0 or 1."""
    try:
        with with_probes(targets) as runs:
            result = observe(model, targets, example).result
    except Exception as error:
        raise ValueError(_read_by_items(targets, f"fails on it: {error_line(error)}")) from error
    for path, number in runs.items():
        if number not in (0, 1):
            raise ValueError(
                _read_by_items({path: targets[path]}, f"runs it {abs(number)} times, not at its end")
            )
    same = len(result) == len(plain.result) and all(map(_equal, result, plain.result))
    if not same:
        raise ValueError(_read_by_items(targets, "computes something else"))
    return runs


def _read_by_items(targets: Mapping[str, nn.Module], effect: str) -> str:
    names = ", ".join(f"{path!r} ({type(target).__name__})" for path, target in targets.items())
    return (
        f"with an identity as one more child of {names}, the model {effect}; what is read item by item has "
        "no place for a block: name the item that the block shall follow"
    )


def _equal(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and torch.allclose(a, b, rtol=1e-4, atol=1e-6, equal_nan=True)


def _found_layouts(
    model: nn.Module, outputs: Mapping[str, Output], example: Any, layouts: Mapping[str, OutputLayout]
) -> dict[str, OutputLayout]:
    asked = [path for path in outputs if path not in layouts]
    rehearsal = varied(model, asked, example) if asked else None
    doubled = rehearsal.twice_the_batch() if rehearsal else {}
    resized = rehearsal.resized() if rehearsal else {}
    widths = all_widths(model)
    found = dict(layouts)
    for path in asked:
        shape, factor = resized.get(path, (None, Fraction(1)))
        evidence = Evidence(outputs[path], widths, doubled.get(path), shape, factor)
        try:
            found[path] = find_layout(evidence)
        except UnclearError as error:
            raise ValueError(
                f"cannot tell the layout of the output {evidence.shape} of module {path!r} for certain: "
                f"{error}; pass layout='channels_first', 'channels_last' or Tokens(prefix=…)"
            ) from None
    return found


def _place(path: str, target: nn.Module, output: Output, layout: OutputLayout, runs_children: bool) -> Place:
    shape = output.shape or ()
    try:
        spatial = layout.to_map(torch.empty(shape, device="meta")).shape[2:]
    except (ValueError, RuntimeError) as error:
        raise ValueError(
            f"layout={layout} does not fit the output {shape} of module {path!r}: {error}"
        ) from None
    return Place(layout.width(shape), layout, runs_children, tuple(spatial))
