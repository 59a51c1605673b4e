r"""How far from the truth a result may be: as far as rounding its inputs moves the truth, times a constant.

The truth is the textbook's formula in float64 on the numbers as they are stored. Its sensitivity is
measured, not assumed: every input, and every entry of the matrix ``S``, is changed by the rounding ``ε`` of
the data type in which the library computes, at random, twice: ``δ_ε``. (A case that fails is looked at a
second time with sixteen such changes, since two can miss the direction that counts.) A backward stable
program is off by some multiple of that. To it comes ``ε`` times the size
``M = Σ_k (‖g_k(S) z‖ + max|g_k| ‖z‖) ‖W_k‖`` of what is summed up, since a sum of large terms that cancel
is rounded in absolute terms; and the smallest numbers of the data type, below which products vanish:

.. math:: ‖y − y_∞‖ ≤ 64 (δ_ε + ε M) + ε_{out} ‖y_∞‖ + 10^{-38} …

Where that bound exceeds a tenth of the size of the result, the problem is ill-conditioned and the result is
not judged; the share of such cases is printed. In half precision, 64 is 6, and a tenth is a half.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch
from torch import Tensor

from tests.fuzz.textbook import size

FACTOR = 64.0
"""Of the multiple of rounding that is allowed: sums over up to 200 terms, recurrences of up to 10 steps."""

BLIND = 0.1
"""Beyond this share of the result a tolerance says nothing."""

COARSE = (6.0, 0.5)
"""The same two where something is rounded to half precision: a handful of times, to two or three digits."""

DRAWS: ContextVar[int] = ContextVar("DRAWS", default=2)
"""How often the inputs are changed at random."""


@contextmanager
def closely() -> Iterator[None]:
    """Measure the sensitivity by more draws."""
    token = DRAWS.set(16)
    try:
        yield
    finally:
        DRAWS.reset(token)


Formula = Callable[[list[Tensor], "Noise"], tuple[Tensor, Tensor]]
"""From inputs in float64 to the result ``(B, N, C)`` and the size of what is summed up ``(B,)``."""


class Noise:
    """Rounding errors of relative size ``eps`` for the matrix of a shift."""

    def __init__(self, eps: float = 0.0, seed: int = 0) -> None:
        self.eps, self.generator = eps, torch.Generator().manual_seed(seed)

    def __call__(self, values: Tensor, times: float = 1.0) -> Tensor:
        """``values (1 + ε u)`` with ``u`` uniform in ``[−1, 1]``; ``times`` greater for exponentials."""
        if not self.eps:
            return values
        u = 2 * torch.rand(values.shape, generator=self.generator, dtype=torch.float64) - 1
        return values * (1 + min(times * self.eps, 1.0) * u)

    def of_solve(self, matrix: Tensor) -> Tensor:
        """``S + ε ‖S‖ u``: a factorisation is backward stable in the norm, not entry by entry."""
        if not self.eps:
            return matrix
        largest = matrix.abs().amax(dim=(-2, -1), keepdim=True)
        return matrix + largest * (self(torch.ones_like(matrix)) - 1)


@dataclass(frozen=True)
class Truth:
    """The value in float64, what a result may be off by ``(B,)``, and where that says something ``(B,)``."""

    value: Tensor
    allowed: Tensor
    judged: Tensor
    magnitude: Tensor


def truth(
    formula: Formula, inputs: list[Tensor], eps: float, compute: torch.dtype, out: torch.dtype
) -> Truth:
    """The truth of a formula, and the tolerance of a program that computes in ``compute``, gives ``out``."""
    value, magnitude = formula(inputs, Noise())
    moved = torch.zeros_like(magnitude)
    for seed in range(1, DRAWS.get() + 1):
        noise = Noise(eps, seed)
        changed, _ = formula([noise(one) for one in inputs], noise)
        moved = torch.maximum(moved, size(changed - value))
    smallest = torch.finfo(compute).tiny * value[0].numel() * (1 + magnitude.clamp(max=1e30))
    factor, blind = COARSE if eps > 1e-4 else (FACTOR, BLIND)
    spread = factor * (moved + eps * magnitude) + smallest
    limits, narrow = torch.finfo(compute), torch.finfo(out)
    allowed = spread + 2 * narrow.eps * size(value) + 2 * narrow.tiny * value[0].numel()
    finite = value.isfinite().all(-1).all(-1) & allowed.isfinite() & (magnitude < 1e-4 * limits.max)
    finite &= value.abs().amax(dim=(1, 2)) < 0.5 * narrow.max
    return Truth(value, allowed, finite & (spread <= blind * (size(value) + smallest / blind)), magnitude)
