"""Caltech-UCSD Birds 200 (2011)."""

from pathlib import Path

from experiments.data.images.base import Sources
from experiments.data.images.file_data import ImageFileData
from experiments.data.images.files import Files
from experiments.data.images.finding import find_folder
from experiments.data.images.listing import check_apart, check_there, make_files, read_list, read_numbered

_LISTS = ("cub_train.list", "cub_val.list")
_TABLES = ("images.txt", "image_class_labels.txt", "train_test_split.txt")
_PLACES = ("", "CUB_200_2011", "cub", "cub/CUB_200_2011")
_IMAGES = "images"


class CUB(ImageFileData):
    """CUB: 5,994 training and 5,794 test images of 200 kinds of birds; augmented like ImageNet.

    Formats, in ``root`` or its folder ``CUB_200_2011`` or ``cub``: the authors' lists ``cub_train.list`` and
    ``cub_val.list`` of ``path,label`` with labels from 0; or the original ``images.txt``,
    ``image_class_labels.txt`` (classes from 1) and ``train_test_split.txt`` (1: training). Images are in
    ``images/``.

    Args:
        root: Folder of the data.
        batch_size: The effective batch.
        num_workers: Loader processes.
        download: Refused: CUB has to be got at its site.
        val_share: Part of the training images kept for validation.
        val_from_test: Validate on the test data, as the authors do.
        subset: Number of training images in use; all by default.
        seed: Of split, order and augmentation.
        num_classes: Number of classes.
        image_size: Height and width of the part of an image.
        resize: Shorter side of a validation image whose middle is taken.
        scale: Least and greatest area of a training part, of that of the image.
        broken_share: Part of the training images that may be broken.

    Raises:
        ValueError: If an argument is out of range, or the data set is not there or not whole.
        BrokenImageError: If too many images are broken.
    """

    def __init__(
        self,
        root: str,
        batch_size: int = 100,
        num_workers: int = 0,
        download: bool = False,
        val_share: float = 0.1,
        val_from_test: bool = False,
        subset: int | None = None,
        seed: int = 0,
        num_classes: int = 200,
        image_size: int = 224,
        resize: int = 256,
        scale: tuple[float, float] = (0.08, 1.25),
        broken_share: float = 0.01,
    ) -> None:
        super().__init__(
            *(root, batch_size, num_workers, download, val_share, val_from_test, subset, seed),
            *(num_classes, image_size, resize, scale, broken_share),
        )

    def read(self) -> Sources[Files]:
        """Read list files or the original tables."""
        remedy = (
            f"unpack CUB_200_2011 there ({', '.join(_TABLES)}, images/), or put {' and '.join(_LISTS)} there"
        )
        listed = any((self.root / place / name).exists() for place in _PLACES for name in _LISTS)
        needed = (*(_LISTS if listed else _TABLES), _IMAGES)
        folder = find_folder("CUB", self.root, _PLACES, needed, remedy)
        if not listed:
            return self._of_tables(folder)
        sources = Sources(*(read_list(folder / name, folder / _IMAGES, self.num_classes) for name in _LISTS))
        check_apart(*sources)
        return sources

    def _of_tables(self, folder: Path) -> Sources[Files]:
        names, classes, parts = (read_numbered(folder / name) for name in _TABLES)
        for table, name in ((classes, _TABLES[1]), (parts, _TABLES[2])):
            lacking = sorted(names.keys() ^ table.keys())
            if lacking:
                raise ValueError(
                    f"image {lacking[0]} is not both in '{folder / _TABLES[0]}' and in '{folder / name}' "
                    f"({len(lacking)} such); get the files anew"
                )
        self._check_tables(folder, classes, parts)
        return Sources(*(self._part(folder, names, classes, parts, which) for which in ("1", "0")))

    def _check_tables(self, folder: Path, classes: dict[int, str], parts: dict[int, str]) -> None:
        for number, label in classes.items():
            if not label.isdecimal() or not 1 <= int(label) <= self.num_classes:
                raise ValueError(
                    f"class {label} of image {number} in '{folder / _TABLES[1]}' is beyond the classes 1 to "
                    f"{self.num_classes}; mend it{self._classes_remedy}"
                )
        for number, part in parts.items():
            if part not in ("0", "1"):
                raise ValueError(
                    f"'{part}' of image {number} in '{folder / _TABLES[2]}' is neither 1 (training) nor 0 "
                    "(test); mend it"
                )

    def _part(
        self, folder: Path, names: dict[int, str], classes: dict[int, str], parts: dict[int, str], which: str
    ) -> Files:
        numbers = [number for number in sorted(names) if parts[number] == which]
        labels = [int(classes[number]) - 1 for number in numbers]
        what = f"part {which} of '{folder / _TABLES[2]}'"
        files = make_files(folder / _IMAGES, [names[number] for number in numbers], labels, what)
        check_there(files, [f"image {number} of '{folder / _TABLES[0]}'" for number in numbers])
        return files
