"""Images in memory, as unsigned bytes: moved, mirrored and normalised a batch at a time."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from experiments.data.images.loading import Fetched
from experiments.data.images.random_draws import table
from experiments.data.resumable import EpochDataset


class Pictures(NamedTuple):
    """``images (N, C, H, W)`` of unsigned bytes and ``labels (N,)``."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


class Normalization(NamedTuple):
    """``(image / 255 − mean) / deviation``, by channel."""

    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def __call__(self, images: Tensor) -> Tensor:
        """Return float32 images of unsigned bytes ``(…, C, H, W)``."""
        mean, deviation = (torch.tensor(values)[:, None, None] for values in self)
        return images.float().div_(255).sub_(mean).div_(deviation)


class MovedPictures(EpochDataset):
    """Training images: a random crop of the image padded with black, mirrored with probability 1/2.

    Sample ``(epoch, index)`` is picture ``rows[index]``; its crop and mirroring are functions of seed, epoch
    and that row.

    Args:
        pictures: All pictures.
        rows: Rows of those that are used, ``(M,)``.
        normalization: Of the channels.
        padding: Pixels on each side; the crop is as large as the image.
        seed: Seed of crops and mirrorings.
    """

    def __init__(
        self,
        pictures: Pictures,
        rows: NDArray[np.int64],
        normalization: Normalization,
        padding: int,
        seed: int,
    ) -> None:
        self._pictures, self._rows, self._normalize = pictures, rows, normalization
        self._padding, self._seed = padding, seed

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, sample: tuple[int, int]) -> tuple[Tensor, Tensor]:
        images, labels, _ = self.__getitems__([sample])
        return images[0], labels[0]

    def __getitems__(self, samples: Sequence[tuple[int, int]]) -> Fetched:
        """Return a batch of samples ``(epoch, index)``."""
        rows = self._rows[[index for _, index in samples]]
        moves = np.stack([self._moves(epoch)[row] for (epoch, _), row in zip(samples, rows, strict=True)])
        images = _cropped(self._pictures.images[rows], moves, self._padding)
        labels = torch.from_numpy(self._pictures.labels[rows])
        return Fetched(self._normalize(torch.from_numpy(images)), labels, [])

    def _moves(self, epoch: int) -> NDArray[np.int64]:
        """Top, left and mirroring of each picture, ``(N, 3)``."""
        places = 2 * self._padding + 1
        return table(self._seed, epoch, len(self._pictures.labels), (places, places, 2))


class StillPictures(Dataset[Any]):
    """Images as they are, normalised; sample ``index`` is picture ``rows[index]``."""

    def __init__(self, pictures: Pictures, rows: NDArray[np.int64], normalization: Normalization) -> None:
        self._pictures, self._rows, self._normalize = pictures, rows, normalization

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        images, labels, _ = self.__getitems__([index])
        return images[0], labels[0]

    def __getitems__(self, indices: Sequence[int]) -> Fetched:
        """Return a batch."""
        rows = self._rows[list(indices)]
        images, labels = (torch.from_numpy(part[rows]) for part in self._pictures)
        return Fetched(self._normalize(images), labels, [])


def _cropped(images: NDArray[np.uint8], moves: NDArray[np.int64], padding: int) -> NDArray[np.uint8]:
    """Crop ``(B, C, H, W)``, padded with 0, at ``moves[:, :2]``, and mirror where ``moves[:, 2] = 1``."""
    size = images.shape[-2:]
    padded = np.pad(images, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    windows = sliding_window_view(padded, size, axis=(2, 3))
    top, left, mirrored = moves.T
    cropped = windows[np.arange(len(images)), :, top, left]
    mirrored = np.flatnonzero(mirrored)
    cropped[mirrored] = cropped[mirrored, ..., ::-1]
    return cropped
