r"""Attention heads as graphs: ``Y = concat_h(S_h V_h) W_o`` with ``S_h = softmax(s Q_h K_hᵀ + m)``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from filters import DenseShift, ShiftOperator
from gsp_nonlocal.probe.readers import Call, NotAGraphError
from gsp_nonlocal.probe.trace import Trace
from gsp_nonlocal.shifts import AttentionShift
from gsp_nonlocal.shifts.attention import SOFTMAX
from gsp_nonlocal.spectral.layout import Layout
from gsp_nonlocal.spectral.response import Response, check_frequencies

Matrices = Callable[[], tuple[Tensor, Tensor]]
"""Gives ``W_v (C, G·d)`` and ``W_o (G·d, C)`` of that time."""


def attention_trace(
    query: Tensor, key: Tensor, value: Tensor, *, scale: float, mask: Tensor | None, matrices: Matrices | None
) -> Trace:
    """``y = S z`` of each head: ``S = softmax(scale · q kᵀ + mask)``, ``z`` the values.

    Args:
        query: ``(B, G, N, d)``.
        key: ``(B, G, N, d)``.
        value: ``(B, G, N, d')``.
        scale: factor of ``q kᵀ``.
        mask: what is added to it, broadcast to ``(B, G, N, N)``.
        matrices: the projections around the heads, if there is nothing else between them.
    """
    graphs, nodes = query.shape[1:3]
    if mask is not None:
        mask = mask.expand(*query.shape[:3], nodes).flatten(0, 1)
    query, key, value = (part.flatten(0, 1) for part in (query, key, value))
    shift = AttentionShift(query, key, scale) if mask is None else masked_shift(query, key, scale, mask)
    respond = None if matrices is None else responder(matrices, graphs)
    return Trace(shift, value, apply_shift, Layout((nodes,)), graphs, respond)


def masked_shift(query: Tensor, key: Tensor, scale: float, mask: Tensor) -> DenseShift:
    """``S = softmax(scale · q kᵀ + mask)``; 0 in rows where all of the mask is ``−∞``."""
    weights = torch.softmax(scale * query @ key.mT + mask, dim=-1)
    silent = (mask == -torch.inf).all(dim=-1, keepdim=True)
    return DenseShift(weights.masked_fill(silent, 0), **SOFTMAX.keywords())


def apply_shift(z: Tensor, shift: ShiftOperator) -> Tensor:
    """``S z``."""
    return shift @ z


def split_heads(x: Tensor, heads: int) -> Tensor:
    """``(B, N, G·d) -> (B, G, N, d)``."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def forbidden(where: Tensor, like: Tensor) -> Tensor:
    """The mask that adds ``−∞`` where ``where`` holds, and 0 elsewhere."""
    return torch.zeros_like(where, dtype=like.dtype).masked_fill(where, -torch.inf)


def causal_mask(like: Tensor) -> Tensor:
    """The mask ``(N, N)`` that hides later nodes, for queries ``(B, G, N, d)``."""
    nodes = like.shape[-2]
    return forbidden(torch.ones(nodes, nodes, dtype=torch.bool, device=like.device).triu(1), like)


@dataclass(frozen=True, eq=False)
class HeadResponse(Response):
    """``H(λ) = (1 − λ) W_v W_o`` of one head; ``filtered`` is ``W_o (1, d, C)``, once for all frequencies."""

    @property
    def matrices(self) -> Tensor:
        """``H``, ``(F, C, C)``, formed at each use."""
        return (1 - self.frequencies)[:, None, None] * super().matrices

    def _at(self, kept: Tensor) -> HeadResponse:
        return HeadResponse(self.frequencies[kept], self.value, self.filtered, self.singular_values[kept])


def responder(matrices: Matrices, heads: int) -> Callable[[Tensor | None], list[Response]]:
    """The responses of all heads at given frequencies, with the weights of that time."""

    @torch.no_grad()
    def respond(lam: Tensor | None) -> list[Response]:
        value, out = (matrix.double() for matrix in matrices())
        lam = check_frequencies(lam).to(value.device)
        return [
            head_response(lam, *pair) for pair in zip(value.chunk(heads, 1), out.chunk(heads), strict=True)
        ]

    return respond


def head_response(lam: Tensor, value: Tensor, out: Tensor) -> HeadResponse:
    """``(1 − λ) W_v W_o`` for ``value (C, d)`` and ``out (d, C)``."""
    gains = torch.linalg.svdvals(torch.linalg.qr(value, mode="r").R @ out)
    return HeadResponse(lam, value, out.unsqueeze(0), (1 - lam).abs().unsqueeze(-1) * gains)


def arguments(module: nn.Module, call: Call) -> dict[str, Any]:
    """The arguments of a call by the names that the module's ``forward`` gives them, with its defaults."""
    bound = inspect.signature(module.forward).bind(*call.args, **call.kwargs)
    bound.apply_defaults()
    named = dict(bound.arguments)
    return named | named.pop("kwargs", {})


def require_forward_of(module: nn.Module, homes: Container[str]) -> None:
    """Raise a :class:`NotAGraphError` unless ``forward`` is defined by one of the classes ``homes``."""
    owner = next(kind for kind in type(module).__mro__ if "forward" in vars(kind))
    home = f"{owner.__module__}.{owner.__qualname__}"
    if home not in homes:
        raise NotAGraphError(
            f"{home} has a forward of its own, and what it computes is not known; tell of it with "
            f"gsp_nonlocal.probe.register_reader({type(module).__name__}, reader)"
        )
