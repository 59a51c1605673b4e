"""Images in files: read, cropped and mirrored one by one, as the authors do."""

import os
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms import v2

from experiments.data.images.arrays import Normalization
from experiments.data.images.decoding import UnreadableImageError, read_rgb
from experiments.data.images.loading import Broken, Fetched
from experiments.data.images.random_draws import seeded
from experiments.data.resumable import EpochDataset, epoch_order

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Transform = Callable[[T], Tensor]


class Readable(Protocol[T_co]):
    """Files of known classes, each of which can be opened."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """Class of each file, ``(N,)``."""

    def path(self, row: int) -> str:
        """The file of a row."""

    def read(self, row: int) -> T_co:
        """Return what a transform takes; raises ``UnreadableImageError``."""


class Files(NamedTuple):
    """Images ``folder / names[i]`` with ``labels (N,)``; the names are bytes, which no process copies."""

    folder: Path
    names: NDArray[np.bytes_]
    labels: NDArray[np.int64]

    def path(self, row: int) -> str:
        """The file of a row."""
        return str(self.folder / os.fsdecode(bytes(self.names[row])))

    def read(self, row: int) -> Image.Image:
        """The image of a row."""
        return read_rgb(self.path(row))


class TrainingFiles(EpochDataset, Generic[T]):
    """Random parts of images; sample ``(epoch, index)`` is file ``rows[index]``.

    The place of an image that cannot be read is taken by the next one in the order of the epoch, so that a
    batch is a function of seed and epoch whatever is broken.

    Args:
        files: All files.
        rows: Rows of those that are used, ``(M,)``.
        transform: Makes a tensor of bytes ``(3, H, W)`` with random numbers of PyTorch; may find, as the
            reader does, that a file cannot be read.
        normalization: Of the channels of a batch.
        seed: Seed of the order and of the transform.
        patience: After more broken images in a row a sample is given up.
    """

    def __init__(
        self,
        files: Readable[T],
        rows: NDArray[np.int64],
        transform: Transform[T],
        normalization: Normalization,
        seed: int,
        patience: int,
    ) -> None:
        self._files, self._rows, self._transform, self._normalize = files, rows, transform, normalization
        self._seed, self._patience = seed, patience

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, sample: tuple[int, int]) -> tuple[Tensor, Tensor]:
        images, labels, _ = self.__getitems__([sample])
        return images[0], labels[0]

    def __getitems__(self, samples: Sequence[tuple[int, int]]) -> Fetched:
        """Return a batch of samples ``(epoch, index)``; without any image, if one is given up."""
        images, labels, broken = [], [], []
        for epoch, index in samples:
            row, image, found = self._read(epoch, index)
            broken += found
            if image is None:
                return Fetched(torch.empty(0), torch.empty(0), broken)
            images.append(image)
            labels.append(int(self._files.labels[row]))
        return Fetched(self._normalize(torch.stack(images)), torch.tensor(labels), broken)

    def _read(self, epoch: int, index: int) -> tuple[int, Tensor | None, list[Broken]]:
        """Row and random part in the place of a sample, and its own file, if that is broken."""
        broken: list[Broken] = []
        for candidate in self._candidates(epoch, index):
            row = int(self._rows[candidate])
            try:
                with seeded(self._seed, epoch, int(self._rows[index])):
                    return row, self._transform(self._files.read(row)), broken[:1]
            except UnreadableImageError as error:
                broken.append(Broken(self._files.path(row), str(error)))
            if len(broken) > self._patience:
                break
        return -1, None, broken

    def _candidates(self, epoch: int, index: int) -> Iterator[int]:
        yield index
        order, places = _order_and_places(len(self), self._seed, epoch)
        for step in range(1, len(self)):
            yield int(order[(places[index] + step) % len(self)])


class EvaluationFiles(Dataset[Any], Generic[T]):
    """The middle of each image; sample ``index`` is file ``rows[index]``."""

    def __init__(
        self,
        files: Readable[T],
        rows: NDArray[np.int64],
        transform: Transform[T],
        normalization: Normalization,
    ) -> None:
        self._files, self._rows, self._transform, self._normalize = files, rows, transform, normalization

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        images, labels, _ = self.__getitems__([index])
        return images[0], labels[0]

    def __getitems__(self, indices: Sequence[int]) -> Fetched:
        """Return a batch; without any image, if one is broken."""
        images, rows = [], self._rows[list(indices)]
        for row in rows.tolist():
            try:
                images.append(self._transform(self._files.read(row)))
            except UnreadableImageError as error:
                broken = [Broken(self._files.path(row), str(error))]
                return Fetched(torch.empty(0), torch.empty(0), broken)
        labels = torch.from_numpy(self._files.labels[rows])
        return Fetched(self._normalize(torch.stack(images)), labels, [])


def random_part(size: int, scale: tuple[float, float]) -> Transform[Image.Image]:
    """A part of the image, of ``scale`` times its area and an aspect from 3/4 to 4/3, at ``size``; mirrored.

    A part that does not fit is drawn anew, up to ten times; then it is the largest in the middle. So a scale
    above 1 makes whole images more frequent, and nothing is padded.
    """
    return v2.Compose([v2.RandomResizedCrop(size, scale=scale), v2.RandomHorizontalFlip(), v2.PILToTensor()])


def middle_part(size: int, resize: int) -> Transform[Image.Image]:
    """The square of ``size`` in the middle of the image whose shorter side is ``resize``."""
    return v2.Compose([v2.Resize(resize), v2.CenterCrop(size), v2.PILToTensor()])


@lru_cache(maxsize=1)
def _order_and_places(length: int, seed: int, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The order of an epoch, and the place of each index in it."""
    order = epoch_order(length, seed, epoch).numpy()
    places = np.empty_like(order)
    places[order] = np.arange(length)
    return order, places
