"""Numbers of a training that are not finite: found before they are kept, or gone on with."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor


class NotFiniteError(ArithmeticError):
    """A training has come to NaN or infinity; the message names the step and what was kept."""


class FiniteTraining(Callback):
    """Ends a training whose loss, or whose weights, are NaN or infinite.

    The loss is looked at before each backward pass, and so before the step that would spoil the weights;
    weights and the optimizer's state before each checkpoint, so that none with NaN replaces a good one.

    Raises:
        NotFiniteError: Names the step, and the first tensor that is not finite.
    """

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        """Refuse a step on a loss that is not finite."""
        value = float(loss.detach())
        if not math.isfinite(value):
            raise NotFiniteError(f"the loss of step {trainer.global_step + 1} is {value}; {_REMEDY}")

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Refuse to keep what is not finite."""
        found = not_finite(checkpoint)
        if found is not None:
            raise NotFiniteError(f"after step {trainer.global_step}, {found}; {_REMEDY}")


_REMEDY = (
    "checkpoints written before are as they were; go on from one of them, or train again, with a smaller "
    "learning rate"
)


def not_finite(checkpoint: Mapping[str, Any]) -> str | None:
    """Name the first tensor of a checkpoint's weights, and of its optimizers, with NaN or infinity."""
    for part in ("state_dict", "optimizer_states"):
        for name, tensor in _tensors(checkpoint.get(part), ""):
            wrong = int((~torch.isfinite(tensor)).sum())
            if wrong:
                owner = "the weights'" if part == "state_dict" else "the optimizer's"
                return f"{owner} '{name}' has {wrong} of {tensor.numel()} values that are NaN or infinite"
    return None


def _tensors(values: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    if isinstance(values, Tensor):
        yield name, values
    elif isinstance(values, Mapping):
        for key, value in values.items():
            yield from _tensors(value, f"{name}.{key}" if name else str(key))
    elif isinstance(values, list | tuple):
        for index, value in enumerate(values):
            yield from _tensors(value, f"{name}.{index}" if name else str(index))
