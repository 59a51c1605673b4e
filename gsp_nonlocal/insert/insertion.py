"""Insertion of nonlocal blocks into any network, by module path."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gsp_nonlocal.creation import created
from gsp_nonlocal.insert.alone import place_without_example
from gsp_nonlocal.insert.attachment import CHILD, Place, attach, bends, is_bent
from gsp_nonlocal.insert.layouts import OutputLayout, Tokens, as_layout
from gsp_nonlocal.insert.measuring import measure
from gsp_nonlocal.insert.passes import error_line, undisturbed
from gsp_nonlocal.insert.paths import matching, modules_by_path

Block = Callable[[int], nn.Module]


def insert_blocks(
    model: nn.Module,
    blocks: Mapping[str, Block],
    *,
    example: Any = None,
    layout: OutputLayout | str | Mapping[str, OutputLayout | str] | None = None,
) -> nn.Module:
    r"""``y ← block(y)`` for the output ``y`` of each named module, in place.

    The block becomes a child ``nonlocal_block`` of the module it follows, so every key of the backbone's
    ``state_dict`` stays as it is: pretrained weights load before insertion, or after it with
    ``strict=False``. The result can be deep-copied, saved, compiled, and trained under DDP.
    ``inserted_blocks(model)`` shows what is where, ``remove_blocks(model)`` takes it out.

    **An optimiser made before insertion does not know the blocks**, and leaves them the identity for ever:
    make it afterwards, or hand it the blocks' parameters (``optimizer.add_param_group``).

    With an ``example``, width and layout are found by running the model: ``(B, C, *spatial)``,
    ``(B, *spatial, C)``, or tokens ``(B, N, C)``, whose leading tokens that are no positions are left alone.
    Without one, the output has its channels first, and its width is that of the last layer inside the module,
    if a run of the module by itself (of shapes only) agrees. What is not certain is refused.

    Args:
        model: any module.
        blocks: from module path, as in ``model.named_modules()`` (``"layer3.4"``), or pattern
            (``"layer3.*"``: the units of ``layer3``; ``*`` does not reach past a dot), to a factory called
            ``factory(channels)`` (``SNL``, ``partial(SNL, order=3)``) or to a finished module. Blocks are
            made in this order, those of a pattern in the order of the model; after a module in
            evaluation mode they are in it too.
        example: an input of the model; a tuple for several, a mapping for inputs by name. The model runs on
            it twice, in evaluation mode.
        layout: of all outputs, or by the keys of ``blocks``: ``"channels_first"``, ``"channels_last"``,
            ``"tokens"``, ``Tokens(prefix=1)``, ``Tokens(prefix=1, grid=(14, 14))``. It goes before what is
            found.

    Returns:
        ``model`` itself.

    Raises:
        TypeError: for what is no module, no mapping, no layout, or no factory of modules.
        ValueError: for an unknown path or a pattern of nothing (near matches are listed); a module that has a
            block already, or is named twice; a container that reads its items one by one; a width or layout
            that is not certain. With an example also for a module that runs several times or never, returns
            no tensor of three dimensions or more, or a map that the block refuses. Nothing is inserted then.

    Example:
        >>> from gsp_nonlocal import SNL
        >>> cnn = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3))
        >>> _ = insert_blocks(cnn, {"0": SNL})
        >>> [key for key in cnn.state_dict() if "nonlocal" not in key]
        ['0.weight', '0.bias', '2.weight', '2.bias']
    """
    _check(model, blocks)
    keys = _keys(model, blocks)
    modules = modules_by_path(model)
    targets = {path: _checked(path, modules[path]) for path in keys}
    _require_distinct(targets)
    layouts = _layouts(layout, keys, blocks)
    if example is None:
        places = {
            path: place_without_example(path, target, blocks[keys[path]], layouts.get(path))
            for path, target in targets.items()
        }
    else:
        places = measure(model, targets, example, layouts)
    _require_reachable(targets, places)
    built = {path: _build(blocks[key], places[path], path, targets[path]) for path, key in keys.items()}
    _require_own(built, places)
    for path, block in built.items():
        _try(block, places[path], path, targets[path])
    for path, block in built.items():
        attach(targets[path], block, places[path])
    return model


def _check(model: nn.Module, blocks: Mapping[str, Block]) -> None:
    if not isinstance(model, nn.Module):
        raise TypeError(f"blocks are inserted into a module, got {type(model).__name__}")
    if not isinstance(blocks, Mapping):
        raise TypeError(f"blocks map module paths to factories, got {type(blocks).__name__}")
    for path, block in blocks.items():
        if not isinstance(path, str):
            raise TypeError(f"a module path is a string as in model.named_modules(), got {path!r}")
        if not callable(block):
            raise TypeError(f"the block at {path!r} is a factory or a module, got {block!r}")


def _keys(model: nn.Module, blocks: Mapping[str, Block]) -> dict[str, str]:
    """From module path to the key of ``blocks`` that names it."""
    modules, found = modules_by_path(model), dict[str, str]()
    for key, block in blocks.items():
        paths = matching(key, modules, type(model).__name__)
        if isinstance(block, nn.Module) and len(paths) > 1:
            raise ValueError(
                f"{key!r} names {len(paths)} modules ({', '.join(paths[:3])}, …), and one finished block "
                "would be shared by all; give a factory"
            )
        for path in paths:
            if path in found:
                raise ValueError(f"module {path!r} is named by {found[path]!r} and by {key!r}; name it once")
            found[path] = key
    return found


def _checked(path: str, target: nn.Module) -> nn.Module:
    kind = type(target)
    if hasattr(target, CHILD):
        raise ValueError(f"module {path!r} has a nonlocal block already")
    if isinstance(target, torch.jit.ScriptModule):
        raise ValueError(
            f"module {path!r} is scripted and takes no child; insert blocks before torch.jit.script"
        )
    if isinstance(target, nn.ModuleList | nn.ModuleDict) and kind.forward is nn.Module.forward:
        raise ValueError(
            f"module {path!r} is a {kind.__name__}, a container that is read item by item; name the item "
            "that the block shall follow"
        )
    return target


def _require_distinct(targets: Mapping[str, nn.Module]) -> None:
    first: dict[nn.Module, str] = {}
    for path, target in targets.items():
        if target in first:
            raise ValueError(f"{first[target]!r} and {path!r} are one module at two paths; name it once")
        first[target] = path


def _layouts(
    layout: OutputLayout | str | Mapping[str, OutputLayout | str] | None,
    keys: Mapping[str, str],
    blocks: Mapping[str, Block],
) -> dict[str, OutputLayout]:
    """From module path to the layout that is given for it."""
    if layout is None:
        return {}
    if not isinstance(layout, Mapping):
        return dict.fromkeys(keys, as_layout(layout))
    unknown = [key for key in layout if key not in blocks]
    if unknown:
        raise ValueError(
            f"layout names {unknown[0]!r}, at which no block goes; blocks are at {', '.join(blocks)}"
        )
    return {path: as_layout(layout[key]) for path, key in keys.items() if key in layout}


def _require_reachable(targets: Mapping[str, nn.Module], places: Mapping[str, Place]) -> None:
    """Raise for leading tokens before a block that its module runs: they would go through it."""
    for path, place in places.items():
        if place.runs_children and isinstance(place.layout, Tokens) and place.layout.prefix:
            last = ".".join(filter(None, [path, next(reversed(targets[path]._modules), "")]))
            raise ValueError(
                f"module {path!r} runs its items itself, and a block among them would get its "
                f"{place.layout.prefix} leading tokens too; name its last item, {last}"
            )


def _build(block: Block, place: Place, path: str, target: nn.Module) -> nn.Module:
    if not isinstance(block, nn.Module):
        with created(*_device_and_type(target)):
            made = block(place.channels)  # type: ignore[arg-type]  # only finished blocks have no known width
        if not isinstance(made, nn.Module):
            raise TypeError(f"the factory of the block at {path!r} made no module, but {made!r}")
        return made if target.training else made.eval()
    return block


def _require_own(built: Mapping[str, nn.Module], places: Mapping[str, Place]) -> None:
    """Raise for a finished block at several places if one of them bends it to another layout."""
    uses = Counter(map(id, built.values()))
    bent = {id(block) for path, block in built.items() if bends(places[path])}
    for path, block in built.items():
        if is_bent(block) or (uses[id(block)] > 1 and id(block) in bent):
            raise ValueError(f"the block at {path!r} follows another module already; give a factory")


def _device_and_type(target: nn.Module) -> tuple[torch.device | None, torch.dtype | None]:
    """Device and type of the module that a block follows: that of its floating-point parameters."""
    own = next((p for p in target.parameters() if p.is_floating_point()), None)
    return (None, None) if own is None else (own.device, own.dtype)


def _try(block: nn.Module, place: Place, path: str, target: nn.Module) -> None:
    """Raise unless the block takes a map as in the example and gives such a map."""
    if place.spatial is None or place.channels is None:
        return
    like = next(
        (p for p in (*block.parameters(), *target.parameters()) if p.is_floating_point()), torch.empty(0)
    )
    x = torch.zeros(1, place.channels, *place.spatial, dtype=like.dtype, device=like.device)
    try:
        with undisturbed(block):
            y = block(x)
    except Exception as error:  # blocks of other packages raise anything
        raise ValueError(
            f"the block at {path!r} does not take the map {tuple(x.shape)} of its module's output "
            f"({error_line(error)}); give another block, or layout=, as Tokens(prefix=1, grid=(14, 14)) "
            "where it needs a map of two dimensions"
        ) from error
    if not isinstance(y, Tensor) or y.shape != x.shape:
        found = tuple(y.shape) if isinstance(y, Tensor) else type(y).__name__
        raise ValueError(f"the block at {path!r} must keep the map {tuple(x.shape)}, and returned {found}")
