"""Places of blocks without an example: two witnesses must agree on the width.

One is the layer that was registered last. The other is a run of the module by itself, on maps as its first
layer takes them, in shapes only. Branches that are joined, channels at the end and modules that need more
than a map are thereby told, and refused.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gsp_nonlocal.insert.attachment import Place, require_map
from gsp_nonlocal.insert.axes import UnclearError
from gsp_nonlocal.insert.layouts import ChannelsFirst, OutputLayout
from gsp_nonlocal.insert.passes import error_line, run, undisturbed, with_probes
from gsp_nonlocal.insert.rehearsal import without_numbers
from gsp_nonlocal.insert.widths import first_width, last_width, map_rank

_SIZES = {1: ((192,), (256,)), 2: ((192, 320), (256, 384)), 3: ((32, 64, 96), (64, 96, 128))}


def place_without_example(path: str, target: nn.Module, block: object, layout: OutputLayout | None) -> Place:
    """The place after ``target``. A finished block after modules without weights is taken at its word.

    Raises:
        ValueError: where the witnesses do not agree; it names ``example=``.
    """
    expected = getattr(block, "channels", None) if isinstance(block, nn.Module) else last_width(target)
    chosen = ChannelsFirst() if layout is None else layout
    try:
        return _tried(target, chosen, expected)
    except UnclearError as error:
        if isinstance(block, nn.Module) and not list(target.parameters()):
            return Place(expected, chosen, type(target).forward is nn.Sequential.forward)
        raise ValueError(
            f"cannot tell the channel count of module {path!r} ({type(target).__name__}) for certain: "
            f"{error}; pass example=torch.randn(...), an input of the model"
        ) from None


def _tried(target: nn.Module, layout: OutputLayout, expected: int | None) -> Place:
    width = first_width(target)
    if width is None:
        raise UnclearError("it has no convolution, norm or linear layer")
    found = [_run(target, layout, width, sizes) for sizes in _SIZES[map_rank(target)]]
    if len({runs for _, runs in found}) > 1 or found[0][1] not in (0, 1):
        raise UnclearError("it is read item by item, so the block would be one more; name the item instead")
    widths = {layout.width(shape) for shape, _ in found}
    if expected is None:
        expected = last_width(target)
    if widths != {expected}:
        raise UnclearError(
            f"its last layer has {expected} channels, and its output {' or '.join(map(str, sorted(widths)))}"
        )
    _require_one_axis(found[0][0], found[1][0], widths.pop(), layout)
    return Place(expected, layout, found[0][1] == 1)


def _run(
    target: nn.Module, layout: OutputLayout, width: int, sizes: tuple[int, ...]
) -> tuple[tuple[int, ...], int]:
    """The shape of the output, and how often the module ran a child at its end."""
    try:
        copy = without_numbers(target)
        like = next((p for p in target.parameters() if p.is_floating_point()), torch.empty(0))
        x = torch.empty(layout.shape(2, width, sizes), dtype=like.dtype, device="meta")
        with undisturbed(copy), with_probes({"": copy}) as runs:
            output = run(copy, x)
    except Exception as error:  # a module of another package raises anything
        raise UnclearError(
            f"it does not run by itself on a map of {width} channels ({error_line(error)})"
        ) from None
    if not isinstance(output, Tensor) or output.dim() < 3:
        _refuse(target, output)
    return tuple(output.shape), runs[""]


def _refuse(target: nn.Module, output: object) -> None:
    try:
        require_map(target, output)
    except ValueError as error:
        raise UnclearError(str(error)) from None


def _require_one_axis(
    first: tuple[int, ...], second: tuple[int, ...], width: int, layout: OutputLayout
) -> None:
    """Raise where another axis is as long as the channels' at both sizes."""
    same = [axis for axis in range(1, len(first)) if first[axis] == second[axis] == width]
    if len(same) > 1:
        raise UnclearError(f"several axes of its output {first} have {width} entries")
