"""CIFAR-10 and CIFAR-100, from torchvision's folders."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torchvision
from numpy.typing import NDArray
from torchvision.datasets.utils import download_and_extract_archive

from experiments.data.images.array_data import ArrayData
from experiments.data.images.arrays import Normalization, Pictures
from experiments.data.images.base import Sources
from experiments.data.images.downloads import download
from experiments.data.images.finding import find_folder
from experiments.data.images.pickled import read_pickle

_SIDE = 32


class CIFAR10(ArrayData):
    """CIFAR-10: 50,000 training and 10,000 test images ``(3, 32, 32)`` of 10 classes.

    Training images are cropped at random from the image padded by 4 pixels, and mirrored; mean and deviation
    are those of the authors. Format: ``cifar-10-batches-py`` in ``root``, or ``root`` itself.

    Arguments and errors: see :class:`~experiments.data.images.base.ImageData`.
    """

    num_classes, in_channels, image_size = 10, 3, _SIDE
    normalization = Normalization((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
    _official: ClassVar[Any] = torchvision.datasets.CIFAR10
    _name, _labels = "CIFAR-10", "labels"

    def prepare_data(self) -> None:
        """Download, if asked to and there is no whole data set."""
        if self.download and not self._is_there():
            official = self._official
            download(
                self._name,
                self.root,
                lambda folder: download_and_extract_archive(
                    official.url, folder, filename=official.filename, md5=official.tgz_md5
                ),
                f"put {official.filename} of {official.url} into root, or unpack it there, so that there is "
                f"'{self.root / official.base_folder / official.train_list[0][0]}'",
                official.filename,
            )

    def read(self) -> Sources[Pictures]:
        """Read all batches."""
        names = [[name for name, _ in part] for part in (self._official.train_list, self._official.test_list)]
        folder = self._folder()
        return Sources(*([self._part(folder, part) for part in names]))

    def _folder(self) -> Path:
        official = self._official
        files = [name for name, _ in (*official.train_list, *official.test_list)]
        remedy = (
            f"unpack {official.filename} of {official.url} so that there is "
            f"'{self.root / official.base_folder / files[0]}', or give download=true"
        )
        return find_folder(self._name, self.root, (official.base_folder, ""), files, remedy)

    def _is_there(self) -> bool:
        try:
            return self._folder().is_dir()
        except ValueError:
            return False

    def _part(self, folder: Path, names: Sequence[str]) -> Pictures:
        batches = [self._batch(folder / name) for name in names]
        return Pictures(*(np.concatenate(parts) for parts in zip(*batches, strict=True)))

    def _batch(self, path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        content = read_pickle(path)
        images, labels = content.get("data"), content.get(self._labels)
        if not (
            isinstance(images, np.ndarray)
            and isinstance(labels, list)
            and images.shape == (len(labels), 3 * _SIDE**2)
        ):
            raise ValueError(
                f"'{path}' holds no data (n, {3 * _SIDE**2}) with n {self._labels}; get {self._name} anew"
            )
        return images.reshape(-1, 3, _SIDE, _SIDE), self.checked_labels(labels, str(path))


class CIFAR100(CIFAR10):
    """CIFAR-100: 50,000 training and 10,000 test images ``(3, 32, 32)`` of 100 classes.

    As :class:`CIFAR10`, with the fine labels; the folder is ``cifar-100-python``.
    """

    num_classes = 100
    _official = torchvision.datasets.CIFAR100
    _name, _labels = "CIFAR-100", "fine_labels"
