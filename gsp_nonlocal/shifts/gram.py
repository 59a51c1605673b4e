"""The Gram matrix of a factor, a symmetric product at less than the price of any product."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from filters.export import apply_function
from filters.operators.by_hand import HandDifferentiated
from filters.operators.mixing import mix_channels

STRIPS, NARROWEST = 4, 64
"""Strips that a factor is cut into, and how many columns one has at least: with 4, five of eight parts of the
product are computed, in 0.7 to 0.8 of its time (R = 512, 256). More strips, narrower ones, halves of halves
and BLAS's ``syrk`` (by SciPy) were no faster."""


def gram(factor: Float[Tensor, "B N R"], dtype: torch.dtype | None = None) -> Float[Tensor, "B R R"]:
    """``G = EᵀE``, differentiable any number of times; summed in ``dtype``, by default that of ``E``.

    Example:
        >>> E = torch.randn(2, 100, 6)
        >>> torch.allclose(gram(E), E.mT @ E, atol=1e-4)
        True
    """
    return apply_function(_Gram, factor, dtype or factor.dtype)


class _Gram(HandDifferentiated):
    """``G = EᵀE`` by strips of columns against those that are left; ``Ē = E (Ḡ + Ḡᵀ)``, one product.

    Left to autograd, each strip takes two products backward and two copies of the size of ``E``.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(factor: Tensor, dtype: torch.dtype) -> Tensor:
        """``E (B, N, R) -> G (B, R, R)``."""
        factor = factor.to(dtype)
        parts = factor.split(max(-(-factor.shape[-1] // STRIPS), NARROWEST), dim=-1)
        starts = [0, *accumulate(part.shape[-1] for part in parts)]
        strips = [part.mT @ factor[..., start:] for part, start in zip(parts, starts, strict=False)]
        rows = []
        for index, strip in enumerate(strips):
            above = [
                other[..., starts[index] - start : starts[index + 1] - start].mT
                for other, start in zip(strips[:index], starts, strict=False)
            ]
            rows.append(torch.cat([*above, strip], dim=-1))
        return torch.cat(rows, dim=-2)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, torch.dtype], output: Tensor) -> None:
        """Keep ``E``."""
        ctx.save_for_backward(inputs[0])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        """``E (Ḡ + Ḡᵀ)``, in the memory layout of ``E``."""
        (factor,) = ctx.saved_tensors
        return mix_channels(factor, (grad + grad.mT).to(factor.dtype)), None
