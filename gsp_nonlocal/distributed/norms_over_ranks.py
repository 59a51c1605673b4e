"""Norms whose means and deviations are those of all nodes, with the state of PyTorch's."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from filters.operators.by_hand import HandDifferentiated
from filters.operators.ranks import ALL_HERE, Ranks


class RanksBatchNorm(nn.BatchNorm1d):
    r"""``nn.BatchNorm1d``, ``2d`` and ``3d`` with the nodes of all ``ranks``: ``nn.SyncBatchNorm``, on any
    device.

    Its state is that of PyTorch's. In training two sums of ``C`` numbers travel forward, one of
    ``2 C`` backward.
    """

    ranks: Ranks = ALL_HERE

    def forward(self, input: Tensor) -> Tensor:
        """``(B, C, *spatial)``, the same shape."""
        if input.dim() > 3:
            return self(input.flatten(2)).view_as(input)
        tracked = self.running_mean is not None and self.running_var is not None
        if not self.ranks.is_split or (tracked and not self.training):
            return super().forward(input)
        mean, var, count = _moments(input.detach(), self.ranks)
        if self.training and tracked:
            self._track(mean, var * (count / (count - 1)))
        weight, bias = (
            given if given is not None else input.new_full((input.shape[1],), default)
            for given, default in ((self.weight, 1.0), (self.bias, 0.0))
        )
        return _BatchNorm.apply(input, weight, bias, mean, (var + self.eps).rsqrt(), count, self.ranks)

    @torch.no_grad()
    def _track(self, mean: Tensor, var: Tensor) -> None:
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        share = 1 / self.num_batches_tracked if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(var, share)


@torch.no_grad()
def _moments(x: Tensor, ranks: Ranks) -> tuple[Tensor, Tensor, Tensor]:
    """Mean ``(C,)``, variance ``(C,)`` and number of what each channel of ``x (B, C, N)`` has everywhere.

    From the means and variances of the parts (Chan, Golub, LeVeque 1983): nothing cancels.
    """
    own, inner = x.mean(dim=(0, 2)), x.var(dim=(0, 2), correction=0)
    size = x.shape[0] * x.shape[2]
    total = ranks.sum(torch.cat([size * own, own.new_full((1,), size)]))
    mean, count = total[:-1] / total[-1], total[-1]
    return mean, ranks.sum(size * (inner + (own - mean).square())) / count, count


class _BatchNorm(HandDifferentiated):
    r"""``y = w x̂ + b``, ``x̂ = (x − m) s``; backward ``x̄ = w s (ȳ − (Σ ȳ + x̂ Σ ȳ x̂) / n)``."""

    @staticmethod
    def forward(
        x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, scale: Tensor, count: Tensor, ranks: Ranks
    ) -> Tensor:
        slope = weight * scale
        return torch.addcmul((bias - mean * slope)[:, None], x, slope[:, None])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Keep what :meth:`backward` reads."""
        x, weight, _, mean, scale, count, ctx.ranks = inputs
        ctx.save_for_backward(x, weight, mean, scale, count)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of ``x``, of ``w`` and of ``b``, the latter two of the nodes here."""
        x, weight, mean, scale, count = ctx.saved_tensors
        to_bias = grad.sum(dim=(0, 2))
        to_weight = scale * (_inner(grad, x) - mean * to_bias)
        sums = ctx.ranks.sum(torch.cat([to_bias, to_weight])) / count
        mean_grad, mean_inner = sums.chunk(2)
        slope, tilt = weight * scale, scale * mean_inner
        # x̄ = slope (ȳ − mean_grad − (x − m) tilt)
        to_x = torch.addcmul((slope * (mean * tilt - mean_grad))[:, None], grad, slope[:, None])
        return to_x.addcmul_(x, (-slope * tilt)[:, None]), to_weight, to_bias, None, None, None, None


def _inner(one: Tensor, other: Tensor) -> Tensor:
    """``Σ one ∘ other`` over samples and nodes, ``(C,)``."""
    rows, columns = one.flatten(0, 1).unsqueeze(1), other.flatten(0, 1).unsqueeze(2)
    return torch.bmm(rows, columns).view(one.shape[:2]).sum(0)


class RanksGroupNorm(nn.GroupNorm):
    """``nn.GroupNorm`` of ``x (B, C, N)`` with the nodes of all ``ranks``; its state is that of
    ``nn.GroupNorm``."""

    ranks: Ranks = ALL_HERE

    def forward(self, input: Tensor) -> Tensor:
        """``(B, C, N) -> (B, C, N)``."""
        if not self.ranks.is_split:
            return super().forward(input)
        grouped = input.unflatten(1, (self.num_groups, -1)).flatten(2)
        y = _standardised(grouped, self.eps, self.ranks).view_as(input)
        return y if self.weight is None else torch.addcmul(self.bias[:, None], y, self.weight[:, None])


class RanksInstanceNorm1d(nn.InstanceNorm1d):
    """``nn.InstanceNorm1d`` of ``x (B, C, N)`` with the nodes of all ``ranks``, without running statistics;
    its state is that of ``nn.InstanceNorm1d``."""

    ranks: Ranks = ALL_HERE

    def forward(self, input: Tensor) -> Tensor:
        """``(B, C, N) -> (B, C, N)``."""
        if not self.ranks.is_split:
            return super().forward(input)
        y = _standardised(input, self.eps, self.ranks)
        return y if self.weight is None else torch.addcmul(self.bias[:, None], y, self.weight[:, None])


def _standardised(x: Tensor, eps: float, ranks: Ranks) -> Tensor:
    """``(x − m) / √(v + ε)`` of ``x (B, G, M)`` with mean and variance over ``M`` of all ranks."""
    size = torch.full_like(x[..., :1], x.shape[-1])
    total = ranks.sum(torch.cat([x.sum(dim=-1, keepdim=True), size], dim=-1))
    centred = x - total[..., :1] / total[..., 1:]
    var = ranks.sum(centred.square().sum(dim=-1, keepdim=True)) / total[..., 1:]
    return centred * (var + eps).rsqrt()
