"""Where the papers put their blocks, as module paths of a network."""

from collections.abc import Mapping, Sequence

from torch import nn

from gsp_nonlocal.models import PreResNet


def block_places(
    network: nn.Module,
    name: str,
    count: int | None = None,
    layers: Sequence[int] | None = None,
    at: Sequence[str] | None = None,
) -> list[str]:
    """Return the modules after which blocks go.

    A pre-activation ResNet has one before the third unit of each chosen layer, layer 3 by default. Networks
    of layers in torchvision's form have one before the last unit of each, layer 3 by default; ``count=5``:
    before units 1, 3 and 5 of layer 3 and before unit 1 of layer 4 and at its end, counted from 0.

    Args:
        network: The network.
        name: What messages call it.
        count: 1 or 5; the paper's places for so many.
        layers: Layers that get one block each.
        at: The modules themselves.

    Raises:
        ValueError: If more than one of ``count``, ``layers`` and ``at`` is given, or the network lacks the
            place.

    References:
        Zhu et al. (2021), *Unifying Nonlocal Blocks for Neural Networks*, and their code, in which the fifth
        place stops at a name that is not defined, and the networks of 101 and 152 layers have no five.
    """
    given = {"count": count, "layers": layers, "at": at}
    chosen = {key: value for key, value in given.items() if value is not None}
    if len(chosen) > 1:
        raise ValueError(f"{_listed(chosen)} each say where blocks go; give one of them")
    if at is not None:
        return _checked_paths(at)
    if count == 5:
        return _five(network, name)
    if count not in (None, 1):
        raise ValueError(f"count={count} blocks have no place of the paper's; choose 1 or 5, or layers or at")
    return [_in_layer(network, name, layer) for layer in _checked_layers(layers)]


def _checked_paths(at: Sequence[str]) -> list[str]:
    if not at or len(set(at)) < len(at):
        raise ValueError(f"at={list(at)} names no place, or one twice; give each module once, as layer3.4")
    return list(at)


def _checked_layers(layers: Sequence[int] | None) -> list[int]:
    chosen = [3] if layers is None else list(layers)
    if not chosen or len(set(chosen)) < len(chosen):
        raise ValueError(f"layers={chosen} names no layer, or one twice; give each once, as [1, 2, 3]")
    return chosen


def _in_layer(network: nn.Module, name: str, layer: int) -> str:
    units = _units(network, name, layer)
    before = min(2, units - 1) if isinstance(network, PreResNet) else units - 1
    return f"layer{layer}.{max(before - 1, 0)}"


def _five(network: nn.Module, name: str) -> list[str]:
    if isinstance(network, PreResNet) or _units(network, name, 3) < 6 or _units(network, name, 4) < 2:
        raise ValueError(
            f"backbone {name!r} has no five places: layer 3 of 6 units or more and layer 4 have them; "
            "choose count=1, or layers or at"
        )
    last = _units(network, name, 4) - 1
    return ["layer3.0", "layer3.2", "layer3.4", "layer4.0", f"layer4.{last}"]


def _units(network: nn.Module, name: str, layer: int) -> int:
    """Residual units of a layer."""
    found = getattr(network, f"layer{layer}", None)
    if isinstance(found, nn.Sequential) and len(found) > 1:
        return len(found)
    known = [key for key, child in network.named_children() if key.startswith("layer")]
    remedy = f"it has {', '.join(known)}" if known else "name the modules: at=['<path>', …]"
    raise ValueError(f"backbone {name!r} has no layer{layer} of several units; {remedy}")


def _listed(chosen: Mapping[str, object]) -> str:
    return " and ".join(f"{key}={value}" for key, value in chosen.items())
