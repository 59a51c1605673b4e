"""A block as the child of the module that it follows: put there, found again, taken away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.fx import Proxy

from gsp_nonlocal.insert.layouts import ChannelsFirst, OutputLayout

CHILD = "nonlocal_block"
"""Name under which an inserted block is a child of the module that it follows."""
_RECORD = "_nonlocal_place"


@dataclass(frozen=True)
class Place:
    """Where a block goes: ``channels`` of the map (``None`` if not known), the layout of the output, whether
    the module runs its last child by itself, and the spatial sizes of an example's map."""

    channels: int | None
    layout: OutputLayout
    runs_children: bool
    spatial: tuple[int, ...] | None = None


@dataclass(frozen=True)
class AfterModule:
    """Forward hook of a module that is followed by its child: ``output ← child(output)`` in its layout."""

    layout: OutputLayout

    def __call__(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> Tensor:
        """The changed output."""
        found = require_map(module, output)
        return self.layout.from_map(module.get_submodule(CHILD)(self.layout.to_map(found)), found)


@dataclass(frozen=True)
class ToMap:
    """Hook before a block that its module runs: the block gets the map of the tensor that it is given."""

    layout: OutputLayout

    def __call__(self, block: nn.Module, args: tuple[Tensor]) -> tuple[Tensor]:
        """The block's arguments."""
        return (self.layout.to_map(args[0]),)


@dataclass(frozen=True)
class FromMap:
    """Hook after a block that its module runs: the map as the module holds it."""

    layout: OutputLayout

    def __call__(self, block: nn.Module, args: tuple[Tensor], changed: Tensor) -> Tensor:
        """What the module goes on with."""
        return self.layout.from_map(changed, args[0])


def attach(target: nn.Module, block: nn.Module, place: Place) -> None:
    """Let ``block`` follow ``target``."""
    target.add_module(CHILD, block)
    setattr(target, _RECORD, place)
    if not place.runs_children:
        target.register_forward_hook(AfterModule(place.layout))
        # torch.fx knows PyTorch's layers by this name, and would lose the hook as it fuses or quantises one.
        target.__module__ = __name__
    elif bends(place):
        block.register_forward_pre_hook(ToMap(place.layout))
        block.register_forward_hook(FromMap(place.layout))


def detach(target: nn.Module) -> None:
    """The inverse of :func:`attach`: keys, hooks and attributes of ``target`` are as before."""
    block = target.get_submodule(CHILD)
    for module, kinds in ((target, AfterModule), (block, ToMap), (block, FromMap)):
        for hooks in (module._forward_hooks, module._forward_pre_hooks):
            for key in [key for key, hook in hooks.items() if isinstance(hook, kinds)]:
                del hooks[key]
    for name in (CHILD, _RECORD, *(["__module__"] if "__module__" in vars(target) else [])):
        delattr(target, name)


def place_of(target: nn.Module) -> Place | None:
    """Where the block of ``target`` is, or ``None`` if nothing was inserted."""
    return getattr(target, _RECORD, None)


def bends(place: Place) -> bool:
    """Whether a block at this place gets hooks of its own."""
    return place.runs_children and place.layout != ChannelsFirst()


def is_bent(block: nn.Module) -> bool:
    """Whether a block takes another layout than maps already, as a module runs it."""
    return any(isinstance(hook, ToMap) for hook in block._forward_pre_hooks.values())


def require_map(module: nn.Module, output: Any) -> Any:
    """``output``, if it is a tensor with positions, or stands for one in ``torch.fx``.

    Raises:
        ValueError: for another one; it names the module's class.
    """
    if not isinstance(output, Proxy) and (not isinstance(output, Tensor) or output.dim() < 3):
        found = f"{tuple(output.shape)}" if isinstance(output, Tensor) else type(output).__name__
        raise ValueError(no_map(module, found))
    return output


def no_map(module: nn.Module, found: str) -> str:
    """The message for an output of that shape or type, which no block can follow."""
    return (
        "a nonlocal block follows a module that returns one map (B, C, *spatial), (B, *spatial, C) or tokens "
        f"(B, N, C); {type(module).__name__} returned {found}; name a module inside or after it that does"
    )
