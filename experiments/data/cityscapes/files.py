"""Pairs of an image file and a label file, read, cropped and normalised."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import tv_tensors

from experiments.data.cityscapes.classes import CLASS_OF_ID
from experiments.data.images.arrays import Normalization
from experiments.data.images.decoding import UnreadableImageError, read_rgb
from experiments.data.images.loading import Broken, Fetched
from experiments.data.images.random_draws import seeded
from experiments.data.resumable import EpochDataset
from gsp_nonlocal.reading import first_line

Pair = tuple[tv_tensors.Image, tv_tensors.Mask]
NORMALIZATION = Normalization((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


class Scenes(NamedTuple):
    """Files of images and of their labels, each in the folder of its city."""

    images: list[Path]
    masks: list[Path]
    cities: tuple[str, ...]

    @property
    def labels(self) -> NDArray[np.int64]:
        """Number of each image's city, ``(N,)``: what a part of the data has in its share."""
        known = sorted(set(self.cities))
        return np.array([known.index(city) for city in self.cities], dtype=np.int64)

    def read(self, row: int) -> Pair:
        """Bytes ``(3, H, W)`` and classes ``(H, W)`` of a row.

        Raises:
            UnreadableImageError: If one of the two files is broken, or they differ in size.
        """
        image = torch.from_numpy(np.array(read_rgb(self.images[row]))).permute(2, 0, 1)
        mask = torch.from_numpy(CLASS_OF_ID[_numbers(self.masks[row])])
        if image.shape[1:] != mask.shape:
            raise UnreadableImageError(
                f"its labels '{self.masks[row]}' are {tuple(mask.shape)}, not {tuple(image.shape[1:])}"
            )
        return tv_tensors.Image(image), tv_tensors.Mask(mask)


class TrainingScenes(EpochDataset):
    """Random parts of images with their labels; sample ``(epoch, index)`` is row ``rows[index]``."""

    def __init__(
        self, scenes: Scenes, rows: NDArray[np.int64], part: Callable[[Pair], Pair], seed: int
    ) -> None:
        self._scenes, self._rows, self._part, self._seed = scenes, rows, part, seed

    def __len__(self) -> int:
        return len(self._rows)

    def __getitems__(self, samples: Sequence[tuple[int, int]]) -> Fetched:
        """Return a batch; without any image, if one is broken."""
        pairs = []
        for epoch, index in samples:
            row = int(self._rows[index])
            try:
                with seeded(self._seed, epoch, row):
                    pairs.append(self._part(self._scenes.read(row)))
            except UnreadableImageError as error:
                return _broken(self._scenes, row, error)
        return _batch(pairs)


class WholeScenes(Dataset[Any]):
    """Whole images with their labels; sample ``index`` is row ``rows[index]``."""

    def __init__(self, scenes: Scenes, rows: NDArray[np.int64]) -> None:
        self._scenes, self._rows = scenes, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitems__(self, indices: Sequence[int]) -> Fetched:
        """Return a batch; without any image, if one is broken."""
        pairs = []
        for row in self._rows[list(indices)].tolist():
            try:
                pairs.append(self._scenes.read(row))
            except UnreadableImageError as error:
                return _broken(self._scenes, row, error)
        return _batch(pairs)


def _numbers(path: Path) -> NDArray[np.uint8]:
    """What a label file says of each pixel, ``(H, W)``."""
    try:
        with Image.open(path) as image:
            numbers = np.array(image)
    except MemoryError:
        raise
    except Exception as error:  # of a broken file the decoders raise anything
        raise UnreadableImageError(f"its labels '{path}': {first_line(error)}") from error
    if numbers.dtype != np.uint8 or numbers.ndim != 2:
        raise UnreadableImageError(f"its labels '{path}' are {numbers.dtype} {numbers.shape}, no grey bytes")
    return numbers


def _batch(pairs: list[Pair]) -> Fetched:
    images = NORMALIZATION(torch.stack([image.as_subclass(Tensor) for image, _ in pairs]))
    return Fetched(images, torch.stack([mask.as_subclass(Tensor) for _, mask in pairs]).long(), [])


def _broken(scenes: Scenes, row: int, error: UnreadableImageError) -> Fetched:
    return Fetched(torch.empty(0), torch.empty(0), [Broken(str(scenes.images[row]), str(error))])
