r"""What stands around the heads of an attention: ``Y = concat_h(S_h X W_v^h) W_o``, by the maps seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

from gsp_nonlocal.spectral.response import Response, check_frequencies

Respond = Callable[[Tensor | None], list[Response]]


class HeadValues(NamedTuple):
    """Which columns of a map's output the values of each head are: ``start + step · place``, in its width."""

    weight: Tensor
    start: int
    steps: tuple[int, int]
    sizes: tuple[int, int]

    def matrices(self) -> list[Tensor]:
        """``W_v (C, d)`` of each head, with the weights of that time."""
        heads, channels = (torch.arange(n) * step for n, step in zip(self.sizes, self.steps, strict=True))
        columns = (self.start + heads.unsqueeze(-1) + channels) % len(self.weight)
        return [self.weight[own].mT for own in columns.to(self.weight.device)]


class _Made(NamedTuple):
    """Which weights made what a storage holds, and of what."""

    storage: StorageWeakRef
    weight: Tensor
    given: Tensor


class Circuits:
    """Finds the two maps around the heads: the values are a part of the output of one, another takes them up.

    Where something else stands between, such as a norm, a gate or a rotation of the values, there is none.
    """

    def __init__(self) -> None:
        self._made: dict[int, _Made] = {}
        self._open: _Open | None = None

    def source(self, value: Tensor) -> Tensor | None:
        """The input of the map that made the values."""
        made = self._maker(value)
        return None if made is None else made.given

    def _maker(self, value: Tensor) -> _Made | None:
        made = self._made.get(value.untyped_storage().data_ptr())
        return None if made is None or made.storage.expired() else made

    def values(self, value: Tensor) -> HeadValues | None:
        """Where values ``(B, G, M, d)`` come from that are a view of a map's output."""
        made = self._maker(value)
        if made is None or value.dim() != 4:
            return None
        width, (batch, head, node, channel) = len(made.weight), value.stride()
        if node % width or (batch % width and value.shape[0] > 1):
            return None
        start = int(value.storage_offset())
        return HeadValues(made.weight, start, (head, channel), (value.shape[1], value.shape[3]))

    def expect(self, values: HeadValues | None, output: Tensor, attach: Callable[[Respond], None]) -> None:
        """Wait for the map that takes the output ``(B, G, N, d)`` of the heads up."""
        self._open = None if values is None or output.dim() != 4 else _Open(values, output.detach(), attach)

    def linear(self, given: Tensor, weight: Tensor, out: Tensor) -> None:
        """Note a map ``out = given · weightᵀ + bias``."""
        storage = out.untyped_storage()
        self._made = {key: made for key, made in self._made.items() if not made.storage.expired()}
        self._made[storage.data_ptr()] = _Made(StorageWeakRef(storage), weight.detach(), given.detach())
        waiting, self._open = self._open, None
        if waiting is not None and waiting.is_taken(given):
            waiting.attach(responder(waiting.values.matrices, weight.detach()))


@dataclass(frozen=True, eq=False)
class _Open:
    """Heads whose output waits for a map."""

    values: HeadValues
    output: Tensor
    attach: Callable[[Respond], None]

    def is_taken(self, given: Tensor) -> bool:
        """Whether ``given`` holds the heads side by side, by its first and its last row.

        These two are the same nodes whether images or nodes come first.
        """
        _, graphs, _, channels = self.output.shape
        if given.numel() != self.output.numel() or given.shape[-1] != graphs * channels:
            return False
        rows, heads = given.detach().flatten(0, -2), self.output.to(given.dtype)
        return all(torch.equal(rows[end], heads[end, :, end].flatten()) for end in (0, -1))


@dataclass(frozen=True, eq=False)
class HeadResponse(Response):
    """``H(λ) = (1 − λ) W_v W_o`` of one head; ``filtered`` is ``W_o (1, d, C)``, once for all frequencies."""

    @property
    def matrices(self) -> Tensor:
        """``H``, ``(F, C, C)``, formed at each use."""
        return (1 - self.frequencies)[:, None, None] * super().matrices

    def _at(self, kept: Tensor) -> HeadResponse:
        return HeadResponse(self.frequencies[kept], self.value, self.filtered, self.singular_values[kept])


def responder(values: Callable[[], list[Tensor]], out: Tensor) -> Respond:
    """The responses of all heads at given frequencies, with the weights of that time.

    Args:
        values: gives ``W_v (C, d)`` of each head.
        out: ``W_oᵀ (C', G · d)``.
    """

    @torch.no_grad()
    def respond(lam: Tensor | None) -> list[Response]:
        given = check_frequencies(lam).to(out.device)
        known = [value.double() for value in values()]
        parts = out.double().mT.chunk(len(known), 0)
        return [_head(given, value, part) for value, part in zip(known, parts, strict=True)]

    return respond


def _head(lam: Tensor, value: Tensor, out: Tensor) -> HeadResponse:
    gains = torch.linalg.svdvals(torch.linalg.qr(value, mode="r").R @ out)
    return HeadResponse(lam, value, out.unsqueeze(0), (1 - lam).abs().unsqueeze(-1) * gains)
