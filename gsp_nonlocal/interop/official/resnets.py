"""Networks of the authors' public code (Zhu et al. 2021): for CIFAR, and the ResNets for ImageNet."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor, nn

from gsp_nonlocal.extras import naming_extra
from gsp_nonlocal.insert import insert_blocks
from gsp_nonlocal.interop.official.blocks import load_block
from gsp_nonlocal.interop.translation import State, load_translated, require_keys, sizes
from gsp_nonlocal.models import PreResNet

RESNETS = {(3, 4, 6, 3): "resnet50", (3, 4, 23, 3): "resnet101", (3, 8, 36, 3): "resnet152"}
"""The name of a network by the residual units of its four layers."""

_STAGES = ("layer1", "layer2", "layer3", "layer4")


def load_network(state_dict: State, kind: str = "snl") -> nn.Module:
    """The authors' network of this state: depth, classes, channels, blocks and their places are found in it.

    Two families are known: the pre-activation ResNets for CIFAR, as :class:`PreResNet` (what the authors call
    PreResNet-56 and 110 has bottleneck units, and 83 and 164 layers), and ResNet-50, 101 and 152 for
    ImageNet, as torchvision's (extra ``models``), with one block or five in layers 3 and 4.

    Args:
        state_dict: tensors under the authors' keys.
        kind: of its blocks, see :func:`load_block`; the keys do not tell NL, NS and A² apart.

    Returns:
        The network, in training mode. The keys of its backbone are PyTorch's usual ones; blocks are named
        ``nonlocal_block`` in the unit that they follow.

    Raises:
        TypeError: for what is no mapping of keys to tensors.
        ValueError: if the keys do not fit (missing and surplus keys named), or the numbers of residual units
            are those of no such network.

    Deviations:
        The ResNets average over all positions, so that images of any size are taken (the authors' code
        averages over 7×7).

    References:
        Zhu, She, Li, Lu, Kang, Hu, Wang (2021), *Unifying Nonlocal Blocks for Neural Networks*, their code.

    Example:
        >>> import torch
        >>> from gsp_nonlocal.models import preresnet20
        >>> saved = preresnet20(num_classes=7)  # without blocks the authors' keys are ours
        >>> network, x = load_network(saved.state_dict()), torch.randn(1, 3, 32, 32)
        >>> torch.equal(network.eval()(x), saved.eval()(x))
        True
    """
    what = "the authors' network"
    require_keys(state_dict, [], what)  # a state at all
    if "fc.weight" in state_dict:
        return _load_resnet(state_dict, kind)
    require_keys(state_dict, ["conv.weight", "fc2.weight"], what)
    blocks, backbone = _split(state_dict)
    units = len({key.split(".")[1] for key in backbone if key.startswith("layer1.")})
    classes, channels = backbone["fc2.weight"].shape[0], sizes(backbone, "conv.weight", what)[1]
    bottleneck = "layer1.0.conv3.weight" in backbone
    depth = (9 if bottleneck else 6) * units + 2
    network = PreResNet(depth, classes, channels, bottleneck=bottleneck)
    return _filled(network, blocks, backbone, state_dict, kind)


def _load_resnet(state_dict: State, kind: str) -> nn.Module:
    require_keys(state_dict, ["conv1.weight", "fc.weight"], "the authors' network")
    blocks, backbone = _split(state_dict)
    counts = tuple(
        len({key.split(".")[1] for key in backbone if key.startswith(f"{stage}.")}) for stage in _STAGES
    )
    if counts not in RESNETS:
        known = ", ".join(f"{name} {units}" for units, name in RESNETS.items())
        raise ValueError(f"layers of {counts} residual units are none of the authors' networks: {known}")
    with naming_extra():
        from torchvision.models import get_model
    network = get_model(RESNETS[counts], weights=None, num_classes=backbone["fc.weight"].shape[0])
    network.avgpool = nn.Sequential(network.avgpool, nn.Dropout(0.5))
    return _filled(network, blocks, backbone, state_dict, kind)


def _filled(
    network: nn.Module,
    blocks: Mapping[str, dict[str, Tensor]],
    backbone: dict[str, Tensor],
    state_dict: State,
    kind: str,
) -> nn.Module:
    """``network`` with its blocks and all weights."""
    insert_blocks(network, {path: _block(kind, state) for path, state in blocks.items()})
    inserted = {k: v for k, v in network.state_dict().items() if ".nonlocal_block." in k}
    _require_same_keys(network, {**backbone, **inserted})
    load_translated(network, {**backbone, **inserted}, state_dict)
    return network


def _block(kind: str, state: dict[str, Tensor]) -> Callable[[int], nn.Module]:
    """The block of a state; criss-cross and pyramid blocks stand in a chain, numbered from 0."""
    numbers = {key.partition(".")[0] for key in state}
    if not all(number.isdigit() for number in numbers):
        return lambda channels: load_block(kind, state)
    chain = [load_block(kind, _under(state, f"{number}.")) for number in sorted(numbers, key=int)]
    return lambda channels: chain[0] if len(chain) == 1 else nn.Sequential(*chain)


def _split(state: State) -> tuple[dict[str, dict[str, Tensor]], dict[str, Tensor]]:
    """States of blocks by the unit that each follows, and the backbone's without them.

    The authors number units and blocks of a layer in one sequence; what has no ``conv1`` is a block.
    """
    blocks: dict[str, dict[str, Tensor]] = {}
    backbone = dict(state)
    for stage in _STAGES:
        numbers = sorted({int(n) for n in (key.split(".")[1] for key in _keys(state, stage)) if n.isdigit()})
        units = 0
        for number in numbers:
            prefix = f"{stage}.{number}."
            own = _under(state, prefix)
            for key in own:
                del backbone[prefix + key]
            if "conv1.weight" in own:
                backbone |= {f"{stage}.{units}.{key}": value for key, value in own.items()}
                units += 1
            else:
                blocks[f"{stage}.{units - 1}"] = own
    return blocks, backbone


def _keys(state: State, stage: str) -> list[str]:
    return [key for key in state if key.startswith(f"{stage}.")]


def _under(state: State, prefix: str) -> dict[str, Tensor]:
    """What stands under a prefix, without it."""
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


def _require_same_keys(module: nn.Module, state: State) -> None:
    expected = {k for k in module.state_dict() if not k.endswith("num_batches_tracked")}
    missing, surplus = sorted(expected - set(state)), sorted(set(state) - set(module.state_dict()))
    if missing or surplus:
        raise ValueError(
            "the state does not fit: "
            f"missing {', '.join(missing) or 'nothing'}; surplus {', '.join(surplus) or 'nothing'}"
        )
