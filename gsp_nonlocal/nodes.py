"""Feature maps as node signals, and the projections that act on every node alike."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn

from filters.checks import require_flag, require_integer
from filters.operators.linear import require_real_floating
from filters.operators.mixing import mix_channels
from filters.precision import is_autocast
from gsp_nonlocal.creation import Device, options


def to_nodes(x: Tensor) -> Tensor:
    """The node signal ``(B, N, C)`` of a map ``x (B, C, *spatial)``, ``N = ∏ spatial``: a view.

    Raises:
        TypeError: for what is no tensor, and for integer or complex features.
        ValueError: for a map without spatial dimensions or without positions.
    """
    if not isinstance(x, Tensor):
        raise TypeError(f"a feature map is a tensor (B, C, *spatial), got {type(x).__name__}")
    require_real_floating(x, "a feature map")
    if x.dim() < 3:
        raise ValueError(
            "a feature map has shape (B, C, *spatial) with at least one spatial dimension, "
            f"got {tuple(x.shape)}"
        )
    if 0 in x.shape[1:]:
        raise ValueError(f"a feature map needs at least one position, got shape {tuple(x.shape)}")
    return x.flatten(2).mT


def to_map(nodes: Tensor, spatial: torch.Size) -> Tensor:
    """The map ``(B, C, *spatial)`` of a node signal ``(B, N, C)``: the inverse of :func:`to_nodes`."""
    return nodes.mT.unflatten(2, spatial)


class Vertices(Protocol):
    """What the nodes of the graph are, given the values ``z (B, N, r)`` at the positions of a map."""

    name: str

    def fold(self, z: Tensor) -> Tensor:
        """``z (B, N, r)`` as a signal on the nodes."""

    def unfold(self, y: Tensor, num_positions: int) -> Tensor:
        """A signal on the nodes as values ``(B, N, C)`` at the positions: the inverse of :meth:`fold`."""

    def channels(self, inner_channels: int, channels: int) -> tuple[int, int]:
        """Channels in and out of a filter on these nodes."""


def require_vertices(vertices: Vertices) -> Vertices:
    """``vertices``, or a ``TypeError`` where it does not fold signals."""
    if not all(hasattr(vertices, name) for name in ("name", "fold", "unfold", "channels")):
        raise TypeError(f"vertices must be Positions(), PositionsAndChannels() or alike, got {vertices!r}")
    return vertices


class Positions:
    """A node is a position; its signal has ``r`` channels."""

    name = "N"

    def fold(self, z: Tensor) -> Tensor:
        """``z`` itself."""
        return z

    def unfold(self, y: Tensor, num_positions: int) -> Tensor:
        """``y`` itself."""
        return y

    def channels(self, inner_channels: int, channels: int) -> tuple[int, int]:
        """``(r, C)``: the filter leads back to the channels of the map."""
        return inner_channels, channels


class PositionsAndChannels:
    r"""A node is a channel of a position: ``N r / g`` nodes in each of ``g`` groups, with scalar signals.

    Args:
        groups: ``g``; it divides ``r``.

    References:
        Yue et al. (2018), *Compact Generalized Non-local Network*.

    Example:
        >>> PositionsAndChannels(2).fold(torch.zeros(3, 10, 8)).shape
        torch.Size([6, 40, 1])
    """

    def __init__(self, groups: int = 1) -> None:
        self.groups = groups = require_integer("groups", groups)
        self.name = "N·C" if groups == 1 else f"N·C/{groups}, {groups} times"

    def fold(self, z: Tensor) -> Tensor:
        """``(B, N, r) -> (B g, N r / g, 1)``."""
        batch, positions, channels = z.shape
        return z.mT.reshape(batch * self.groups, positions * channels // self.groups, 1)

    def unfold(self, y: Tensor, num_positions: int) -> Tensor:
        """``(B g, N r / g, 1) -> (B, N, r)``."""
        samples, channels = y.shape[0] // self.groups, y.shape[1] * self.groups // num_positions
        return y.reshape(samples, channels, num_positions).mT

    def channels(self, inner_channels: int, channels: int) -> tuple[int, int]:
        """``(1, 1)``: signals are scalar."""
        if inner_channels % self.groups or channels % self.groups:
            raise ValueError(
                f"groups={self.groups} must divide channels={channels} and inner_channels={inner_channels}"
            )
        return 1, 1


class Bias(nn.Module):
    """``y = x + b`` for ``x (B, C, N)`` and a learned ``b (C)``, at first 0.

    Args:
        channels: ``C``, at least 1.
        device, dtype: of ``b``; by default PyTorch's.
    """

    def __init__(self, channels: int, *, device: Device = None, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        channels = require_integer("channels", channels)
        self.bias = nn.Parameter(torch.empty(channels, **options(device, dtype)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set ``b`` to 0."""
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, N) -> (B, C, N)``."""
        return x + self.bias.to(x.dtype).unsqueeze(-1)


class PointwiseProjection(nn.Linear):
    """``Y = X Wᵀ + b``: a 1×1 convolution, on node signals of maps of any dimension.

    Whatever knows ``nn.Linear`` knows it: LoRA, initialisation by kind of layer, counts of operations.

    Args:
        in_channels: channels of ``X (B, N, in)``, at least 1.
        out_channels: channels of ``Y (B, N, out)``, at least 1.
        bias: whether there is a ``b``.
        device, dtype: of ``W (out, in)`` and ``b``; by default PyTorch's.

    Raises:
        TypeError: if a number is no integer; at the call, for features of another data type.
        ValueError: if a number is below 1; at the call, for features of another shape or device.
    """

    _version = 2

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        bias: bool = False,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        place = options(device, dtype)
        in_channels = require_integer("in_channels", in_channels)
        out_channels = require_integer("out_channels", out_channels)
        super().__init__(in_channels, out_channels, bias=require_flag("bias", bias), **place)

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw ``W`` and ``b`` uniformly in ``±1/√in``, as PyTorch's convolutions do."""
        bound = self.in_features**-0.5
        drawn = torch.empty_like(self.weight.mT, memory_format=torch.contiguous_format)
        self.weight.copy_(drawn.uniform_(-bound, bound).mT)  # in the order of version 1: seeds mean the same
        if self.bias is not None:
            self.bias.uniform_(-bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        """``(B, N, in) -> (B, N, out)``."""
        require_nodes(input)
        _require_same_kind(input, self.weight)
        if input.shape[-1] != self.in_features:
            raise ValueError(
                f"expected {self.in_features} channels, got {input.shape[-1]} "
                f"(node signal of shape {tuple(input.shape)})"
            )
        mixed = mix_channels(input, self.weight.mT)
        return mixed if self.bias is None else mixed + self.bias.to(mixed.dtype)

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, local_metadata: dict[str, Any], *rest: Any
    ) -> None:
        """Version 1 held ``Wᵀ``; a state says so by itself."""
        key = f"{prefix}weight"
        if local_metadata.get("version") == 1 and key in state_dict:
            state_dict[key] = state_dict[key].mT
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)


def require_nodes(nodes: Tensor) -> None:
    """Raise unless ``nodes`` are the features ``(B, N, C)`` of at least one node."""
    require_real_floating(nodes, "node features")
    if nodes.dim() != 3:
        raise ValueError(f"node features have shape (B, N, C), got {tuple(nodes.shape)}")
    if nodes.shape[1] == 0:
        raise ValueError(f"a graph needs at least one node, got node features of shape {tuple(nodes.shape)}")


def _require_same_kind(nodes: Tensor, weight: Tensor) -> None:
    """Raise unless both are on one device, and of one data type where autocast does not choose it."""
    if nodes.device != weight.device:
        raise ValueError(f"features are on {nodes.device} and weights on {weight.device}; use .to(device)")
    if nodes.dtype != weight.dtype and not is_autocast(nodes):
        raise TypeError(f"features are {nodes.dtype} and weights {weight.dtype}; convert one with .to(dtype)")
