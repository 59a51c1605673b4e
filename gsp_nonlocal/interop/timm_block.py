"""The nonlocal block of timm (``NonLocalAttn``), read. timm itself is not needed."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import nn

from filters import Aggregation
from gsp_nonlocal.affinity import EmbeddedGaussian
from gsp_nonlocal.blocks import NonlocalBlock
from gsp_nonlocal.interop.translation import (
    State,
    batch_norm,
    load_translated,
    pointwise,
    require_keys,
    sizes,
    terms,
    translate,
    vectors,
)
from gsp_nonlocal.nodes import Bias, PointwiseProjection


def convert(module: nn.Module) -> NonlocalBlock:
    """Our block with the weights and settings of a ``NonLocalAttn``: the same values and gradients.

    Args:
        module: a ``NonLocalAttn`` of timm with batch norm.

    Returns:
        The block, in the module's mode, data type and device.

    Raises:
        TypeError: for another module, or another norm.
        ValueError: for a state whose keys do not fit.

    References:
        Wang, Girshick, Gupta, He (2018), *Non-local Neural Networks*, as timm has it.

    Example:
        >>> import torch
        >>> from timm.layers import NonLocalAttn
        >>> theirs, x = NonLocalAttn(16), torch.randn(2, 16, 5, 5)
        >>> _ = nn.init.ones_(theirs.norm.weight)  # 0 at its start, which hides the rest
        >>> torch.allclose(convert(theirs)(x), theirs(x), atol=1e-5)
        True
    """
    settings: Any = module
    if type(module).__name__ != "NonLocalAttn":
        raise TypeError(f"expected a NonLocalAttn of timm, got {type(module).__name__}")
    if not isinstance(settings.norm, nn.BatchNorm2d):
        raise TypeError(f"only batch norm can be read; this block has {type(settings.norm).__name__}")
    norm = settings.norm
    block = load_block(module.state_dict(), scale=settings.scale, eps=norm.eps, momentum=norm.momentum)
    return block.train(module.training)


def load_block(
    state_dict: State, *, scale: float | None = None, eps: float = 1e-5, momentum: float | None = 0.1
) -> NonlocalBlock:
    """Our block with the weights of timm's ``state_dict``; channels are found in it.

    Args:
        state_dict: tensors under timm's keys.
        scale: factor of the exponents; by default ``1/√C``, as timm has it.
        eps: of the batch norm.
        momentum: of the batch norm.

    Returns:
        The block, in training mode, without a gate and without an activation.

    Raises:
        TypeError: for what is no mapping of keys to tensors.
        ValueError: for a state whose keys or shapes do not fit (missing and surplus keys named).

    References:
        Wang, Girshick, Gupta, He (2018), *Non-local Neural Networks*, as timm has it.

    Example:
        >>> from timm.layers import NonLocalAttn
        >>> block = load_block(NonLocalAttn(16).state_dict())
        >>> block.channels, block.affinity.scale  # 1/√C
        (16, 0.25)
    """
    require_keys(state_dict, ["t.weight"], "a timm block")
    inner, channels = sizes(state_dict, "t.weight", "a timm block")
    batch = partial(nn.BatchNorm1d, eps=eps, momentum=momentum)
    block = NonlocalBlock(
        channels,
        inner,
        affinity=partial(EmbeddedGaussian, scale=channels**-0.5 if scale is None else scale, bias=True),
        filter=Aggregation,
        norm=lambda c: nn.Sequential(Bias(c), batch(c)),
        activation=nn.Identity,
        value=partial(PointwiseProjection, bias=True),
        gate=False,
    )
    rules = [
        pointwise("affinity.theta_phi.weight", "t.weight", "p.weight"),
        vectors("affinity.theta_phi.bias", "t.bias", "p.bias"),
        pointwise("stages.0.value.weight", "g.weight"),
        vectors("stages.0.value.bias", "g.bias"),
        terms("stages.0.filter.weight", "z.weight"),
        vectors("stages.0.norm.0.bias", "z.bias"),
        *batch_norm("stages.0.norm.1", "norm"),
    ]
    load_translated(block, translate(rules, state_dict, "a timm block"), state_dict)
    return block
