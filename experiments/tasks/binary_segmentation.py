"""What every task has in common that finds the pixels of one kind, in images or in videos."""

from abc import abstractmethod
from functools import partial
from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor

from experiments.tasks.schedule import cosine, schedule

Batch = tuple[Tensor, Tensor]


class BinarySegmentation(LightningModule):
    """Trains logits ``(B, …, H, W)`` of pixels by Adam; a task writes ``forward`` and :meth:`_step`."""

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        return self._step(batch, "train")

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Count the pixels of a batch."""
        self._step(batch, "val")

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Count the pixels of a batch."""
        self._step(batch, "test")

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Return the predicted ``mask`` and the true ``target``, each ``(B, …, H, W)`` of 0 and 1."""
        inputs, masks = batch
        return {"mask": (self(inputs) > 0).byte(), "target": masks.byte()}

    def configure_optimizers(self) -> Any:
        """Adam, and a cosine from the peak rate to 0 over the training; before it a warm-up, if wanted."""
        optimizer = torch.optim.Adam(self.parameters(), lr=self.hparams["learning_rate"])
        factor = partial(cosine, warmup=self.hparams.get("warmup", 0.0))
        return schedule(optimizer, self.trainer, factor)

    @abstractmethod
    def _step(self, batch: Batch, split: str) -> Tensor:
        """The loss of a batch, after its pixels are counted and what is shown is logged."""
