"""Data modules of images in files."""

from abc import abstractmethod
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from experiments.data.images.arrays import Normalization
from experiments.data.images.base import ImageData
from experiments.data.images.files import (
    EvaluationFiles,
    Files,
    Readable,
    TrainingFiles,
    Transform,
    middle_part,
    random_part,
)
from experiments.data.images.loading import TrainingLoader
from experiments.settings import check_real, check_whole

S = TypeVar("S", bound=Readable[Any])
T = TypeVar("T")


class FileData(ImageData[S], Generic[S, T]):
    """Images, or videos, that are read from their files each time.

    In training a random part is taken, else the middle. What the classes add to
    :class:`~experiments.data.images.base.ImageData`:

    Args:
        num_classes: Number of classes.
        image_size: Height and width of the part.
        resize: Shorter side of an image whose middle is taken.
        scale: Least and greatest area of a random part, of that of the image.
        broken_share: Part of the training images that may be broken: each is named, and the next image of
            the epoch takes its place.

    Raises:
        BrokenImageError: If more are, or any one of a validation or test.

    Attributes:
        normalization: Of a batch of parts.
    """

    in_channels = 3
    normalization: Normalization

    def __init__(
        self,
        root: str,
        batch_size: int,
        num_workers: int,
        download: bool,
        val_share: float,
        val_from_test: bool,
        subset: int | None,
        seed: int,
        num_classes: int,
        image_size: int,
        resize: int,
        scale: tuple[float, float],
        broken_share: float,
    ) -> None:
        super().__init__(root, batch_size, num_workers, download, val_share, val_from_test, subset, seed)
        check_whole("num_classes", num_classes, 2)
        check_whole("image_size", image_size, 1)
        check_whole("resize", resize, image_size)
        _check_scale(scale)
        check_real("broken_share", broken_share, 0, 0.5)
        if download:
            raise ValueError(
                f"download=True: {type(self).__name__} has to be got at its site; put it into root='{root}'"
            )
        self.num_classes, self.image_size, self.resize = num_classes, image_size, resize
        self.scale, self.broken_share = scale, broken_share

    @abstractmethod
    def random_part(self) -> Transform[T]:
        """A part of a training image, drawn from PyTorch's generator, as bytes."""

    @abstractmethod
    def middle_part(self) -> Transform[T]:
        """The part of an image that stands for it in an evaluation, as bytes."""

    def training_set(self, source: S, rows: NDArray[np.int64]) -> TrainingFiles[T]:
        """Random parts."""
        patience = int(self.broken_share * len(rows))
        return TrainingFiles(source, rows, self.random_part(), self.normalization, self.seed, patience)

    def evaluation_set(self, source: S, rows: NDArray[np.int64]) -> EvaluationFiles[T]:
        """The middle of each image."""
        return EvaluationFiles(source, rows, self.middle_part(), self.normalization)

    def train_dataloader(self) -> TrainingLoader:
        """Augmented batches, as of any image data set; up to ``broken_share`` of the images may be broken."""
        loader = super().train_dataloader()
        loader.allowed = int(self.broken_share * len(loader.sampler))
        return loader

    @property
    def _classes_remedy(self) -> str:
        return f", or give another --data.num_classes than {self.num_classes} (and so the model)"


class ImageFileData(FileData[Files, Image.Image]):
    """Images in files, cropped, mirrored and normalised as for ImageNet; see :class:`FileData`."""

    normalization = Normalization((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

    def random_part(self) -> Transform[Image.Image]:
        """A part of random size, aspect and place, mirrored at random."""
        return random_part(self.image_size, self.scale)

    def middle_part(self) -> Transform[Image.Image]:
        """The middle of the image."""
        return middle_part(self.image_size, self.resize)


def _check_scale(scale: tuple[float, float]) -> None:
    """Refuse what is no range of areas."""
    if len(scale) != 2:
        raise ValueError(f"scale={scale!r} is no least and greatest area; choose such as (0.08, 1.25)")
    check_real("the least area of scale", scale[0], 0, open_=True)
    check_real("the greatest area of scale", scale[1], scale[0])
