"""The gated residual of a block."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from filters.operators.by_hand import HandDifferentiated
from filters.precision import widened


class GatedResidual(HandDifferentiated):
    r"""``y = x + γ u`` for a gate ``γ`` of one number, with ``∂γ = ⟨∂y, u⟩`` as one dot product.

    Autograd's own rule writes the product ``∂y ∘ u`` to memory before it sums it.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, gate: Tensor, update: Tensor) -> Tensor:
        """``x``, ``u``: any one shape; ``γ (1,)``, of any type."""
        return torch.addcmul(x, gate.reshape(()), update)  # a scalar keeps the type of x

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:
        """Keep what :meth:`backward` reads."""
        x, gate, update = inputs
        ctx.save_for_backward(gate, update)
        ctx.dtype = x.dtype

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Gradients of ``x``, ``γ`` and ``u``."""
        gate, update = ctx.saved_tensors
        wide = widened(grad)
        inner = wide.reshape(-1) @ update.to(wide.dtype).reshape(-1)
        to_update = (grad * gate.reshape(())).to(update.dtype)
        return grad.to(ctx.dtype), inner.to(gate.dtype).reshape(gate.shape), to_update
