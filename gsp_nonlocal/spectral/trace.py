"""The graphs of a forward pass: which shift every nonlocal block saw."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gsp_nonlocal.blocks import NonlocalBlock
from gsp_nonlocal.shifts import ShiftOperator


class StageTrace(NamedTuple):
    """What a unit's filter was given: the node signal ``(B, N, C)`` and the shift ``(B, N, N)``."""

    signal: Tensor
    shift: ShiftOperator


class BlockTrace(NamedTuple):
    """What a block did: the block, its input map ``(B, C, *spatial)``, and what each unit's filter saw."""

    block: NonlocalBlock
    input: Tensor
    stages: list[StageTrace]

    @property
    def shift(self) -> ShiftOperator:
        """The shift of the first unit, ``(B, N, N)``."""
        return self.stages[0].shift


def block_shifts(model: nn.Module, x: Tensor) -> dict[str, BlockTrace]:
    """Run ``model(x)`` once and catch every nonlocal block's input and shift, by module path.

    The pass is in evaluation mode and without gradients. Modes are restored and hooks removed after it,
    also if it fails. A block that runs several times is caught at its last run; one that does not run is
    not in the result.

    Args:
        model: any module with a :class:`NonlocalBlock` in it, or one itself (path ``""``).
        x: an input of the model.

    Raises:
        ValueError: if the model has no nonlocal block.

    Example:
        >>> from gsp_nonlocal import SNL
        >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), SNL(8))
        >>> caught = block_shifts(model, torch.randn(2, 3, 10, 10))
        >>> caught["1"].input.shape, caught["1"].shift.shape
        (torch.Size([2, 8, 8, 8]), torch.Size([2, 64, 64]))
    """
    caught: dict[str, BlockTrace] = {}
    with evaluation(model), _watching(find_blocks(model), caught):
        model(x)
    return caught


def is_linear(trace: BlockTrace) -> bool:
    """Whether the block's shifts are matrices: max pooling of values makes them none."""
    pools = [getattr(stage.shift, "pool", None) for stage in trace.stages]
    return all(pool is None or pool.kind != "max" for pool in pools)


def find_blocks(model: nn.Module) -> dict[str, NonlocalBlock]:
    """All nonlocal blocks of a model by module path.

    Raises:
        ValueError: if there is none; the message lists the kinds of modules that there are.
    """
    blocks = {path: module for path, module in model.named_modules() if isinstance(module, NonlocalBlock)}
    if not blocks:
        kinds = ", ".join(sorted({type(module).__name__ for module in model.modules()}))
        raise ValueError(
            f"{type(model).__name__} has no nonlocal block, only modules of the kinds {kinds}; "
            'put one in with gsp_nonlocal.insert_blocks(model, {"path.of.a.module": SNL})'
        )
    return blocks


@contextmanager
def evaluation(model: nn.Module) -> Iterator[None]:
    """Evaluation mode and no gradients; every module's mode is restored afterwards."""
    modes = {module: module.training for module in model.modules()}
    try:
        with torch.no_grad():
            model.eval()
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode


@contextmanager
def _watching(blocks: dict[str, NonlocalBlock], caught: dict[str, BlockTrace]) -> Iterator[None]:
    with_handles = [handle for item in blocks.items() for handle in _watch(*item, caught)]
    try:
        yield
    finally:
        for handle in with_handles:
            handle.remove()


def _watch(
    path: str, block: NonlocalBlock, caught: dict[str, BlockTrace]
) -> list[torch.utils.hooks.RemovableHandle]:
    """Hooks on one block and its filters that enter ``caught[path]``; of a recurrence, the last run stays."""
    first = block.units[0].filter

    def begin(module: nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Tensor]) -> None:
        caught[path] = BlockTrace(block, (args[0] if args else kwargs["x"]).detach(), [])

    def filtered(module: nn.Module, args: tuple[Tensor, ShiftOperator]) -> None:
        if module is first:
            caught[path].stages.clear()
        caught[path].stages.append(StageTrace(*args))

    return [
        block.register_forward_pre_hook(begin, with_kwargs=True),
        *(unit.filter.register_forward_pre_hook(filtered) for unit in block.units),
    ]
