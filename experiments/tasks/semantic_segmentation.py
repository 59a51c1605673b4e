"""A class at each pixel: a dilated ResNet with a head that has a nonlocal block."""

from functools import partial
from typing import Any

import torch
from lightning import LightningModule
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torchmetrics.classification import MulticlassJaccardIndex

from experiments.backbones.segmenter import Segmenter
from experiments.colour_pictures import ColourPictures
from experiments.memory_format import channels_last_
from experiments.messages import say
from experiments.settings import check_real, check_whole
from experiments.tasks.blocks import named_block
from experiments.tasks.penalty import check_compiled, check_penalty, watched
from experiments.tasks.schedule import poly, schedule

Batch = tuple[Tensor, Tensor]
IGNORED = 255
_SPLITS = ("val", "test")


class SemanticSegmentation(LightningModule):
    """ResNet-50-D8 with an FCN head, in it a nonlocal block; by default SNL, as Zhu et al. (2021) train it.

    Images ``(B, 3, H, W)``, classes ``(B, H, W)``, 255 where none counts. Cross-entropy, plus
    ``auxiliary_weight`` times that of the auxiliary head; SGD with momentum 0.9; the rate falls as
    ``(1 − progress)^power``. Logged: ``miou``, the mean over the classes seen of intersection over union, and
    in a test ``iou/<class>``. ``predict`` writes pictures in the colours of the data, and the part of each
    image's judged pixels that is right.

    Args:
        backbone: Name of a ResNet of timm; see :class:`~experiments.backbones.segmenter.Segmenter`.
        num_classes: Number of classes.
        block: Name of a nonlocal block, or None or ``"none"`` for none.
        order: Order of the filter of a block that has one; the block's own by default.
        filter: Name of the filter of ``"snl"``, in place of ``chebyshev``.
        stages: Units that share one graph, of a block that has them; the block's own number by default.
        inner_channels: Width of the block's projections; the block's own by default.
        symmetrization: Of the graph of ``"snl"``.
        normalization: Of the graph of ``"snl"``.
        gate: Whether a block starts as the identity, where it can; false is the authors' block.
        block_options: Further arguments of the block, plain values.
        stable_penalty: Weight of ``Σ_blocks ‖S² − S‖_F`` in the loss of a training.
        channels: Width of the head.
        auxiliary_weight: Weight of the auxiliary head's loss; 0 for no such head.
        pretrained: A file of weights of the backbone; the classifier is not used.
        dropout: Drop probability of channels before each classifier.
        learning_rate: First learning rate.
        min_learning_rate: Last learning rate.
        power: Of the rate's fall.
        weight_decay: Weight decay.
        channels_last: Whether maps are kept with their channels last in memory.
        compile: Whether the network is compiled by ``torch.compile``.

    Raises:
        ValueError: If a name is unknown (the choices are listed), the block takes no such argument, the file
            of weights is of another network, or a number is out of range.
    """

    monitor = "val/miou"

    def __init__(
        self,
        backbone: str = "resnet50c",
        num_classes: int = 19,
        block: str | None = "snl",
        order: int | None = None,
        filter: str | None = None,
        stages: int | None = None,
        inner_channels: int | None = None,
        symmetrization: str | None = None,
        normalization: str | None = None,
        gate: bool = True,
        block_options: dict[str, Any] | None = None,
        stable_penalty: float = 0.0,
        channels: int = 512,
        auxiliary_weight: float = 0.4,
        pretrained: str | None = None,
        dropout: float = 0.1,
        learning_rate: float = 0.01,
        min_learning_rate: float = 1e-4,
        power: float = 0.9,
        weight_decay: float = 5e-4,
        channels_last: bool = False,
        compile: bool = False,
    ) -> None:
        super().__init__()
        check_whole("num_classes", num_classes, 2, IGNORED)
        check_whole("channels", channels, 2)
        check_real("dropout", dropout, 0, 1)
        check_real("auxiliary_weight", auxiliary_weight, 0)
        check_real("learning_rate", learning_rate, 0, open_=True)
        check_real("min_learning_rate", min_learning_rate, 0, learning_rate)
        check_real("power", power, 0)
        check_real("weight_decay", weight_decay, 0)
        self.save_hyperparameters()
        settings = {"order": order, "stages": stages, "inner_channels": inner_channels, "filter": filter}
        settings |= {"symmetrization": symmetrization, "normalization": normalization}
        factory = named_block(None if block == "none" else block, block_options, settings, gate=gate)
        check_penalty(stable_penalty, factory is not None)
        check_compiled(compile, stable_penalty)
        auxiliary = auxiliary_weight > 0
        self.network = Segmenter(backbone, num_classes, factory, channels, dropout, auxiliary, pretrained)
        self.iou = nn.ModuleDict({f"{split}_": _iou_by_class(num_classes) for split in _SPLITS})
        self.factor = partial(poly, power=power, last=min_learning_rate / learning_rate)
        if channels_last:
            channels_last_(self.network)
        if compile:
            self.network.compile()

    def configure_callbacks(self) -> list[Callback]:
        """Pictures of what is predicted."""
        return [ColourPictures()]

    def on_fit_start(self) -> None:
        """Say what of the file of weights is not in the network."""
        if self.network.left:
            say(f"of '{self.hparams['pretrained']}' not loaded: {'; '.join(self.network.left)}")

    def forward(self, images: Tensor) -> Any:
        """Return logits ``(B, num_classes, H, W)``; in training a pair with those of the auxiliary head."""
        return self.network(channels_last_(images) if self.hparams["channels_last"] else images)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        images, labels = batch
        with watched(self.network, self.hparams["stable_penalty"]) as hypothesis:
            heads = self(images)
        loss = self.loss(heads, labels)
        shown = {"train/loss": loss}
        if hypothesis is not None:
            shown["train/stable_penalty"] = penalty = hypothesis.penalty()
            loss = loss + self.hparams["stable_penalty"] * penalty
        self.log_dict(shown, on_step=True, on_epoch=False, prog_bar=True)
        return loss

    def loss(self, heads: Tensor | tuple[Tensor, Tensor], labels: Tensor) -> Tensor:
        """Return the cross-entropy of the logits, and of the auxiliary head's by its weight."""
        if isinstance(heads, Tensor):
            return pixel_cross_entropy(heads, labels)
        logits, auxiliary = heads
        weight = self.hparams["auxiliary_weight"]
        return pixel_cross_entropy(logits, labels) + weight * pixel_cross_entropy(auxiliary, labels)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Count the pixels of a batch."""
        self._count(batch, "val")

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Count the pixels of a batch."""
        self._count(batch, "test")

    def on_validation_epoch_end(self) -> None:
        """Log the mean over the classes."""
        self.log("val/miou", self._of_classes("val").nanmean(), prog_bar=True)

    def on_test_epoch_end(self) -> None:
        """Log the mean, and each class that was seen."""
        of_classes = self._of_classes("test")
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        names = getattr(data, "classes", range(len(of_classes)))
        seen = {f"test/iou/{name}": iou for name, iou in zip(names, of_classes, strict=True)}
        self.log_dict({"test/miou": of_classes.nanmean(), **{k: v for k, v in seen.items() if not v.isnan()}})

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Return ``classes (B, H, W)``, and ``accuracy (B,)`` over the judged pixels (NaN without any)."""
        images, labels = batch
        classes = self(images).argmax(dim=1)
        judged = labels != IGNORED
        right = (judged & (classes == labels)).sum((1, 2)) / judged.sum((1, 2))
        return {"classes": classes, "accuracy": right}

    def configure_optimizers(self) -> Any:
        """SGD, and the schedule by step."""
        rates = self.hparams
        optimizer = torch.optim.SGD(
            self.parameters(), rates["learning_rate"], momentum=0.9, weight_decay=rates["weight_decay"]
        )
        return schedule(optimizer, self.trainer, self.factor)

    def _count(self, batch: Batch, split: str) -> None:
        images, labels = batch
        logits = self(images)
        self._metric(split).update(logits.argmax(dim=1), labels)
        self.log(f"{split}/loss", pixel_cross_entropy(logits, labels), sync_dist=True, batch_size=len(images))

    def _of_classes(self, split: str) -> Tensor:
        """Intersection over union of each class; NaN of one that is neither there nor predicted."""
        metric = self._metric(split)
        found = metric.compute()
        metric.reset()
        return found

    def _metric(self, split: str) -> Any:
        return self.iou[f"{split}_"]


def pixel_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean over the judged pixels; 0 where there is none, as in a part that is all "ignored"."""
    total = cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum")
    return total / (labels != IGNORED).sum().clamp(min=1)


def _iou_by_class(classes: int) -> nn.Module:
    return MulticlassJaccardIndex(classes, average="none", ignore_index=IGNORED, zero_division=float("nan"))
