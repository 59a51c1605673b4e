"""Which frames of a video make a clip: a random one, the one in the middle, or several evenly spaced."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Choice = Callable[[int], Tensor]
"""From the length of a video, in frames, to the indices of the frames wanted, ``(T,)`` or ``(clips, T)``."""


@dataclass(frozen=True)
class RandomClip:
    """``frames`` frames, every ``stride``-th, from a random begin; a video that is too short is looped.

    The begin is drawn from PyTorch's global generator.

    Example:
        >>> RandomClip(4)(3)
        tensor([0, 1, 2, 0])
    """

    frames: int
    stride: int = 1

    def __call__(self, length: int) -> Tensor:
        """Return indices ``(frames,)`` into a video of ``length`` frames."""
        begin = torch.randint(_latest(length, self.frames, self.stride) + 1, (1,))
        return _clips(begin, length, self.frames, self.stride)[0]


@dataclass(frozen=True)
class CentreClip:
    """``frames`` frames, every ``stride``-th, from the middle of the video.

    Example:
        >>> CentreClip(4)(10)
        tensor([3, 4, 5, 6])
    """

    frames: int
    stride: int = 1

    def __call__(self, length: int) -> Tensor:
        """Return indices ``(frames,)`` into a video of ``length`` frames."""
        begin = torch.tensor([_latest(length, self.frames, self.stride) // 2])
        return _clips(begin, length, self.frames, self.stride)[0]


@dataclass(frozen=True)
class EvenClips:
    """``clips`` clips from the first frame to the last, evenly spaced; a single one is the middle's.

    Example:
        >>> EvenClips(2, clips=3)(8)
        tensor([[0, 1],
                [3, 4],
                [6, 7]])
    """

    frames: int
    stride: int = 1
    clips: int = 10

    def __call__(self, length: int) -> Tensor:
        """Return indices ``(clips, frames)`` into a video of ``length`` frames."""
        if self.clips == 1:
            return CentreClip(self.frames, self.stride)(length)[None]
        latest = _latest(length, self.frames, self.stride)
        begins = torch.arange(self.clips) * latest // (self.clips - 1)
        return _clips(begins, length, self.frames, self.stride)


def _latest(length: int, frames: int, stride: int) -> int:
    """The last begin from which a clip ends inside the video; 0 if there is none."""
    return max(length - (frames - 1) * stride - 1, 0)


def _clips(begins: Tensor, length: int, frames: int, stride: int) -> Tensor:
    return (begins[:, None] + stride * torch.arange(frames)) % length
