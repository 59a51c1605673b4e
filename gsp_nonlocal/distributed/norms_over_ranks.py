"""Norms whose means and deviations are those of all nodes, with the state of PyTorch's."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from filters.operators.by_hand import HandDifferentiated
from filters.operators.once import differentiable_once
from filters.operators.ranks import ALL_HERE, Ranks
from filters.precision import widened, without_autocast


class RanksBatchNorm(nn.BatchNorm1d):
    r"""``nn.BatchNorm1d``, ``2d`` and ``3d`` with the nodes of all ``ranks``: ``nn.SyncBatchNorm``, on any
    device.

    Its state is that of PyTorch's. In training two sums of ``C`` numbers travel forward, one of
    ``2 C`` backward.
    """

    ranks: Ranks = ALL_HERE

    def forward(self, input: Tensor) -> Tensor:
        """``(B, C, *spatial)``, the same shape."""
        tracked = self.running_mean is not None and self.running_var is not None
        if not self.ranks.is_split or (tracked and not self.training):
            return super().forward(input)
        x = input.flatten(2) if input.dim() > 2 else input.unsqueeze(2)
        with without_autocast(x):
            return self._over_ranks(widened(x)).to(input.dtype).view_as(input)

    def _over_ranks(self, x: Tensor) -> Tensor:
        mean, var, count = _moments(x.detach(), self.ranks)
        if self.training and self.running_mean is not None:
            self._track(mean, var * (count / (count - 1)))
        weight, bias = (
            x.new_full((x.shape[1],), default) if given is None else given.to(x.dtype)
            for given, default in ((self.weight, 1.0), (self.bias, 0.0))
        )
        return _BatchNorm.apply(x, weight, bias, mean, (var + self.eps).rsqrt(), count, self.ranks)

    def _check_input_dim(self, input: Tensor) -> None:
        """Any: a norm of this kind stands for those of each dimension."""

    @torch.no_grad()
    def _track(self, mean: Tensor, var: Tensor) -> None:
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        share = self.num_batches_tracked.to(mean.dtype).reciprocal()
        share = share if self.momentum is None else torch.full_like(share, self.momentum)
        for running, now in ((self.running_mean, mean), (self.running_var, var)):
            running.copy_(running.to(now.dtype).lerp(now, share))


@torch.no_grad()
def _moments(x: Tensor, ranks: Ranks) -> tuple[Tensor, Tensor, Tensor]:
    """Mean ``(C,)``, variance ``(C,)`` and number of what each channel of ``x (B, C, N)`` has everywhere.

    From the means and variances of the parts (Chan, Golub, LeVeque 1983): nothing cancels.
    """
    inner, own = torch.var_mean(x, dim=(0, 2), correction=0)
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
    @differentiable_once("use a group norm in the divided block, such as partial(nn.GroupNorm, 1)")
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of ``x``, of ``w`` and of ``b``, the latter two of the nodes here.

        ``m`` is taken from ``x`` first: of ``Σ ȳ x − m Σ ȳ`` a large mean leaves rounding.
        """
        x, weight, mean, scale, count = ctx.saved_tensors
        to_bias, centred = grad.sum(dim=(0, 2)), x - mean[:, None]
        to_weight = scale * _inner(grad, centred)
        sums = ctx.ranks.sum(torch.cat([to_bias, to_weight])) / count
        mean_grad, mean_inner = sums.chunk(2)
        slope, tilt = weight * scale, scale * mean_inner
        # x̄ = slope (ȳ − mean_grad − (x − m) tilt), in the memory of x − m
        to_x = centred.mul_((-slope * tilt)[:, None]).addcmul_(grad, slope[:, None])
        to_x = to_x.sub_((slope * mean_grad)[:, None])
        return to_x, to_weight, to_bias, None, None, None, None


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
