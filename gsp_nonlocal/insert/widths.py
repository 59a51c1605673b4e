"""Widths that the layers of a module tell: convolutions, norms and linear layers, and vectors of weights."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

_OUT = ("out_channels", "num_features", "num_channels", "out_features", "normalized_shape")
_IN = ("in_channels", "num_features", "num_channels", "in_features", "normalized_shape")
_RANKS = (
    (nn.Conv1d | nn.ConvTranspose1d | nn.BatchNorm1d | nn.InstanceNorm1d, 1),
    (nn.Conv2d | nn.ConvTranspose2d | nn.BatchNorm2d | nn.InstanceNorm2d, 2),
    (nn.Conv3d | nn.ConvTranspose3d | nn.BatchNorm3d | nn.InstanceNorm3d, 3),
)


def last_width(module: nn.Module) -> int | None:
    """Output channels of the layer of ``module`` that was registered last."""
    return next(reversed(list(_widths(module, _OUT))), None)


def first_width(module: nn.Module) -> int | None:
    """Input channels of the layer that was registered first."""
    return next(_widths(module, _IN), None)


def all_widths(module: nn.Module) -> frozenset[int]:
    """Output channels of all layers, and lengths of all vectors of weights."""
    vectors = (len(p) for p in module.parameters() if p.dim() == 1)
    return frozenset([*_widths(module, _OUT), *vectors])


def map_rank(module: nn.Module) -> int:
    """Number of spatial dimensions of the first layer that has it in its type; 2 where none has."""
    layers = (rank for layer in module.modules() for kinds, rank in _RANKS if isinstance(layer, kinds))
    return next(layers, 2)


def _widths(module: nn.Module, names: tuple[str, ...]) -> Iterator[int]:
    for layer in module.modules():
        values = (getattr(layer, name, None) for name in names)
        values = (value[-1] if isinstance(value, tuple) and value else value for value in values)
        found = next((v for v in values if isinstance(v, int) and not isinstance(v, bool)), None)
        if found is not None:
            yield found
