"""Image and video classification with a backbone by name and nonlocal blocks in it."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torchmetrics.classification import MulticlassAccuracy

from experiments.backbones import network_with_blocks
from experiments.memory_format import channels_last_
from experiments.messages import say
from experiments.settings import check_real, check_whole
from experiments.tasks.blocks import named_block
from experiments.tasks.penalty import check_compiled, check_penalty, watched
from experiments.tasks.schedule import by_epoch, schedule, warmup_and_drops

Batch = tuple[Tensor, Tensor]


class Classification(LightningModule):
    """A backbone with nonlocal blocks; by default PreResNet-20 with one SNL before the third unit of stage 3.

    Images ``(B, in_channels, H, W)`` or clips ``(B, C, T, H, W)``, labels ``(B,)``. Several clips of a video,
    ``(B, K, C, T, H, W)``, count as one sample with the mean of their probabilities. Cross-entropy; SGD with
    momentum 0.9; a linear warm-up and tenfold drops, by fractions of the training, or by epochs as in the
    paper's code. Logged: ``accuracy`` (top-1) and ``top5``.

    Args:
        backbone: ``preresnet20``, ``56``, ``110``, ``resnet50``, ``101``, ``152``, ``torchvision.<name>``,
            ``timm.<name>``, ``r3d_18``, ``mc3_18``, ``r2plus1d_18``;
            see :func:`experiments.backbones.networks.build`.
        num_classes: Number of classes.
        in_channels: Channels of the images.
        image_size: Height and width of the images; a ResNet for small ones has another stem.
        block: Name of a nonlocal block, or None or ``"none"`` for none.
        count: 1 or 5 blocks in the paper's places.
        layers: Layers with a block each, in place of ``count``.
        at: Modules after which blocks go, as ``layer3.4``, in place of ``count``.
        order: Order of the filter of a block that has one; the block's own by default.
        filter: Name of the filter of ``"snl"``, in place of ``chebyshev``.
        stages: Units that share one graph, of a block that has them; the block's own number by default.
        inner_channels: Width of the block's projections; the block's own by default.
        symmetrization: Of the graph of ``"snl"``: ``"average"`` by default, or ``"none"``.
        normalization: Of the graph of ``"snl"``: ``"symmetric"`` by default, ``"random_walk"``, ``"mean"``,
            or ``"none"``.
        gate: Whether a block starts as the identity, where it can; false is the authors' block.
        block_options: Further arguments of the block, plain values: ``{"groups": 4}`` for ``"cgnl"``.
        stable_penalty: Weight of ``Σ_blocks ‖S² − S‖_F`` in the loss of a training; 0.01 in the paper.
        pretrained: A file of weights of the backbone; the first and the last layer may differ.
        dropout: Drop probability before the classifier.
        learning_rate: Peak learning rate.
        weight_decay: Weight decay.
        warmup: Fraction of the training over which the rate rises.
        drops: Fractions of the training at which the rate falls tenfold.
        warmup_epochs: Epochs over which the rate rises, in place of ``warmup``.
        drop_epochs: Epochs after the warm-up at which the rate falls tenfold, in place of ``drops``.
        channels_last: Whether maps are kept with their channels last in memory.
        compile: Whether the network is compiled by ``torch.compile``.
        depth: ``backbone=f"preresnet{depth}"``, as earlier checkpoints say it.

    Raises:
        ValueError: If a name is unknown (the choices are listed), the block takes no such argument (``order``
            and ``stages`` of a network without a block are not used), the backbone has no such place, the
            file of weights is of another network, or a number is out of range.
    """

    monitor = "val/accuracy"

    def __init__(
        self,
        backbone: str = "preresnet20",
        num_classes: int = 10,
        in_channels: int = 1,
        image_size: int = 32,
        block: str | None = "snl",
        count: int | None = None,
        layers: list[int] | None = None,
        at: list[str] | None = None,
        order: int | None = None,
        filter: str | None = None,
        stages: int | None = None,
        inner_channels: int | None = None,
        symmetrization: str | None = None,
        normalization: str | None = None,
        gate: bool = True,
        block_options: dict[str, Any] | None = None,
        stable_penalty: float = 0.0,
        pretrained: str | None = None,
        dropout: float = 0.5,
        learning_rate: float = 0.1,
        weight_decay: float = 1e-4,
        warmup: float = 0.05,
        drops: Sequence[float] = (0.5, 0.833),
        warmup_epochs: int | None = None,
        drop_epochs: list[int] | None = None,
        channels_last: bool = False,
        compile: bool = False,
        depth: int | None = None,
    ) -> None:
        super().__init__()
        images = {"num_classes": num_classes, "in_channels": in_channels, "image_size": image_size}
        for key, value in images.items():
            check_whole(key, value, 2 if key == "num_classes" else 1)
        check_real("dropout", dropout, 0, 1)
        drops = list(drops)
        _check_rates(learning_rate, weight_decay, warmup, drops, warmup_epochs, drop_epochs)
        self.save_hyperparameters()
        named = None if block == "none" else block
        settings = {"order": order, "stages": stages, "inner_channels": inner_channels, "filter": filter}
        settings |= {"symmetrization": symmetrization, "normalization": normalization}
        factory = named_block(named, block_options, settings, gate=gate)
        check_penalty(stable_penalty, factory is not None)
        check_compiled(compile, stable_penalty)
        self.network, self._left = network_with_blocks(
            backbone if depth is None else f"preresnet{depth}",
            images,
            factory,
            {"count": count, "layers": layers, "at": at},
            dropout=dropout,
            pretrained=pretrained,
        )
        self.accuracy, self.top5 = _accuracies(num_classes, 1), _accuracies(num_classes, 5)
        self.factor = partial(warmup_and_drops, warmup=warmup, drops=drops)
        if channels_last:
            channels_last_(self.network)
        if compile:
            self.network.compile()

    def on_fit_start(self) -> None:
        """Say what of the file of weights is not in the network."""
        if self._left:
            say(f"of '{self.hparams['pretrained']}' not loaded: {'; '.join(self._left)}")

    def forward(self, images: Tensor) -> Tensor:
        """Return logits ``(B, num_classes)``; of several clips the logarithm of their mean probability."""
        if images.dim() == 6:
            each = self(images.flatten(0, 1)).unflatten(0, images.shape[:2]).log_softmax(dim=-1)
            return each.logsumexp(dim=1) - math.log(images.shape[1])
        return self.network(channels_last_(images) if self.hparams["channels_last"] else images)

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
        """SGD, and the schedule by step or by epoch."""
        rates = self.hparams
        optimizer = torch.optim.SGD(
            self.parameters(),
            lr=rates["learning_rate"],
            momentum=0.9,
            weight_decay=rates["weight_decay"],
        )
        if rates["drop_epochs"] is None and rates["warmup_epochs"] is None:
            return schedule(optimizer, self.trainer, self.factor)
        return by_epoch(optimizer, rates["warmup_epochs"] or 0, rates["drop_epochs"] or [])

    def _step(self, batch: Batch, split: str) -> Tensor:
        images, labels = batch
        weight = self.hparams["stable_penalty"] if split == "train" else 0.0
        with watched(self.network, weight) as hypothesis:
            logits = self(images)
        loss = self.loss(logits, labels)
        shown: dict[str, Any] = {f"{split}/loss": loss}
        for name, metric in {"accuracy": self.accuracy, "top5": self.top5}.items():
            if metric:
                metric[f"{split}_"](logits, labels)
                shown[f"{split}/{name}"] = metric[f"{split}_"]
        if hypothesis is not None:
            shown["train/stable_penalty"] = penalty = hypothesis.penalty()
            loss = loss + weight * penalty
        of_all = split != "train"  # processes
        self.log_dict(shown, on_step=False, on_epoch=True, prog_bar=True, sync_dist=of_all)
        return loss


_SPLITS = ("train", "val", "test")


def _accuracies(classes: int, top: int) -> nn.ModuleDict:
    """Accuracy of each split; none where so many guesses are always right."""
    if top >= classes:
        return nn.ModuleDict()
    return nn.ModuleDict({f"{s}_": MulticlassAccuracy(classes, top_k=top, average="micro") for s in _SPLITS})


def _check_rates(
    learning_rate: float,
    weight_decay: float,
    warmup: float,
    drops: Sequence[float],
    warmup_epochs: int | None,
    drop_epochs: list[int] | None,
) -> None:
    check_real("learning_rate", learning_rate, 0, open_=True)
    check_real("weight_decay", weight_decay, 0)
    check_real("warmup", warmup, 0, 1)
    for drop in drops:
        check_real("a value of drops", drop, 0, 1)
    if warmup_epochs is not None:
        check_whole("warmup_epochs", warmup_epochs, 0)
    for epoch in drop_epochs or []:
        check_whole("a value of drop_epochs", epoch, 0)
