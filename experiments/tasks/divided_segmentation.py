"""What tasks have in common that segment the frames or tiles of a sample, divided over processes."""

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.tensor.parallel import parallelize_module
from torch.nn.functional import binary_cross_entropy_with_logits
from torchmetrics.classification import BinaryJaccardIndex

from experiments.settings import check_real, check_whole
from experiments.tasks.binary_segmentation import BinarySegmentation
from gsp_nonlocal import SNL
from gsp_nonlocal.distributed import NodeParallel, join_batch_norms

Batch = tuple[Tensor, Tensor]


class DividedSegmentation(BinarySegmentation):
    """2-D convolutions on every frame or tile, one SNL across those of all processes, one 2-D convolution.

    Masks ``(B, F, h, w)`` of 0 and 1, with the frames or tiles of this process. They meet in the block and
    in batch norms: convolutions and group norms are of one. Trained with ``trainer.strategy=ddp`` on ``P``
    devices, the loss of every step is that of one process with all of them, however they are divided. Loss:
    cross-entropy, what is sought weighted ``weight``-fold; Adam with a cosine schedule. A task writes
    :meth:`encode`.

    Args:
        order: Order of the block's Chebyshev filter; of order 0 it sees no graph.
        channels: Width of the network, a multiple of 4.
        learning_rate: Peak learning rate.

    Raises:
        ValueError: If a number is out of range.
    """

    monitor = "val/iou"
    weight = 2.0
    backbone: nn.Module

    def __init__(self, order: int, channels: int, learning_rate: float) -> None:
        super().__init__()
        check_whole("order", order, 0)
        check_whole("channels", channels, 4)
        if channels % 4:
            raise ValueError(f"channels={channels} must be a multiple of 4, for the groups of the norms")
        check_real("learning_rate", learning_rate, 0, open_=True)
        self.block = SNL(channels, order=order, gate=False)
        self.head = nn.Conv2d(channels, 1, 3, padding=1)
        self.iou = nn.ModuleDict(
            {
                f"{split}_": BinaryJaccardIndex(dist_sync_on_step=split == "train")
                for split in ("train", "val", "test")
            }
        )

    @abstractmethod
    def encode(self, inputs: Tensor) -> Tensor:
        """Return the maps ``(B, F, C, h, w)`` of each frame or tile by itself."""

    def configure_model(self) -> None:
        """Divide the block over the processes of the training, which DistributedDataParallel joins."""
        if self.trainer.world_size > 1:
            self.divide(init_device_mesh(self.trainer.strategy.root_device.type, (self.trainer.world_size,)))

    def divide(self, mesh: DeviceMesh) -> None:
        """Give the nodes of the block to the processes of ``mesh``, and the batch norms' maps; once."""
        if not self.block.affinity.ranks.is_split:
            join_batch_norms(self.backbone, mesh)
            parallelize_module(self.block, mesh, NodeParallel(sum_gradients=False))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logit of every position, ``(B, F, h, w)``."""
        maps = self.encode(inputs)
        joined = self.block(maps.transpose(1, 2)).transpose(1, 2).flatten(0, 1).relu()
        return self.head(joined).unflatten(0, maps.shape[:2]).squeeze(2)

    def loss(self, logits: Tensor, masks: Tensor) -> Tensor:
        """Return this process's share of the weighted cross-entropy: the processes' mean is that of all."""
        own = binary_cross_entropy_with_logits(logits, masks, pos_weight=logits.new_tensor(self.weight))
        counts = torch.tensor([logits.numel(), 1], device=logits.device, dtype=torch.float64)
        positions, processes = self.block.affinity.ranks.sum(counts).tolist()
        return own * (logits.numel() * processes / positions)

    def _step(self, batch: Batch, split: str) -> Tensor:
        inputs, masks = batch
        logits = self(inputs)
        loss = self.loss(logits, masks)
        self.iou[f"{split}_"](logits, masks.long())
        shown: dict[str, Any] = {f"{split}/loss": loss, f"{split}/iou": self.iou[f"{split}_"]}
        on_step = split == "train"
        self.log_dict(shown, on_step=on_step, on_epoch=not on_step, prog_bar=True, sync_dist=True)
        return loss


def convolution(
    in_channels: int, channels: int, kernel: int = 3, stride: int = 1, norm: nn.Module | None = None
) -> nn.Sequential:
    """A convolution, a norm (by default a group norm of one frame or tile), and a ReLU."""
    padding = (kernel - stride + 1) // 2
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, kernel, stride, padding, bias=False),
        nn.GroupNorm(4, channels) if norm is None else norm,
        nn.ReLU(),
    )
