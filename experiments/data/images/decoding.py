"""An image file as RGB, upright."""

from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from gsp_nonlocal.reading import first_line

_ORIENTATION = 0x0112  # of EXIF
_TURNS = dict(
    zip(
        range(2, 9),
        (
            Image.Transpose.FLIP_LEFT_RIGHT,
            Image.Transpose.ROTATE_180,
            Image.Transpose.FLIP_TOP_BOTTOM,
            Image.Transpose.TRANSPOSE,
            Image.Transpose.ROTATE_270,
            Image.Transpose.TRANSVERSE,
            Image.Transpose.ROTATE_90,
        ),
        strict=True,
    )
)


class UnreadableImageError(ValueError):
    """A file is no whole image; the message is the cause alone."""


def read_rgb(path: str | Path) -> Image.Image:
    """Return the image of a file in RGB with 8 bits, turned as its EXIF orientation says.

    Grey, palette and CMYK images are converted, 16 bits reduced to the upper 8, transparency is dropped; of
    an animation it is the first frame.

    Raises:
        UnreadableImageError: If the file is missing, empty, truncated or no image.
    """
    try:
        with Image.open(path) as image:
            image.load()
            return _upright(_rgb(image), _orientation(image))
    except MemoryError:
        raise
    except Exception as error:  # of a broken file the decoders raise anything
        raise UnreadableImageError(_cause(Path(path), error)) from error


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # Pillow would clip 16 bits at 255
        upper = np.clip(np.asarray(image).astype(np.int64), 0, 65535) >> 8
        return Image.fromarray(upper.astype(np.uint8)).convert("RGB")
    if image.mode == "P" and "transparency" in image.info:
        return image.convert("RGBA").convert("RGB")
    return image.convert("RGB")


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # damaged EXIF data beside a whole image
        return 1


def _cause(path: Path, error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "it is empty" if path.stat().st_size == 0 else "it is no image of a known format"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return first_line(error) or type(error).__name__
