"""Segmentation of cued scenes with a small CNN and a nonlocal block."""

from functools import partial
from typing import Any, Literal

from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torchmetrics.classification import BinaryJaccardIndex

import filters
from experiments.settings import check_real, check_whole
from experiments.tasks.binary_segmentation import BinarySegmentation
from experiments.tasks.blocks import named_block
from experiments.tasks.penalty import check_penalty, watched
from gsp_nonlocal import NonlocalBlock

Batch = tuple[Tensor, Tensor]
Order = int | Literal["auto"] | None
_SPLITS = ("train", "val", "test")


class Segmentation(BinarySegmentation):
    """Three 3×3 convolutions, one nonlocal block or none, one 3×3 convolution.

    The block stands between the third norm and its ReLU, on features of both signs, as in the paper's
    pre-activation networks: after a ReLU all features share a large mean, the affinity starts close to
    rank one, and some seeds never tell all tints apart. It has the paper's plain residual (``gate=False``):
    the network is trained from scratch, and a block that starts as the identity starts later to learn. So
    has a named block, unless its constructor has no ``gate``.

    Images ``(B, 3, H, W)``, masks ``(B, H, W)`` of 0 and 1. A pixel sees 9×9 pixels through the
    convolutions and the whole image through the block. Loss: cross-entropy plus ``1 −`` soft Dice, since
    few pixels belong to the target; Adam with a cosine schedule.

    Args:
        filter: Name of a graph filter, or None for a network without a block.
        order: Order of the filter; None for a filter that has none. ``"auto"``: 3, or what a named block has.
        channels: Width of the network.
        inner_channels: Width of the block's projections; half of ``channels``, or what a named block has, by
            default.
        learning_rate: Peak learning rate.
        warmup: Share of the training over which the rate rises to the peak, at most 0.9. Without one,
            about one training in five stays where all ink is labelled.
        block: Name of a nonlocal block, in place of the default ``filter``.
        block_options: Further arguments of that block, plain values: ``{"groups": 4}`` for ``"cgnl"``.
        stable_penalty: Weight of ``Σ_blocks ‖S² − S‖_F`` in the loss of a training; 0.01 in the paper.

    Raises:
        ValueError: If ``filter`` or ``block`` is unknown (the choices are listed), the block takes no such
            argument, both are chosen, or a number is out of range.
    """

    monitor = "val/iou"

    def __init__(
        self,
        filter: str | None = "chebyshev",
        order: Order = "auto",
        channels: int = 32,
        inner_channels: int | None = None,
        learning_rate: float = 1e-2,
        warmup: float = 0.0,
        block: str | None = None,
        block_options: dict[str, Any] | None = None,
        stable_penalty: float = 0.0,
    ) -> None:
        super().__init__()
        check_whole("channels", channels, 1)
        check_real("learning_rate", learning_rate, 0, open_=True)
        check_real("warmup", warmup, 0, 0.9)
        self.save_hyperparameters()
        settings = {"order": None if order == "auto" else order, "inner_channels": inner_channels}
        named = named_block(block, block_options, settings, gate=False)
        if named is None:
            blocks = [] if filter is None else [_block(filter, order, channels, inner_channels)]
        else:
            _check_one(filter, block)
            blocks = [named(channels)]
        check_penalty(stable_penalty, bool(blocks))
        self.network = nn.Sequential(
            *_convolution(3, channels),
            nn.ReLU(),
            *_convolution(channels, channels),
            nn.ReLU(),
            *_convolution(channels, channels),
            *blocks,
            nn.ReLU(),
            nn.Conv2d(channels, 1, 3, padding=1),
        )
        self.iou = nn.ModuleDict({f"{split}_": BinaryJaccardIndex() for split in _SPLITS})

    def forward(self, images: Tensor) -> Tensor:
        """Return the logit of every pixel, ``(B, H, W)``."""
        return self.network(images).squeeze(1)

    def loss(self, logits: Tensor, masks: Tensor) -> Tensor:
        """Return cross-entropy plus ``1 −`` soft Dice."""
        return binary_cross_entropy_with_logits(logits, masks) + 1 - soft_dice(logits, masks)

    def _step(self, batch: Batch, split: str) -> Tensor:
        images, masks = batch
        weight = self.hparams["stable_penalty"] if split == "train" else 0.0
        with watched(self.network, weight) as hypothesis:
            logits = self(images)
        loss = self.loss(logits, masks)
        self.iou[f"{split}_"](logits, masks.long())
        shown: dict[str, Any] = {f"{split}/loss": loss, f"{split}/iou": self.iou[f"{split}_"]}
        if hypothesis is not None:
            shown["train/stable_penalty"] = penalty = hypothesis.penalty()
            loss = loss + weight * penalty
        self.log_dict(shown, on_step=split == "train", on_epoch=split != "train", prog_bar=True)
        return loss


def soft_dice(logits: Tensor, masks: Tensor) -> Tensor:
    """Return ``2 Σ p m / (Σ p + Σ m)`` over all pixels of the batch, ``p = sigmoid(logits)``."""
    probability = logits.sigmoid()
    return 2 * (probability * masks).sum() / (probability.sum() + masks.sum()).clamp_min(1e-6)


def _convolution(in_channels: int, channels: int) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(in_channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)


def _check_one(filter: str | None, block: str | None) -> None:
    if filter not in (None, "chebyshev"):
        raise ValueError(
            f"filter={filter!r} and block={block!r} are two blocks; give filter=null with a block"
        )


def _block(name: str, order: Order, channels: int, inner_channels: int | None) -> NonlocalBlock:
    factory = filters.registry.get(name)
    order = 3 if order == "auto" else order
    make = factory if order is None else partial(factory, order=order)
    try:
        return NonlocalBlock(channels, inner_channels, filter=make, gate=False)
    except TypeError as error:
        raise ValueError(
            f"filter {name!r} with order={order} cannot be built ({error}); "
            "give order=null to a filter that has none"
        ) from error
