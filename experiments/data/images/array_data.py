"""Data modules of images in memory."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from experiments.data.images.arrays import MovedPictures, Normalization, Pictures, StillPictures
from experiments.data.images.base import ImageData

_CROP_PADDING = 4


class ArrayData(ImageData[Pictures]):
    """Images that stay in memory as unsigned bytes; see :class:`~experiments.data.images.base.ImageData`."""

    normalization: ClassVar[Normalization]

    def training_set(self, source: Pictures, rows: NDArray[np.int64]) -> MovedPictures:
        """Moved and mirrored images."""
        return MovedPictures(source, rows, self.normalization, _CROP_PADDING, self.seed)

    def evaluation_set(self, source: Pictures, rows: NDArray[np.int64]) -> StillPictures:
        """Images as they are."""
        return StillPictures(source, rows, self.normalization)
