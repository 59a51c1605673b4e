"""Segmentation of whole-slide images whose tiles are divided over processes."""

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from experiments.data.tiles import Tile, paint
from experiments.settings import check_real, check_whole
from experiments.tasks.divided_segmentation import DividedSegmentation, convolution


class SlideSegmentation(DividedSegmentation):
    """:class:`DividedSegmentation` of tiles ``(B, T, 7)``, which are painted when they are encoded.

    Two 4×4 convolutions of stride 4 make 16×16 pixels a position. A few tiles at a time are painted and
    encoded; their pixels and inner maps are given up, and made again for the gradient. What stays of a slide
    are its positions: ``4 C`` bytes each for every map that block and head keep, in float32. As in
    :class:`Segmentation`, the block stands between a norm and its ReLU.

    Args:
        order: Order of the block's Chebyshev filter; of order 0 it sees no graph.
        channels: Width of the network, a multiple of 4.
        learning_rate: Peak learning rate.
        warmup: Share of the training over which the rate rises to the peak, at most 0.9.
        tiles_at_once: Tiles of each slide of a batch whose pixels are in memory together.

    Raises:
        ValueError: If a number is out of range.
    """

    def __init__(
        self,
        order: int = 3,
        channels: int = 32,
        learning_rate: float = 1e-2,
        warmup: float = 0.3,
        tiles_at_once: int = 16,
    ) -> None:
        check_real("warmup", warmup, 0, 0.9)
        check_whole("tiles_at_once", tiles_at_once, 1)
        super().__init__(order, channels, learning_rate)
        self.save_hyperparameters()
        first, second = convolution(3, channels, 4, 4), convolution(channels, channels, 4, 4)
        self.backbone = nn.Sequential(first, second[:-1])

    def encode(self, inputs: Tensor) -> Tensor:
        """Return the maps ``(B, T, C, h, h)`` of each tile by itself."""
        turns = inputs.split(self.hparams["tiles_at_once"], dim=1)
        maps = [
            checkpoint(self._encode_together, some, use_reentrant=False, preserve_rng_state=False)
            for some in turns
        ]
        return torch.cat(maps, dim=1)

    def _encode_together(self, tiles: Tensor) -> Tensor:
        pixels = torch.stack([paint(Tile(*row)) for row in tiles.flatten(0, 1).tolist()])
        images = (pixels.to(tiles.device).to(self.head.weight.dtype) - 224) / 64  # tissue is about 0
        return self.backbone(images).unflatten(0, tiles.shape[:2])
