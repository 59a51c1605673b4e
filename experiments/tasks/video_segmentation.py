"""Segmentation of long videos whose frames are divided over processes."""

from torch import Tensor, nn

from experiments.settings import check_real
from experiments.tasks.divided_segmentation import DividedSegmentation, convolution


class VideoSegmentation(DividedSegmentation):
    """:class:`DividedSegmentation` of clips ``(B, 3, F, H, W)``: three 3×3 convolutions on every frame.

    Batch norms are over the frames of all processes: a norm of one frame divides a digit of one tint by
    what its frame shows beside it, which is nothing. As in :class:`Segmentation`, the block stands between a
    norm and its ReLU.

    Args:
        order: Order of the block's Chebyshev filter; of order 0 it sees no graph.
        channels: Width of the network, a multiple of 4.
        learning_rate: Peak learning rate.
        warmup: Share of the training over which the rate rises to the peak, at most 0.9.

    Raises:
        ValueError: If a number is out of range.
    """

    def __init__(
        self, order: int = 3, channels: int = 32, learning_rate: float = 1e-2, warmup: float = 0.3
    ) -> None:
        check_real("warmup", warmup, 0, 0.9)
        super().__init__(order, channels, learning_rate)
        self.save_hyperparameters()
        first, second, third = (
            convolution(width, channels, norm=nn.BatchNorm2d(channels)) for width in (3, channels, channels)
        )
        self.backbone = nn.Sequential(first, second, third[:-1])

    def encode(self, inputs: Tensor) -> Tensor:
        """Return the maps ``(B, F, C, H, W)`` of each frame by itself."""
        frames = inputs.transpose(1, 2)
        return self.backbone(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])
