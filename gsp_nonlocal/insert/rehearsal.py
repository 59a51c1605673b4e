"""Shapes at other sizes: a copy of a network without numbers is run on examples without numbers."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor, nn

from gsp_nonlocal.insert.passes import observe

_FACTORS = (Fraction(2), Fraction(3, 2), Fraction(1, 2))
Shapes = dict[str, tuple[int, ...]]


def without_numbers(module: nn.Module) -> nn.Module:
    """A copy on the device ``meta``, which shares nothing with ``module``. Nothing is computed with it."""
    memo: dict[int, Any] = {}
    for tensor in _tensors(module):
        twin = torch.empty_like(tensor.detach(), device="meta")
        parameter = isinstance(tensor, nn.Parameter)
        memo[id(tensor)] = nn.Parameter(twin, tensor.requires_grad) if parameter else twin
    return copy.deepcopy(module, memo).eval()


def _tensors(module: nn.Module) -> Iterator[Tensor]:
    """Parameters, buffers, and tensors that are plain attributes."""
    yield from module.parameters()
    yield from module.buffers()
    for part in module.modules():
        yield from (value for value in vars(part).values() if isinstance(value, Tensor))


class Rehearsal:
    """Output shapes of the modules at ``paths`` for another input than ``example``."""

    def __init__(self, model: nn.Module, paths: Sequence[str], example: Tensor) -> None:
        self.example = example
        self.paths = paths
        try:
            self.model: nn.Module | None = without_numbers(model)
        except Exception:  # a module of another package that cannot be copied, or has tensors of its own kind
            self.model = None

    def twice_the_batch(self) -> Shapes:
        """For two times the samples; empty if the network does not take them."""
        batch, *sizes = self.example.shape
        return self._shapes([2 * batch, *sizes])

    def resized(self) -> tuple[Shapes, Fraction]:
        """For another size of the input, and the ratio of the numbers of its positions."""
        for axes in self._spatial_axes():
            for factor in _FACTORS:
                sizes = [
                    n * factor if axis in axes else Fraction(n) for axis, n in enumerate(self.example.shape)
                ]
                if all(size.denominator == 1 and size > 0 for size in sizes):
                    found = self._shapes([int(size) for size in sizes])
                    if found:
                        return found, factor ** len(axes)
        return {}, Fraction(1)

    def _spatial_axes(self) -> list[range]:
        """Axes that may be positions: of a map with channels first, then with channels last."""
        dims = self.example.dim()
        return [range(1, 2)] if dims == 2 else [range(2, dims), range(1, dims - 1)] if dims > 2 else []

    def _shapes(self, sizes: list[int]) -> Shapes:
        if self.model is None:
            return {}
        example = torch.empty(sizes, dtype=self.example.dtype, device="meta")
        for place in (nullcontext(), torch.device("meta")):  # tensors that a forward makes, without a device
            try:
                with place:
                    targets = {path: self.model.get_submodule(path) for path in self.paths}
                    calls = observe(self.model, targets, example).calls
                return {
                    path: found[0].shape
                    for path, found in calls.items()
                    if len(found) == 1 and found[0].shape
                }
            except Exception:  # the network does not take this size, or does more than shapes tell
                continue
        return {}


def varied(model: nn.Module, paths: Sequence[str], example: Any) -> Rehearsal | None:
    """A rehearsal, where the example is one tensor."""
    return Rehearsal(model, paths, example) if isinstance(example, Tensor) and example.dim() > 1 else None


def ratio_to_prefix(length: int, resized: int, factor: Fraction) -> int | None:
    """``p`` of ``length = p + n``, ``resized = p + factor · n``; ``None`` where it is no such number."""
    prefix = (factor * length - resized) / (factor - 1)
    return int(prefix) if prefix.denominator == 1 and 0 <= prefix < length else None
