"""Segmentation of long videos whose frames are divided over processes."""

from typing import Any

from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.tensor.parallel import parallelize_module
from torch.nn.functional import binary_cross_entropy_with_logits
from torchmetrics.classification import BinaryJaccardIndex

from experiments.settings import check_real, check_whole
from experiments.tasks.binary_segmentation import BinarySegmentation
from gsp_nonlocal import SNL
from gsp_nonlocal.distributed import NodeParallel

Batch = tuple[Tensor, Tensor]


class VideoSegmentation(BinarySegmentation):
    """2-D convolutions on every frame, one SNL across all frames of all processes, one 2-D convolution.

    Clips ``(B, 3, F, H, W)`` with the frames of this process, masks ``(B, F, H, W)`` of 0 and 1. Frames meet
    in the block alone: convolutions and group norms are of one frame. Trained with
    ``trainer.strategy=ddp`` on ``P`` devices, the loss of every step is that of one process with all frames.
    Loss: cross-entropy, the match weighted tenfold; Adam with a cosine schedule.

    Args:
        order: Order of the block's Chebyshev filter.
        channels: Width of the network, a multiple of 4.
        learning_rate: Peak learning rate.

    Raises:
        ValueError: If a number is out of range.
    """

    monitor = "val/iou"

    def __init__(self, order: int = 3, channels: int = 16, learning_rate: float = 1e-2) -> None:
        super().__init__()
        check_whole("order", order, 0)
        check_whole("channels", channels, 4)
        if channels % 4:
            raise ValueError(f"channels={channels} must be a multiple of 4, for the groups of the norms")
        check_real("learning_rate", learning_rate, 0, open_=True)
        self.save_hyperparameters()
        layers = [_convolution(3, channels), *(_convolution(channels, channels) for _ in range(2))]
        self.backbone = nn.Sequential(*layers)
        self.block = SNL(channels, order=order, gate=False)
        self.head = nn.Conv2d(channels, 1, 3, padding=1)
        self.iou = nn.ModuleDict({f"{split}_": BinaryJaccardIndex() for split in ("train", "val", "test")})

    def configure_model(self) -> None:
        """Divide the block over the processes of the training, which DistributedDataParallel joins."""
        if self.trainer.world_size > 1:
            self.divide(init_device_mesh(self.trainer.strategy.root_device.type, (self.trainer.world_size,)))

    def divide(self, mesh: DeviceMesh) -> None:
        """Give the nodes of the block to the processes of ``mesh``; once."""
        if not self.block.affinity.ranks.is_split:
            parallelize_module(self.block, mesh, NodeParallel(sum_gradients=False))

    def forward(self, clips: Tensor) -> Tensor:
        """Return the logit of every pixel, ``(B, F, H, W)``."""
        frames = clips.transpose(1, 2)
        maps = self.backbone(frames.flatten(0, 1)).unflatten(0, frames.shape[:2]).transpose(1, 2)
        joined = self.block(maps).transpose(1, 2).flatten(0, 1).relu()
        return self.head(joined).unflatten(0, frames.shape[:2]).squeeze(2)

    def loss(self, logits: Tensor, masks: Tensor) -> Tensor:
        """Return the weighted cross-entropy."""
        return binary_cross_entropy_with_logits(logits, masks, pos_weight=logits.new_tensor(10.0))

    def _step(self, batch: Batch, split: str) -> Tensor:
        clips, masks = batch
        logits = self(clips)
        loss = self.loss(logits, masks)
        self.iou[f"{split}_"](logits, masks.long())
        shown: dict[str, Any] = {f"{split}/loss": loss, f"{split}/iou": self.iou[f"{split}_"]}
        on_step = split == "train"
        self.log_dict(shown, on_step=on_step, on_epoch=not on_step, prog_bar=True, sync_dist=True)
        return loss


def _convolution(in_channels: int, channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, 3, padding=1, bias=False), nn.GroupNorm(4, channels), nn.ReLU()
    )
