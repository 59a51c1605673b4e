"""Shapes at other sizes: a copy of a network without numbers is run on examples without numbers."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from fractions import Fraction
from itertools import product
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
    """Output shapes of the modules at ``paths`` for another input than ``example``, by path.

    A network that stops at another input, as at a classifier of one size, still shows what ran before. A path
    is missing where nothing did.
    """

    def __init__(self, model: nn.Module, paths: Sequence[str], example: Tensor) -> None:
        self.example = example
        self.paths = paths
        try:
            self.model: nn.Module | None = without_numbers(model)
        except Exception:  # a module of another package that cannot be copied, or has tensors of its own kind
            self.model = None

    def twice_the_batch(self) -> Shapes:
        """For two times the samples."""
        batch, *sizes = self.example.shape
        return self._shapes([2 * batch, *sizes], self.paths)

    def resized(self) -> dict[str, tuple[tuple[int, ...], Fraction]]:
        """For another size of the input; with the ratio of the numbers of the input's positions."""
        found: dict[str, tuple[tuple[int, ...], Fraction]] = {}
        for axes, factor in product(self._spatial_axes(), _FACTORS):
            missing = [path for path in self.paths if path not in found]
            sizes = [
                Fraction(n) * (factor if axis in axes else 1) for axis, n in enumerate(self.example.shape)
            ]
            if missing and all(size.denominator == 1 and size > 0 for size in sizes):
                shapes = self._shapes([int(size) for size in sizes], missing)
                found |= {path: (shape, factor ** len(axes)) for path, shape in shapes.items()}
        return found

    def _spatial_axes(self) -> list[range]:
        """Axes that may be positions: of a map with channels first, then with channels last."""
        dims = self.example.dim()
        return [range(1, 2)] if dims == 2 else [range(2, dims), range(1, dims - 1)]

    def _shapes(self, sizes: list[int], paths: Sequence[str]) -> Shapes:
        if self.model is None:
            return {}
        example, found = torch.empty(sizes, dtype=self.example.dtype, device="meta"), Shapes()
        targets = {path: self.model.get_submodule(path) for path in paths}
        for place in (
            nullcontext(),
            torch.device("meta"),
        ):  # of tensors that a forward makes without a device
            with place:
                calls = observe(self.model, targets, example, until_error=True).calls
            outputs = {path: own[0].shape for path, own in calls.items() if len(own) == 1}
            found |= {path: shape for path, shape in outputs.items() if shape and path not in found}
            if len(found) == len(paths):
                break
        return found


def varied(model: nn.Module, paths: Sequence[str], example: Any) -> Rehearsal | None:
    """A rehearsal, where the example is one tensor."""
    return Rehearsal(model, paths, example) if isinstance(example, Tensor) and example.dim() > 1 else None


def ratio_to_prefix(length: int, resized: int, factor: Fraction) -> int | None:
    """``p`` of ``length = p + n``, ``resized = p + factor · n``; ``None`` where it is no such number."""
    prefix = (factor * length - resized) / (factor - 1)
    return int(prefix) if prefix.denominator == 1 and 0 <= prefix < length else None
