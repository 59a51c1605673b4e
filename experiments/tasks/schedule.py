"""Learning rates: functions of the fraction of the training that is done, or of the epoch."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from lightning import Trainer
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def by_epoch(optimizer: Optimizer, warmup: int, drops: Sequence[int]) -> dict[str, Any]:
    """Return what ``configure_optimizers`` returns: the rate of epoch ``e`` by :func:`factor_of_epoch`."""
    scheduler = LambdaLR(optimizer, partial(factor_of_epoch, warmup=warmup, drops=drops))
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "epoch"}}


def factor_of_epoch(epoch: int, warmup: int, drops: Sequence[int]) -> float:
    """Return ``0.1^(number of drops passed)``, after a warm-up from ``0.1^(number of all drops)`` to 1.

    Args:
        epoch: From 0.
        warmup: Epochs over which the factor rises linearly, the first and the last of them included.
        drops: Epochs from which it is a tenth, counted from the end of the warm-up.

    References:
        The code of Zhu et al. (2021).

    Example:
        >>> [round(factor_of_epoch(e, warmup=3, drops=[2, 4]), 3) for e in range(8)]
        [0.01, 0.505, 1.0, 1.0, 1.0, 0.1, 0.1, 0.01]
    """
    if epoch < warmup:
        low = 0.1 ** len(drops)
        return low + (1 - low) * epoch / (warmup - 1) if warmup > 1 else low
    return float(0.1 ** sum(epoch >= warmup + drop for drop in drops))


def schedule(optimizer: Optimizer, trainer: Trainer, factor: Callable[[float], float]) -> dict[str, Any]:
    """Return what ``configure_optimizers`` returns: the rate is ``factor(progress)`` times the peak.

    The length of the training is asked for at the first step, not before: asking sets up the training
    loader, and Lightning then no longer restores its place when a training is resumed.
    """

    def of_step(step: int) -> float:
        return factor(step / trainer.estimated_stepping_batches if step else 0.0)

    scheduler = LambdaLR(optimizer, of_step)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def cosine(progress: float, warmup: float = 0.0) -> float:
    """Return ``min(1, progress / warmup) · ½ (1 + cos π·progress)``: from 1 to 0, and up to it first.

    Example:
        >>> [round(cosine(p, warmup=0.5), 3) for p in (0.0, 0.25, 0.5, 1.0)]
        [0.0, 0.427, 0.5, 0.0]
    """
    rise = min(1.0, progress / warmup) if warmup else 1.0
    return rise * 0.5 * (1 + math.cos(math.pi * progress))


def poly(progress: float, power: float, last: float) -> float:
    """Return ``last + (1 − last)·(1 − progress)^power``: from 1 to ``last``."""
    return last + (1 - last) * float(max(1 - progress, 0.0) ** power)


def warmup_and_drops(progress: float, warmup: float, drops: Sequence[float]) -> float:
    """Return ``min(1, progress / warmup + 0.01) · 0.1^(number of drops passed)``.

    Args:
        progress: Fraction of the training done, 0 to 1.
        warmup: Fraction over which the factor rises linearly; 0 for none.
        drops: Fractions at which it falls tenfold.
    """
    rise = min(1.0, progress / warmup + 0.01) if warmup > 0 else 1.0
    return float(rise * 0.1 ** sum(progress >= drop for drop in drops))
