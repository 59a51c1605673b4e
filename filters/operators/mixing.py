"""Mixing of channels, the one dense product that every projection and every filter needs."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from filters.checks import common_batch
from filters.export import is_exporting


def is_channel_first(nodes: Tensor) -> bool:
    """Whether ``nodes (B, N, C)`` is the transposed view of a contiguous ``(B, C, N)`` map."""
    return nodes.dim() == 3 and nodes.stride(1) == 1 and nodes.stride(2) != 1


def mix_channels(nodes: Float[Tensor, "#B N C"], weight: Float[Tensor, "*#B C D"]) -> Float[Tensor, "_ N D"]:
    r"""``Y = X W``, in the memory layout of ``X``.

    A feature map ``(B, C, *spatial)`` gives node signals as the *view* ``(B, N, C)`` of a
    channel-first buffer. A plain ``X @ W`` would copy it to node-first memory, and the normalisation
    after it would copy it back; here the product is formed as ``(Wᵀ Xᵀ)ᵀ`` instead.

    Args:
        nodes: ``X``, shape ``(B, N, C)``, any strides.
        weight: ``W``, shape ``(C, D)``, or ``(B, C, D)``.

    Returns:
        ``(B, N, D)``, channel-first in memory where ``nodes`` is.

    Example:
        >>> x = torch.randn(2, 8, 4, 4)
        >>> y = mix_channels(x.flatten(2).mT, torch.randn(8, 3))
        >>> y.shape, is_channel_first(y)
        (torch.Size([2, 16, 3]), True)
    """
    if not is_channel_first(nodes):
        return nodes @ weight
    if weight.dim() == 2 and _is_wide(nodes, weight):
        return functional.conv1d(nodes.mT, weight.mT.unsqueeze(-1)).mT
    batch = common_batch(nodes, weight) if weight.dim() == 3 else nodes.shape[0]
    return torch.bmm(weight.mT.expand(batch, -1, -1), nodes.mT.expand(batch, -1, -1)).mT


def _is_wide(nodes: Tensor, weight: Tensor) -> bool:
    """Whether one sample's gradient of ``W``, ``C D`` numbers, outweighs its signals, ``N (C + D)``.

    A batched product keeps that gradient for each sample before it sums them; a convolution does not.
    """
    return not is_exporting() and weight.numel() > nodes.shape[1] * sum(weight.shape)
