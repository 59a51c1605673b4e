"""Insertion of nonlocal blocks into any CNN, by module path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches

import torch
from torch import Tensor, nn

from gsp_nonlocal.creation import created

CHILD = "nonlocal_block"
"""Name under which an inserted block is a child of the module that it follows."""


def insert_blocks(
    model: nn.Module,
    blocks: Mapping[str, Callable[[int], nn.Module]],
    *,
    example: Tensor | None = None,
) -> nn.Module:
    r"""``y ← block(y)`` for the output ``y`` of each named module, in place.

    The block becomes a child ``nonlocal_block`` of the module it follows, so every key of the backbone's
    ``state_dict`` stays as it is: pretrained weights load before insertion, or after it with
    ``strict=False``. The result can be deep-copied, saved, compiled, and trained under DDP.

    Args:
        model: any module.
        blocks: from module path, as in ``model.named_modules()`` (``"layer3.4"``), to a factory called
            ``factory(channels)`` (``SNL``, ``partial(SNL, order=3)``) or to a finished module.
        example: an input of the model. With it, channels are read off a forward pass; without it, off the
            last convolution, norm or linear layer inside the named module.

    Returns:
        ``model`` itself.

    Raises:
        TypeError: for what is no module, no mapping, or no factory of modules.
        ValueError: for an unknown path (near matches are listed), a module that has a block already, a
            container that reads its items one by one, or channels that cannot be found. Nothing is
            inserted then.

    Example:
        >>> from gsp_nonlocal import SNL
        >>> cnn = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3))
        >>> _ = insert_blocks(cnn, {"0": SNL})
        >>> [key for key in cnn.state_dict() if "nonlocal" not in key]
        ['0.weight', '0.bias', '2.weight', '2.bias']
    """
    _check(model, blocks)
    targets = {path: _target(model, path) for path in blocks}
    channels = _static_channels(targets) if example is None else _measure(model, targets, example)
    built = {path: _build(block, channels, path, targets[path]) for path, block in blocks.items()}
    for path, block in built.items():
        _attach(targets[path], block)
    return model


def _check(model: nn.Module, blocks: Mapping[str, Callable[[int], nn.Module]]) -> None:
    if not isinstance(model, nn.Module):
        raise TypeError(f"blocks are inserted into a module, got {type(model).__name__}")
    if not isinstance(blocks, Mapping):
        raise TypeError(f"blocks map module paths to factories, got {type(blocks).__name__}")
    for path, block in blocks.items():
        if not isinstance(path, str):
            raise TypeError(f"a module path is a string as in model.named_modules(), got {path!r}")
        if not callable(block):
            raise TypeError(f"the block at {path!r} is a factory or a module, got {block!r}")


def _target(model: nn.Module, path: str) -> nn.Module:
    modules = dict(model.named_modules())
    if path not in modules:
        near = get_close_matches(path, modules, n=5, cutoff=0.4) or [p for p in modules if p][:5]
        raise ValueError(f"{type(model).__name__} has no module {path!r}; near matches: {', '.join(near)}")
    target = modules[path]
    if hasattr(target, CHILD):
        raise ValueError(f"module {path!r} has a nonlocal block already")
    if _reads_items(target):
        raise ValueError(
            f"module {path!r} is a {type(target).__name__}, a container that is read item by item; "
            "name the item that the block shall follow"
        )
    return target


def _reads_items(module: nn.Module) -> bool:
    """Whether a module goes through its children itself: it would run a block among them as one more item."""
    if isinstance(module, nn.Sequential):
        return type(module).forward is not nn.Sequential.forward
    return isinstance(module, nn.ModuleList | nn.ModuleDict)


def _build(
    block: Callable[[int], nn.Module], channels: Mapping[str, int | None], path: str, target: nn.Module
) -> nn.Module:
    if isinstance(block, nn.Module):
        return block
    found = channels[path]
    if found is None:
        raise ValueError(
            f"cannot tell the channel count of module {path!r}: it has no convolution, norm or linear "
            "layer; pass example=torch.randn(...), an input of the model"
        )
    with created(*_place(target)):
        built = block(found)
    if not isinstance(built, nn.Module):
        raise TypeError(f"the factory of the block at {path!r} made no module, but {built!r}")
    return built


def _place(target: nn.Module) -> tuple[torch.device | None, torch.dtype | None]:
    """Device and type of the module that a block follows: that of its floating-point parameters."""
    own = next((p for p in target.parameters() if p.is_floating_point()), None)
    return (None, None) if own is None else (own.device, own.dtype)


def _static_channels(targets: Mapping[str, nn.Module]) -> dict[str, int | None]:
    return {path: _last_channels(target) for path, target in targets.items()}


def _last_channels(module: nn.Module) -> int | None:
    """Output channels of the last layer in ``module`` that has a channel count."""
    found = None
    for layer in module.modules():
        for name in ("out_channels", "num_features", "num_channels", "out_features"):
            value = getattr(layer, name, None)
            if isinstance(value, int):
                found = value
                break
    return found


def _measure(model: nn.Module, targets: Mapping[str, nn.Module], example: Tensor) -> dict[str, int | None]:
    """Output channels of each target in a forward pass of ``example``, in evaluation mode."""
    found: dict[str, int | None] = dict.fromkeys(targets)

    def watch(path: str) -> Callable[[nn.Module, tuple[object, ...], object], None]:
        def hook(module: nn.Module, args: tuple[object, ...], output: object) -> None:
            found[path] = _map_of(module, output).shape[1]

        return hook

    handles = [target.register_forward_hook(watch(path)) for path, target in targets.items()]
    modes = {module: module.training for module in model.modules()}
    try:
        with torch.no_grad():
            model.eval()(example)
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes.items():
            module.training = mode
    return found


def _attach(target: nn.Module, block: nn.Module) -> None:
    target.add_module(CHILD, block)
    if type(target).forward is not nn.Sequential.forward:  # a Sequential runs its last child itself
        target.register_forward_hook(_apply_child)


def _apply_child(module: nn.Module, args: tuple[object, ...], output: object) -> Tensor:
    return module.get_submodule(CHILD)(_map_of(module, output))


def _map_of(module: nn.Module, output: object) -> Tensor:
    if not isinstance(output, Tensor) or output.dim() < 3:
        found = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise ValueError(
            f"a nonlocal block follows a module that returns one map (B, C, *spatial); "
            f"{type(module).__name__} returned {found}"
        )
    return output
