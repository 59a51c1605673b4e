"""Videos as folders of JPEG frames, ``image_00001.jpg`` and so on."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torchvision.transforms.v2.functional import pil_to_tensor

from experiments.data.images.decoding import UnreadableImageError, read_rgb
from experiments.data.video.clips import Choice


@dataclass(frozen=True)
class FrameFolder:
    """The frames ``first … first + count - 1`` of a folder; files count from 1."""

    path: Path
    first: int
    count: int

    def file(self, index: int) -> Path:
        """Return the file of frame ``index``, counted from 0."""
        return self.path / f"image_{self.first + index:05d}.jpg"

    def read(self, choose: Choice) -> tuple[Tensor, Tensor]:
        """Return the frames wanted, each once, and their places; see ``Footage``.

        Raises:
            UnreadableImageError: If a frame cannot be read, or has another size than the first; the message
                is the cause, with the name of the frame.
        """
        wanted, places = choose(self.count).unique(return_inverse=True)
        files = [self.file(index) for index in wanted.tolist()]
        frames = [_frame(file) for file in files]
        for file, frame in zip(files, frames, strict=True):
            if frame.shape != frames[0].shape:
                raise UnreadableImageError(
                    f"{file.name} is of {_size(frame)} pixels and {files[0].name} of {_size(frames[0])}"
                )
        return torch.stack(frames), places


def _frame(file: Path) -> Tensor:
    """A frame ``(3, H, W)`` of unsigned bytes."""
    try:
        return pil_to_tensor(read_rgb(file))
    except UnreadableImageError as error:
        raise UnreadableImageError(f"{file.name}: {error}") from error


def _size(frame: Tensor) -> str:
    return f"{frame.shape[2]}×{frame.shape[1]}"
