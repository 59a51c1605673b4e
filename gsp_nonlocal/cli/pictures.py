"""Images from files, as a network expects them; files that cannot be read are named and left out."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from gsp_nonlocal.cli.display import printable
from gsp_nonlocal.reading import first_line


@dataclass(frozen=True)
class Format:
    """What a network expects: ``channels`` (1 or 3), height and width, and the ``mean`` and ``std`` a
    channel."""

    channels: int
    size: tuple[int, int]
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        if self.channels not in (1, 3):
            raise ValueError(f"images have 1 or 3 channels, got {self.channels}")
        if min(self.size) < 1:
            raise ValueError(f"size={self.size} has no pixel; choose a height and a width of at least 1")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, self.channels) or not all(map(isfinite, values)):
                one = "one finite number" if self.channels == 1 else "one finite number, or one a channel (3)"
                raise ValueError(f"{name} is {one}, got {values}")
        if min(self.std) <= 0:
            raise ValueError(f"std={self.std} must be positive")


@dataclass(frozen=True)
class Pictures:
    """Images ``(M, C, H, W)`` and their files; files that were left out, and why; what else is to be said."""

    images: Tensor
    files: list[Path]
    unreadable: dict[Path, str]
    notes: dict[Path, str]


def read_pictures(paths: Sequence[str | Path], form: Format, most: int) -> Pictures:
    """Return the first ``most`` images that can be read, of files and of folders in alphabetical order.

    Args:
        paths: Files and folders; a folder stands for the files in it that are not hidden.
        form: Images are turned upright, converted (without their transparency), resized (bilinearly, the
            whole image) and normalised to this. Of an animation the first picture is read, and that is noted.
            White is the
            greatest number of the file's bits, up to 16; greater whole numbers and floating-point ones have
            no white, and are left out.
        most: How many.

    Raises:
        ValueError: If a path is no regular file or folder, or no image can be read (each file is named
            with the reason).
    """
    found: list[Tensor] = []
    files: list[Path] = []
    unreadable: dict[Path, str] = {}
    notes: dict[Path, str] = {}
    for file in [file for path in paths for file in _files(Path(path))]:
        if len(found) == most:
            break
        try:
            image, note = _read(file, form)
            found.append(image)
            files.append(file)
            notes |= {file: note} if note else {}
        except Exception as error:  # of a broken file a decoder raises anything, and a huge one is an error
            unreadable[file] = _reason(error)
    if not found:
        reasons = "; ".join(f"{printable(file)}: {reason}" for file, reason in unreadable.items())
        raise ValueError(
            f"no image can be read from {', '.join(map(str, paths))} "
            f"({reasons or 'no file there; folders inside of it are not searched'})"
        )
    return Pictures(torch.stack(found), files, unreadable, notes)


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
    elif path.is_file():
        yield path
    else:
        what = "is no regular file or folder" if path.exists() else "is not there"
        raise ValueError(f"there is no file or folder '{path}' (it {what}); give images with --images")


def _reason(error: Exception) -> str:
    return (
        "no image of a kind that is known" if isinstance(error, UnidentifiedImageError) else first_line(error)
    )


def _read(file: Path, form: Format) -> tuple[Tensor, str]:
    """The image, and what is to be said of it."""
    height, width = form.size
    with warnings.catch_warnings(), Image.open(file) as picture:
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # twice its size is an error
        several = getattr(picture, "is_animated", False) and picture.format != "MPO"  # as of a camera
        upright = ImageOps.exif_transpose(picture)
        plain = _eight_bits(upright, picture).convert("L" if form.channels == 1 else "RGB")
    sized = plain.resize((width, height), Image.Resampling.BILINEAR)
    pixels = torch.from_numpy(np.asarray(sized, dtype=np.float32) / 255).view(height, width, -1)
    mean, std = torch.tensor(form.mean), torch.tensor(form.std)
    note = "it has several pictures, of which the first is read" if several else ""
    return ((pixels - mean) / std).movedim(-1, 0), note


def _eight_bits(picture: Image.Image, file: Image.Image) -> Image.Image:
    """The picture in 8 bits a channel, where Pillow would clip 16, or warn of a palette's transparency."""
    mode = picture.mode
    if mode == "F" or (mode == "I" and file.format != "PPM"):  # a PPM's are brought to 16 bits by Pillow
        kind = "floating-point" if mode == "F" else "32-bit whole"
        raise ValueError(f"its pixels are {kind} numbers of no known range; save it as PNG of 8 or 16 bits")
    if mode.startswith("I"):
        tags = getattr(file, "tag_v2", {})
        white = 2 ** tags.get(_BITS, (16,))[0] - 1
        scaled = (np.asarray(picture, dtype=np.float64) * (255 / white)).round().clip(0, 255)
        return Image.fromarray((255 - scaled if tags.get(_KIND) == _WHITE_IS_0 else scaled).astype(np.uint8))
    return picture.convert("RGBA") if "transparency" in picture.info else picture


_BITS, _KIND, _WHITE_IS_0 = 258, 262, 0
"""Tags of TIFF: bits a sample, and the meaning of the numbers; Pillow leaves both to the reader at 12 and 16
bits."""
