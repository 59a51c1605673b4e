"""Image classification with a CIFAR pre-activation ResNet and a nonlocal block."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torchmetrics.classification import MulticlassAccuracy

from experiments.settings import check_real, check_whole
from experiments.tasks.blocks import named_block
from experiments.tasks.penalty import check_penalty, watched
from experiments.tasks.schedule import schedule, warmup_and_drops
from gsp_nonlocal.models import PreResNet

Batch = tuple[Tensor, Tensor]


class Classification(LightningModule):
    """Pre-activation ResNet with one nonlocal block before the third unit of stage 3.

    Images ``(B, in_channels, H, W)``, labels ``(B,)``. Cross-entropy; SGD with momentum 0.9, linear
    warm-up and tenfold drops at fractions of the training, the paper's protocol at any length.

    Args:
        depth: Depth of the network: 20, 56 or 110.
        num_classes: Number of classes.
        in_channels: Channels of the images.
        block: Name of a nonlocal block, or None for none.
        order: Order of the filter of a block that has one; the block's own by default.
        stages: Units that share one graph, of a block that has them; the block's own number by default.
        dropout: Drop probability before the classifier.
        learning_rate: Peak learning rate.
        weight_decay: Weight decay.
        warmup: Fraction of the training over which the rate rises.
        drops: Fractions of the training at which the rate falls tenfold.
        inner_channels: Width of the block's projections; the block's own by default.
        block_options: Further arguments of the block, plain values: ``{"groups": 4}`` for ``"cgnl"``.
        stable_penalty: Weight of ``Σ_blocks ‖S² − S‖_F`` in the loss of a training; 0.01 in the paper.

    Raises:
        ValueError: If ``block`` is unknown (the choices are listed), it takes no such argument (``order``
            and ``stages`` of a network without a block are not used), or a number is out of range.
    """

    monitor = "val/accuracy"

    def __init__(
        self,
        depth: int = 20,
        num_classes: int = 10,
        in_channels: int = 1,
        block: str | None = "snl",
        order: int | None = None,
        stages: int | None = None,
        dropout: float = 0.5,
        learning_rate: float = 0.1,
        weight_decay: float = 1e-4,
        warmup: float = 0.05,
        drops: Sequence[float] = (0.5, 0.833),
        inner_channels: int | None = None,
        block_options: dict[str, Any] | None = None,
        stable_penalty: float = 0.0,
    ) -> None:
        super().__init__()
        check_whole("num_classes", num_classes, 2)
        check_whole("in_channels", in_channels, 1)
        check_real("dropout", dropout, 0, 1)
        check_real("learning_rate", learning_rate, 0, open_=True)
        check_real("weight_decay", weight_decay, 0)
        check_real("warmup", warmup, 0, 1)
        drops = list(drops)
        for drop in drops:
            check_real("a value of drops", drop, 0, 1)
        self.save_hyperparameters()
        settings = {"order": order, "stages": stages, "inner_channels": inner_channels}
        factory = named_block(block, block_options, settings)
        check_penalty(stable_penalty, factory is not None)
        self.network = PreResNet(depth, num_classes, in_channels, block=factory, dropout=dropout)
        self.accuracy = nn.ModuleDict(
            {f"{split}_": MulticlassAccuracy(num_classes, average="micro") for split in _SPLITS}
        )
        self.factor = partial(warmup_and_drops, warmup=warmup, drops=drops)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits ``(B, num_classes)``."""
        return self.network(images)

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the cross-entropy."""
        return cross_entropy(logits, labels)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the cross-entropy of a batch."""
        return self._step(batch, "train")

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Count the hits of a batch."""
        self._step(batch, "val")

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Count the hits of a batch."""
        self._step(batch, "test")

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Return ``predicted``, its ``probability`` and the true ``label``, each ``(B,)``."""
        images, labels = batch
        probability, predicted = self(images).softmax(dim=1).max(dim=1)
        return {"predicted": predicted, "probability": probability, "label": labels}

    def configure_optimizers(self) -> Any:
        """SGD, and the schedule by step."""
        rates = self.hparams
        optimizer = torch.optim.SGD(
            self.parameters(),
            lr=rates["learning_rate"],
            momentum=0.9,
            weight_decay=rates["weight_decay"],
        )
        return schedule(optimizer, self.trainer, self.factor)

    def _step(self, batch: Batch, split: str) -> Tensor:
        images, labels = batch
        weight = self.hparams["stable_penalty"] if split == "train" else 0.0
        with watched(self.network, weight) as hypothesis:
            logits = self(images)
        loss = self.loss(logits, labels)
        self.accuracy[f"{split}_"](logits, labels)
        shown: dict[str, Any] = {
            f"{split}/loss": loss,
            f"{split}/accuracy": self.accuracy[f"{split}_"],
        }
        if hypothesis is not None:
            shown["train/stable_penalty"] = penalty = hypothesis.penalty()
            loss = loss + weight * penalty
        self.log_dict(shown, on_step=False, on_epoch=True, prog_bar=True)
        return loss


_SPLITS = ("train", "val", "test")
