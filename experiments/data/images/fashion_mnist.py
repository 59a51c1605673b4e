"""Fashion-MNIST, from torchvision's folder or Debian's package."""

import gzip
import struct
import zlib
from math import prod
from pathlib import Path

import numpy as np
import torchvision
from numpy.typing import NDArray

from experiments.data.images.array_data import ArrayData
from experiments.data.images.arrays import Normalization, Pictures
from experiments.data.images.base import Sources
from experiments.data.images.downloads import download
from experiments.data.images.finding import find_folder
from experiments.settings import check_whole

_SIDE = 28
_MOST = 2**30  # bytes of a file; Fashion-MNIST has 47 million
_FILES = {split: (f"{split}-images-idx3-ubyte", f"{split}-labels-idx1-ubyte") for split in ("train", "t10k")}
_OWN = "fashion-mnist"
_PLACES = (
    *("", "raw", "FashionMNIST/raw", "FashionMNIST", _OWN),
    *(f"{above}datasets/{_OWN}" for above in ("", "share/", "usr/share/")),
)
_NAME = "Fashion-MNIST"


class FashionMNIST(ArrayData):
    """Fashion-MNIST: 60,000 training and 10,000 test images of 10 classes, ``(1, 28 + 2 padding, …)``.

    Training images are cropped at random from the image padded by 4 more pixels, and mirrored; mean 0.2860
    and deviation 0.3530 are those of the training images without padding. Format: four IDX files
    ``*-ubyte``, or ``*-ubyte.gz``, in ``root`` or where torchvision and Debian's package
    ``dataset-fashion-mnist`` put them below it (``/usr/share/datasets/fashion-mnist``).

    Args:
        root: Folder of the data.
        batch_size: The effective batch.
        num_workers: Loader processes.
        download: Let torchvision download what is not there.
        val_share: Part of the training images kept for validation.
        val_from_test: Validate on the test data.
        subset: Number of training images in use; all by default.
        seed: Of split, order, crops and mirrorings.
        padding: Black pixels on each side, so that 28 becomes 32 as of CIFAR.

    Raises:
        ValueError: If an argument is out of range, or the data set is not there or not whole.
    """

    num_classes, in_channels = 10, 1
    normalization = Normalization((0.2860,), (0.3530,))

    def __init__(
        self,
        root: str,
        batch_size: int = 128,
        num_workers: int = 0,
        download: bool = False,
        val_share: float = 0.1,
        val_from_test: bool = False,
        subset: int | None = None,
        seed: int = 0,
        padding: int = 2,
    ) -> None:
        check_whole("padding", padding, 0, _SIDE)
        super().__init__(root, batch_size, num_workers, download, val_share, val_from_test, subset, seed)
        self.padding, self.image_size = padding, _SIDE + 2 * padding

    def prepare_data(self) -> None:
        """Download, if asked to and there is no whole data set."""
        if self.download and not self._is_there():
            official = torchvision.datasets.FashionMNIST
            download(_NAME, self.root, lambda folder: official(str(folder), download=True), self._remedy)

    def read(self) -> Sources[Pictures]:
        """Read the four files."""
        folder = self._folder()
        return Sources(*(self._part(folder, split) for split in _FILES))

    @property
    def _remedy(self) -> str:
        first = f"'{self.root / 'FashionMNIST' / 'raw' / _FILES['train'][0]}.gz'"
        return (
            f"put its four files there ({first} and so on), install Debian's package "
            f"dataset-fashion-mnist and give root=/usr/share/datasets/{_OWN}, or give download=true"
        )

    def _folder(self) -> Path:
        files = [name for pair in _FILES.values() for name in pair]
        return find_folder(_NAME, self.root, _PLACES, files, self._remedy, ("", ".gz"))

    def _is_there(self) -> bool:
        try:
            return self._folder().is_dir()
        except ValueError:
            return False

    def _part(self, folder: Path, split: str) -> Pictures:
        images, labels = (read_idx(folder / name) for name in _FILES[split])
        if images.shape != (len(labels), _SIDE, _SIDE) or labels.ndim != 1:
            raise ValueError(
                f"'{folder}' holds {split} images {images.shape} and labels {labels.shape}, and not "
                f"(n, 28, 28) and (n,); get {_NAME} anew"
            )
        room = (self.padding, self.padding)
        padded = np.pad(images[:, None], ((0, 0), (0, 0), room, room))
        return Pictures(padded, self.checked_labels(labels, str(folder / _FILES[split][1])))


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Return the array of unsigned bytes in an IDX file, ``path`` or ``path.gz``.

    Two zero bytes, the type (8), the number of dimensions; each dimension in 4 bytes, the greatest first;
    the values.

    Raises:
        ValueError: If the file is damaged, or no such file.
    """
    zipped = path.with_name(f"{path.name}.gz")
    try:
        with path.open("rb") if path.exists() else gzip.open(zipped) as file:
            zeros, kind, dimensions = struct.unpack(">HBB", file.read(4))
            if zeros or kind != 8 or not 1 <= dimensions <= 3:
                raise ValueError("no IDX file of unsigned bytes")
            shape = struct.unpack(f">{dimensions}I", file.read(4 * dimensions))
            size = prod(shape)
            if size > _MOST:
                raise ValueError(f"{size} values are announced")
            content = file.read(size + 1)
            if len(content) != size:
                raise ValueError(f"{len(content)} values or more, and {size} are announced")
    except (ValueError, EOFError, OSError, struct.error, zlib.error) as error:
        used = path if path.exists() else zipped
        raise ValueError(f"'{used}' cannot be read ({error}); get the file anew") from error
    return np.frombuffer(content, np.uint8).reshape(shape)
