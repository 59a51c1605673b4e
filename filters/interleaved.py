"""Polynomial filters whose weights stand between the products with the graph: Horner's and Clenshaw's."""

from __future__ import annotations

import math
from abc import abstractmethod

import torch
from torch import Tensor

from filters.base import Filter
from filters.checks import Device, require_positive
from filters.operators.shift import ShiftOperator
from filters.operators.signal import Signal, mix


class Interleaved(Filter):
    r"""``y = H_K W`` by steps ``H_k`` with weights between the products; see :class:`Horner`.

    A step adds ``β_k z`` and ends in ``M_k = (1 − α_k) I + α_k V_k``, ``α_k = min(1, log(1 + s/k))``. At the
    start every ``V_k = I`` and ``β_k = 1/(K + 1)``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        order: int = 1,
        strength: float = 0.5,
        *,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, order, terms=1, device=device, dtype=dtype)
        self.strength = require_positive("strength", strength)
        eye = torch.eye(self.in_channels, device="cpu")
        self.inner = self._parameter(eye.expand(self.order, -1, -1))
        self.residual = self._parameter(torch.ones(self.order + 1, device="cpu"))
        self._built(Interleaved)

    @property
    def uses_graph(self) -> bool:
        return self.order > 0

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw ``W`` as every filter does; put ``V_k`` at the identity and ``β_k`` at ``1/(K + 1)``."""
        super().reset_parameters()
        self.inner.copy_(torch.eye(self.in_channels, device=self.inner.device))
        self.residual.fill_(1 / (self.order + 1))

    def evaluate(self, shift: ShiftOperator, z: Signal, weight: Tensor) -> Signal:
        first, *residual = self.residual.to(weight.dtype).unbind()
        current, before = first * z, None
        for beta, inner in zip(residual, self._maps(weight), strict=True):
            current, before = mix(self.step(shift, current, before) + beta * z, inner), current
        return mix(current, weight[0])

    @abstractmethod
    def step(self, shift: ShiftOperator, current: Signal, before: Signal | None) -> Signal:
        """What a step makes of the last one and of the one before, if there is one."""

    def _maps(self, like: Tensor) -> list[Tensor]:
        """``M_1, …, M_K``."""
        eye = torch.eye(self.in_channels, dtype=like.dtype, device=like.device)
        shares = [min(1.0, math.log1p(self.strength / (k + 1))) for k in range(self.order)]
        inner = self.inner.to(like.dtype).unbind()
        return [(1 - a) * eye + a * one for a, one in zip(shares, inner, strict=True)]

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, strength={self.strength:g}"


class Horner(Interleaved):
    r"""``y = H_K W``, ``H_0 = β_0 z``, ``H_k = (S H_{k−1} + β_k z) M_k``: Horner's scheme with a map a step.

    ``M_k = (1 − α_k) I + α_k V_k`` with learned ``V_k (in, in)`` and ``α_k = min(1, log(1 + s/k))``. At the
    start ``V_k = I`` and ``β_k = 1/(K + 1)``, the response ``Σ_k μ^k W / (K + 1)``.

    Args:
        in_channels: channels of ``z (B, N, in)``.
        out_channels: channels of ``y (B, N, out)``.
        order: degree ``K ≥ 0``.
        strength: ``s > 0``, how far a step is from the identity; 0.5 by default.
        device, dtype: of the parameters; see :class:`Filter`.

    Raises:
        ValueError: if a number is out of range.

    References:
        Guo, Wei (2022), *Clenshaw Graph Neural Networks* (HornerGCN). Deviations: linear, where theirs has a
        ReLU behind each step; ``W`` of its own at the end.

    Example:
        >>> f = Horner(3, 5, order=4)
        >>> f(torch.randn(2, 10, 3), torch.eye(10)).shape
        torch.Size([2, 10, 5])
    """

    formula = "(… (β_0 μ + β_1) M_1 μ + …) W"

    def step(self, shift: ShiftOperator, current: Signal, before: Signal | None) -> Signal:
        return shift(current)


class Clenshaw(Interleaved):
    r"""``y = H_K W``, ``H_0 = β_0 z``, ``H_k = (2 S H_{k−1} − H_{k−2} + β_k z) M_k``: Clenshaw's scheme.

    ``H_{−1} = 0``, and ``M_k`` as in :class:`Horner`. At the start ``V_k = I`` and ``β_k = 1/(K + 1)``: the
    response is ``Σ_k U_k(μ) W / (K + 1)`` with Chebyshev's polynomials of the second kind.

    Args:
        in_channels, out_channels, order, strength, device, dtype: as in :class:`Horner`.

    Raises:
        ValueError: if a number is out of range.

    References:
        Guo, Wei (2022), *Clenshaw Graph Neural Networks* (ClenshawGCN), with the same deviations; Clenshaw
        (1955).

    Example:
        >>> f = Clenshaw(1, 1, order=2)
        >>> lam = torch.tensor([0.0, 1.0, 2.0])  # (U_0 + U_1 + U_2) / 3 = (6, 0, 2) / 3
        >>> gain = f.response(lam).flatten()
        >>> torch.allclose(gain / gain[0], torch.tensor([1.0, 0.0, 1 / 3]), atol=1e-6)
        True
    """

    formula = "(2μ H_{K−1} − H_{K−2} + β_K) M_K W"

    def step(self, shift: ShiftOperator, current: Signal, before: Signal | None) -> Signal:
        following = 2.0 * shift(current)
        return following if before is None else following - before
