"""Feature maps as node signals, and the projections that act on every node alike."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from filters.linear import require_real_floating
from filters.mixing import mix_channels


def to_nodes(x: Tensor) -> Tensor:
    """The node signal ``(B, N, C)`` of a map ``x (B, C, *spatial)``, ``N = ∏ spatial``: a view.

    Raises:
        TypeError: for integer or complex features.
        ValueError: for a map without spatial dimensions or without positions.
    """
    require_real_floating(x, "a feature map")
    if x.dim() < 3:
        raise ValueError(
            "a feature map has shape (B, C, *spatial) with at least one spatial dimension, "
            f"got {tuple(x.shape)}"
        )
    if 0 in x.shape:
        raise ValueError(f"a feature map needs at least one position, got shape {tuple(x.shape)}")
    return x.flatten(2).mT


def to_map(nodes: Tensor, spatial: torch.Size) -> Tensor:
    """The map ``(B, C, *spatial)`` of a node signal ``(B, N, C)``: the inverse of :func:`to_nodes`."""
    return nodes.mT.unflatten(2, spatial)


class PointwiseProjection(nn.Module):
    """``Y = X W``: a 1×1 convolution without bias, on node signals of maps of any dimension.

    Args:
        in_channels: channels of ``X (B, N, in)``, at least 1.
        out_channels: channels of ``Y (B, N, out)``, at least 1.

    Raises:
        ValueError: if a number is below 1, or if the input has another number of channels.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        for name, value in {"in_channels": in_channels, "out_channels": out_channels}.items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        self.weight = nn.Parameter(torch.empty(in_channels, out_channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw ``W`` uniformly in ``±1/√in``, as PyTorch's convolutions do."""
        bound = self.weight.shape[0] ** -0.5
        nn.init.uniform_(self.weight, -bound, bound)

    def forward(self, nodes: Tensor) -> Tensor:
        """``(B, N, in) -> (B, N, out)``."""
        if nodes.shape[-1] != self.weight.shape[0]:
            raise ValueError(
                f"expected {self.weight.shape[0]} channels, got {nodes.shape[-1]} "
                f"(node signal of shape {tuple(nodes.shape)})"
            )
        return mix_channels(nodes, self.weight)

    def extra_repr(self) -> str:
        """What ``repr`` shows of the settings."""
        return f"{self.weight.shape[0]}, {self.weight.shape[1]}"
