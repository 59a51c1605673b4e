"""Clips of videos as samples: chosen in time, cropped in space, all frames of a clip alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms import v2

from experiments.data.images.arrays import Normalization
from experiments.data.video.clips import Choice
from experiments.data.video.video import Footage, Video


@dataclass(frozen=True)
class Videos:
    """Videos as a source of samples."""

    videos: Sequence[Video]

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """Class of each video, ``(N,)``."""
        return np.array([video.label for video in self.videos], dtype=np.int64)

    def path(self, row: int) -> str:
        """The file of a video, or its folder of frames."""
        return str(self.videos[row].footage.path)

    def read(self, row: int) -> Footage:
        """The frames of a video, which are read once a clip is chosen."""
        return self.videos[row].footage


@dataclass(frozen=True)
class ClipTransform:
    """From a video to a clip ``(T, 3, H, W)``, or to clips ``(clips, T, 3, H, W)``, of unsigned bytes.

    What is random is drawn once a video from PyTorch's global generator: first the clip, then the crop, which
    is the same for all frames.
    """

    choose: Choice
    crop: v2.Transform

    def __call__(self, footage: Footage) -> Tensor:
        """Read the frames of the clip, each once, and crop them."""
        frames, places = footage.read(self.choose)
        return self.crop(frames)[places]


def random_crop(size: int, scale: tuple[float, float]) -> v2.Transform:
    """A part of ``scale`` times the area, its aspect from 3/4 to 4/3, at ``size``; mirrored at random."""
    return v2.Compose([v2.RandomResizedCrop(size, scale), v2.RandomHorizontalFlip()])


def centre_crop(size: int, resize: int) -> v2.Transform:
    """The square of ``size`` in the middle of frames whose shorter side is ``resize``."""
    return v2.Compose([v2.Resize(resize), v2.CenterCrop(size)])


class ClipNormalization(Normalization):
    """A :class:`~experiments.data.images.arrays.Normalization` that puts the channels before the time."""

    def __call__(self, images: Tensor) -> Tensor:
        """Return float32 clips ``(…, 3, T, H, W)`` of unsigned bytes ``(…, T, 3, H, W)``."""
        return super().__call__(images).transpose(-4, -3).contiguous()


KINETICS = ClipNormalization((0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989))
"""Of torchvision's video networks, trained on Kinetics-400."""


def groups(videos: Sequence[Video]) -> NDArray[Any]:
    """Return the number of the group of each video, ``(N,)``, in the order of their names.

    Clips ``v_<class>_g08_c01``, ``…_c02`` are of one recording; other videos are groups of their own.
    """
    names = [f"{video.label} {video.name.rpartition('_c')[0] or video.name}" for video in videos]
    return np.unique(names, return_inverse=True)[1]
