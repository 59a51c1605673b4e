"""The global context block of GCNet and of mmcv (``ContextBlock2d``, ``ContextBlock``), read by its state."""

from __future__ import annotations

from gsp_nonlocal.blocks import GC
from gsp_nonlocal.interop.translation import (
    State,
    load_translated,
    pointwise,
    require_keys,
    reshaped,
    sizes,
    terms,
    translate,
    vectors,
)

_WHAT = "a global context block that pools by attention and adds to the channels"


def load_block(state_dict: State) -> GC:
    """Our block with the weights of GCNet's or mmcv's; channels are found in the state.

    Args:
        state_dict: tensors under the keys ``conv_mask`` and ``channel_add_conv``, for maps of two dimensions.

    Returns:
        The block, in training mode, without a gate. The bias of the mask has no part in it: a softmax does
        not see what all its exponents have in common.

    Raises:
        TypeError: for what is no mapping of keys to tensors.
        ValueError: for a state whose keys or shapes do not fit (missing and surplus keys named), as one of
            average pooling or of products with the channels (``channel_mul_conv``).

    References:
        Cao, Xu, Lin, Wei, Hu (2019), *GCNet: Non-local Networks Meet Squeeze-Excitation Networks and Beyond*.

    Example:
        >>> from torch import nn
        >>> add = nn.Sequential(nn.Conv2d(16, 4, 1), nn.LayerNorm([4, 1, 1]), nn.ReLU(), nn.Conv2d(4, 16, 1))
        >>> theirs = nn.ModuleDict({"conv_mask": nn.Conv2d(16, 1, 1), "channel_add_conv": add})
        >>> block = load_block(theirs.state_dict())
        >>> block.channels, block.inner_channels
        (16, 4)
    """
    reduction = "channel_add_conv.0.weight"
    require_keys(state_dict, [reduction], _WHAT)
    inner, channels = sizes(state_dict, reduction, _WHAT)
    block, theirs, unit = GC(channels, inner, gate=False), "channel_add_conv", "stages.0"
    rules = [
        pointwise("affinity.mask.weight", "conv_mask.weight"),
        terms(f"{unit}.filter.weight", reduction),
        vectors(f"{unit}.norm.0.bias", f"{theirs}.0.bias"),
        *(
            reshaped(f"{unit}.norm.1.{name}", f"{theirs}.1.{name}", (inner,), (inner, 1, 1))
            for name in ("weight", "bias")
        ),
        reshaped(
            f"{unit}.activation.1.weight",
            f"{theirs}.3.weight",
            (channels, inner, 1),
            (channels, inner, 1, 1),
        ),
        vectors(f"{unit}.activation.1.bias", f"{theirs}.3.bias"),
    ]
    load_translated(block, translate(rules, state_dict, _WHAT, ["conv_mask.bias"]), state_dict)
    return block
