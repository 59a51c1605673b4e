"""Segmentation of long videos whose frames are divided over processes."""

from torch import Tensor, nn

from experiments.tasks.divided_segmentation import DividedSegmentation, convolution


class VideoSegmentation(DividedSegmentation):
    """:class:`DividedSegmentation` of clips ``(B, 3, F, H, W)``: three 3×3 convolutions on every frame.

    Args:
        order: Order of the block's Chebyshev filter.
        channels: Width of the network, a multiple of 4.
        learning_rate: Peak learning rate.

    Raises:
        ValueError: If a number is out of range.
    """

    def __init__(self, order: int = 3, channels: int = 16, learning_rate: float = 1e-2) -> None:
        super().__init__(order, channels, learning_rate)
        self.save_hyperparameters()
        layers = [convolution(3, channels), *(convolution(channels, channels) for _ in range(2))]
        self.backbone = nn.Sequential(*layers)

    def encode(self, inputs: Tensor) -> Tensor:
        """Return the maps ``(B, F, C, H, W)`` of each frame by itself."""
        frames = inputs.transpose(1, 2)
        return self.backbone(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])
