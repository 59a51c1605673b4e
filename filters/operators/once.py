"""Backward passes written by hand that have no derivative of their own: they say so, and name a way."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from filters.operators.by_hand import HandDifferentiated

Backward = Callable[..., Any]


def differentiable_once(remedy: str) -> Callable[[Backward], Backward]:
    """Decorate ``Function.backward``: to differentiate its result raises an error that names ``remedy``.

    PyTorch's ``once_differentiable`` marks a result only where the incoming gradient has a graph of its own;
    of ``(S z).sum()`` a second derivative is then silently left out. Here every result is marked where a
    second derivative is prepared (``create_graph=True``).
    """

    def decorate(backward: Backward) -> Backward:
        @functools.wraps(backward)
        def once(ctx: Any, *grads: Tensor | None) -> Any:
            if torch.compiler.is_compiling() or not torch.is_grad_enabled():
                return backward(ctx, *grads)
            with torch.no_grad():
                results = backward(ctx, *grads)
            joined = [t for t in (*grads, *ctx.saved_tensors) if isinstance(t, Tensor) and t.requires_grad]
            marked = [r if r is None else _Refusal.apply(remedy, r, *joined) for r in _tuple(results)]
            return marked[0] if isinstance(results, Tensor) else tuple(marked)

        return once

    return decorate


def _tuple(results: Any) -> tuple[Any, ...]:
    return results if isinstance(results, tuple) else (results,)


class _Refusal(HandDifferentiated):
    """``result``, as a function of the tensors that it was computed from; it cannot be differentiated."""

    generate_vmap_rule = True

    @staticmethod
    def forward(remedy: str, result: Tensor, *joined: Tensor) -> Tensor:
        return result.view_as(result)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.remedy = inputs[0]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> None:
        raise NotImplementedError(
            "a second derivative of this graph is not implemented (its first is written by hand); "
            f"{ctx.remedy}"
        )
