"""The effective batch: what one step of the optimizer sees, over all processes and accumulation steps."""

from typing import Any, NamedTuple

from lightning import Trainer
from lightning.pytorch.callbacks import GradientAccumulationScheduler


class Batches(NamedTuple):
    """``size`` samples a loader's batch, ``accumulate`` of them a step, in each of ``world_size`` processes.

    >>> Batches(32, 2, 2).told
    'effective batch size 128 = 2 processes × 2 accumulated batches × 32'
    """

    size: int
    accumulate: int = 1
    world_size: int = 1
    rank: int = 0

    @property
    def effective(self) -> int:
        """Samples a step."""
        return self.size * self.accumulate * self.world_size

    @property
    def told(self) -> str:
        """The size in words, and how it is divided."""
        parts = ((self.world_size, "processes"), (self.accumulate, "accumulated batches"))
        factors = [f"{number} {what}" for number, what in parts if number > 1]
        whole = f"effective batch size {self.effective}"
        return " = ".join([whole, " × ".join([*factors, str(self.size)])]) if factors else whole


def divided(batch_size: int, trainer: Trainer | None) -> Batches:
    """Divide an effective batch over the processes and accumulation steps of ``trainer`` (None: one).

    Raises:
        ValueError: If it does not divide, or the accumulation changes in the course of the training.
    """
    if trainer is None:
        return Batches(batch_size)
    _check_constant(trainer)
    world_size, accumulate = trainer.world_size, trainer.accumulate_grad_batches
    parts = world_size * accumulate
    if batch_size % parts:
        below, above = batch_size // parts * parts, -(-batch_size // parts) * parts
        raise ValueError(
            f"batch_size={batch_size} is the effective one and does not divide into {world_size} processes × "
            f"{accumulate} accumulated batches; choose {f'{below} or ' if below else ''}{above}, or other "
            "--trainer.devices, --trainer.num_nodes or --trainer.accumulate_grad_batches"
        )
    return Batches(batch_size // parts, accumulate, world_size, trainer.global_rank)


def evaluation_size(batch_size: int, trainer: Trainer | None) -> int:
    """Return the size of a batch without training: that of the training, of whichever number of processes."""
    parts = 1 if trainer is None else trainer.world_size * trainer.accumulate_grad_batches
    return -(-batch_size // parts)


def _check_constant(trainer: Trainer) -> None:
    callbacks: list[Any] = trainer.callbacks  # type: ignore[attr-defined]
    for callback in callbacks:
        scheduled = isinstance(callback, GradientAccumulationScheduler)
        if scheduled and len(set(callback.scheduling.values())) > 1:
            raise ValueError(
                f"accumulation by the schedule {callback.scheduling} gives a batch that changes, and "
                "batch_size is the effective one; give one --trainer.accumulate_grad_batches"
            )
