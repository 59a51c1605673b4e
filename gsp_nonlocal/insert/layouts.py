"""How the output of a module holds a map: where its channels are, and what is no position."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from math import prod

import torch
from torch import Tensor


class OutputLayout(ABC):
    """Between an output and its map ``(B, C, *spatial)``. Layouts are values: equal if of equal settings.

    Example:
        >>> @dataclass(frozen=True)
        ... class SequenceFirst(OutputLayout):  # tokens (N, B, C)
        ...     def width(self, shape):
        ...         return shape[-1]
        ...     def to_map(self, output):
        ...         return output.permute(1, 2, 0)
        ...     def from_map(self, changed, output):
        ...         return changed.permute(2, 0, 1).contiguous()
        ...     def shape(self, batch, channels, spatial):
        ...         return (*spatial, batch, channels)
        >>> SequenceFirst().to_map(torch.zeros(49, 2, 8)).shape
        torch.Size([2, 8, 49])
        >>> SequenceFirst() == SequenceFirst()
        True
    """

    @abstractmethod
    def width(self, shape: Sequence[int]) -> int:
        """``C`` of an output of this shape."""

    @abstractmethod
    def to_map(self, output: Tensor) -> Tensor:
        """The map of an output."""

    @abstractmethod
    def from_map(self, changed: Tensor, output: Tensor) -> Tensor:
        """``output`` with the map ``changed`` in it."""

    @abstractmethod
    def shape(self, batch: int, channels: int, spatial: Sequence[int]) -> tuple[int, ...]:
        """The shape of an output with such a map."""


@dataclass(frozen=True)
class ChannelsFirst(OutputLayout):
    """``(B, C, *spatial)``: the map itself, as after a convolution.

    Example:
        >>> ChannelsFirst().to_map(torch.zeros(2, 3, 7, 5)).shape
        torch.Size([2, 3, 7, 5])
    """

    def width(self, shape: Sequence[int]) -> int:
        """The second size."""
        return shape[1]

    def to_map(self, output: Tensor) -> Tensor:
        """``output`` itself."""
        return output

    def from_map(self, changed: Tensor, output: Tensor) -> Tensor:
        """``changed`` itself."""
        return changed

    def shape(self, batch: int, channels: int, spatial: Sequence[int]) -> tuple[int, ...]:
        """``(B, C, *spatial)``."""
        return (batch, channels, *spatial)


@dataclass(frozen=True)
class ChannelsLast(OutputLayout):
    """``(B, *spatial, C)``: a map whose channels are last, as Swin transformers have it.

    References:
        Liu et al. (2021), *Swin Transformer*.

    Example:
        >>> ChannelsLast().to_map(torch.zeros(2, 7, 5, 3)).shape
        torch.Size([2, 3, 7, 5])
    """

    def width(self, shape: Sequence[int]) -> int:
        """The last size."""
        return shape[-1]

    def to_map(self, output: Tensor) -> Tensor:
        """A view."""
        return output.movedim(-1, 1)

    def from_map(self, changed: Tensor, output: Tensor) -> Tensor:
        """Contiguous, as what follows may want a view of it."""
        return changed.movedim(1, -1).contiguous()

    def shape(self, batch: int, channels: int, spatial: Sequence[int]) -> tuple[int, ...]:
        """``(B, *spatial, C)``."""
        return (batch, *spatial, channels)


@dataclass(frozen=True)
class Tokens(OutputLayout):
    """``(B, prefix + N, C)``: the block runs on the last ``N`` tokens, the others stay as they are.

    Args:
        prefix: number of leading tokens that are no positions: of class, of distillation, registers.
        grid: ``N`` as ``(H, W)``, for blocks that need a map of two dimensions; by default the positions are
            a map of one dimension.

    Raises:
        ValueError: for a negative prefix or an empty grid; at the call, where tokens do not fill the grid.

    References:
        Dosovitskiy et al. (2021), for the class token; Darcet, Oquab, Mairal, Bojanowski (2024), for
        registers.

    Example:
        >>> Tokens(prefix=1, grid=(14, 14)).to_map(torch.zeros(2, 197, 192)).shape
        torch.Size([2, 192, 14, 14])
    """

    prefix: int = 0
    grid: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.prefix, bool) or not isinstance(self.prefix, int) or self.prefix < 0:
            raise ValueError(f"prefix is a number of leading tokens, 0 or more, got {self.prefix!r}")
        if self.grid is None:
            return
        sizes = tuple(self.grid)
        if not sizes or not all(isinstance(size, int) and size > 0 for size in sizes):
            raise ValueError(f"grid is the sizes (H, W) of the map, each at least 1, got {self.grid!r}")
        object.__setattr__(self, "grid", sizes)

    def width(self, shape: Sequence[int]) -> int:
        """The last size."""
        return shape[-1]

    def to_map(self, output: Tensor) -> Tensor:
        """``(B, C, N)`` or ``(B, C, *grid)``: a view."""
        positions = output[:, self.prefix :].mT
        if self.grid is None:
            return positions
        if isinstance(output, Tensor) and positions.shape[-1] != prod(self.grid):
            raise ValueError(
                f"{output.shape[1]} tokens are not {self.prefix} and a grid of {self.grid}; insert the block "
                "with another layout=Tokens(prefix=…, grid=…)"
            )
        return positions.unflatten(2, self.grid)

    def from_map(self, changed: Tensor, output: Tensor) -> Tensor:
        """The leading tokens of ``output``, then the positions."""
        positions = changed.flatten(2).mT
        if not self.prefix:
            return positions.contiguous()
        return torch.cat([output[:, : self.prefix], positions], 1)

    def shape(self, batch: int, channels: int, spatial: Sequence[int]) -> tuple[int, ...]:
        """``(B, prefix + N, C)``."""
        return (batch, self.prefix + prod(self.grid or spatial), channels)


NAMES = {"channels_first": ChannelsFirst(), "channels_last": ChannelsLast(), "tokens": Tokens()}
"""Layouts by name; ``"tokens"`` are without a prefix."""


def as_layout(layout: OutputLayout | str) -> OutputLayout:
    """The layout of that name, or itself.

    Raises:
        ValueError: for an unknown name.
        TypeError: for what is no layout.
    """
    if isinstance(layout, OutputLayout):
        return layout
    if not isinstance(layout, str):
        raise TypeError(f"layout is an OutputLayout such as Tokens(prefix=1) or its name, got {layout!r}")
    if layout not in NAMES:
        near = get_close_matches(layout, NAMES, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ValueError(
            f"unknown layout {layout!r}; {hint}choose one of {', '.join(NAMES)}, Tokens(prefix=…)"
        )
    return NAMES[layout]
