"""timm's ResNets with one of our blocks: ``timm.create_model("resnet50_snl")``.

``resnet{18,34,50,101,152}`` by every name of ``gsp_nonlocal.blocks.registry``; the block stands before the
last unit of ``layer3``, as in the papers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import timm.models as zoo
from timm.models.resnet import BasicBlock, Bottleneck, ResNet
from torch import Tensor, nn

from gsp_nonlocal.blocks import registry
from gsp_nonlocal.insert import CHILD, insert_blocks

UNITS = {
    "resnet18": (BasicBlock, (2, 2, 2, 2)),
    "resnet34": (BasicBlock, (3, 4, 6, 3)),
    "resnet50": (Bottleneck, (3, 4, 6, 3)),
    "resnet101": (Bottleneck, (3, 4, 23, 3)),
    "resnet152": (Bottleneck, (3, 8, 36, 3)),
}
"""Residual unit and number of units of each layer, by timm's name of the network."""


def create(
    name: str,
    block: str,
    pretrained: bool = False,
    *,
    nonlocal_args: Mapping[str, Any] | None = None,
    **options: Any,
) -> nn.Module:
    """timm's ResNet ``name`` with the block of that name before the last unit of ``layer3``.

    Weights of the plain network load too, in all of timm's ways: where a state has nothing of the
    block, the block stays as it is, the identity at first. All other keys are as strict as timm has them.

    Args:
        name: a key of ``UNITS``.
        block: a name of ``gsp_nonlocal.blocks.registry``.
        pretrained: whether timm loads the weights that it knows, those of the plain network.
        nonlocal_args: arguments of the block: ``dict(order=3)``.
        options: of timm's ResNet: ``num_classes``, ``in_chans``, ``features_only``, ``output_stride``, …

    Raises:
        TypeError: for an argument that the block, or timm, does not know.
        ValueError: for an unknown block, or a setting that it refuses.

    Example:
        >>> import timm, torch
        >>> import gsp_nonlocal.interop.timm
        >>> cnn = timm.create_model("resnet18_snl", num_classes=10, nonlocal_args=dict(order=3))
        >>> cnn(torch.randn(2, 3, 64, 64)).shape
        torch.Size([2, 10])
    """
    unit, layers = UNITS[name]
    factory = partial(registry.get(block), **(nonlocal_args or {}))
    build = partial(_with_block, path=f"layer3.{layers[2] - 2}", factory=factory)
    options = {"block": unit, "layers": layers, **options}
    return zoo.build_model_with_cfg(build, f"{name}_{block}", pretrained, **options)


def _with_block(*, path: str, factory: Callable[[int], nn.Module], **options: Any) -> ResNet:
    network = ResNet(**options)
    insert_blocks(network, {path: factory})
    network.register_load_state_dict_pre_hook(_keep_absent_block)
    return network


def _keep_absent_block(network: nn.Module, state: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Add the block's own weights to a state that has none of any block."""
    if any(f".{CHILD}." in key for key in state):
        return
    own = {f"{prefix}{key}": value for key, value in network.state_dict().items() if f".{CHILD}." in key}
    state.update(own)


def _register(name: str, block: str) -> None:
    """Make ``<name>_<block>`` known to timm, with the weights and tags of the plain network."""
    tags = zoo.resnet.default_cfgs[name].tags
    configs: dict[str, Any] = {
        f"{name}_{block}.{tag}": zoo.get_pretrained_cfg(f"{name}.{tag}") for tag in tags
    }
    default_cfgs.update(zoo.generate_default_cfgs(configs))

    def entry(pretrained: bool = False, **options: Any) -> nn.Module:
        return create(name, block, pretrained, **options)

    entry.__name__ = entry.__qualname__ = f"{name}_{block}"
    entry.__doc__ = f"{name} with the block {block!r} before the last unit of layer3; see :func:`create`."
    globals()[entry.__name__] = zoo.register_model(entry)


__all__ = ["UNITS", "create"]
default_cfgs: dict[str, Any] = {}
"""What timm knows of each network's weights; it looks for them under this name."""
for _name in UNITS:
    for _block in registry.names():
        _register(_name, _block)
