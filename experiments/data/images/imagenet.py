"""ImageNet, or any data set laid out like it."""

from difflib import get_close_matches
from pathlib import Path

from torchvision.datasets.folder import IMG_EXTENSIONS, make_dataset
from tqdm.auto import tqdm

from experiments.data.images.base import Sources
from experiments.data.images.file_data import ImageFileData
from experiments.data.images.files import Files
from experiments.data.images.finding import find_folder
from experiments.data.images.listing import check_apart, make_files, read_list

_LISTS = ("imagenet_train.list", "imagenet_val.list")
_PLACES = ("", "imagenet")


class ImageNet(ImageFileData):
    """ImageNet: 1.28 million training images of 1,000 classes; its 50,000 validation images are the test.

    Formats: ``train/<class>/…`` and ``val/<class>/…``, classes numbered in the order of their names; or list
    files, one ``relative/path.jpg,label`` a line: those that are given, else ``imagenet_train.list`` and
    ``imagenet_val.list`` in ``root`` if it has no folder ``train``.

    Args:
        root: Folder of the data; the paths of list files are relative to it.
        batch_size: The effective batch.
        num_workers: Loader processes.
        download: Refused: ImageNet has to be asked for at its site.
        val_share: Part of the training images kept for validation.
        val_from_test: Validate on the test data, as the authors do.
        subset: Number of training images in use; all by default.
        seed: Of split, order and augmentation.
        num_classes: Number of classes.
        image_size: Height and width of the part of an image.
        resize: Shorter side of a validation image whose middle is taken.
        scale: Least and greatest area of a training part, of that of the image; see
            :func:`~experiments.data.images.files.random_part`.
        broken_share: Part of the training images that may be broken.
        train_list: List file of the training images, given or relative to ``root``.
        val_list: List file of the test images.

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
        num_classes: int = 1000,
        image_size: int = 224,
        resize: int = 256,
        scale: tuple[float, float] = (0.08, 1.25),
        broken_share: float = 0.01,
        train_list: str | None = None,
        val_list: str | None = None,
    ) -> None:
        super().__init__(
            *(root, batch_size, num_workers, download, val_share, val_from_test, subset, seed),
            *(num_classes, image_size, resize, scale, broken_share),
        )
        if (train_list is None) != (val_list is None):
            raise ValueError(
                f"train_list={train_list!r} and val_list={val_list!r}: one list alone is half a data set; "
                "give both, or none"
            )
        self._lists = None if train_list is None or val_list is None else (train_list, val_list)

    def read(self) -> Sources[Files]:
        """Read list files or folders."""
        if self._lists is not None:
            return self._of_lists(self.root, self._lists)
        remedy = (
            "put its images into train/<class>/ and val/<class>/ there, or give --data.train_list and "
            "--data.val_list"
        )
        listed = any((self.root / place / name).exists() for place in _PLACES for name in _LISTS)
        if listed and not any((self.root / place / "train").is_dir() for place in _PLACES):
            return self._of_lists(find_folder("ImageNet", self.root, _PLACES, _LISTS, remedy), _LISTS)
        return self._of_folders(find_folder("ImageNet", self.root, _PLACES, ("train", "val"), remedy))

    def _of_lists(self, folder: Path, lists: tuple[str, str]) -> Sources[Files]:
        sources = Sources(*(read_list(_given(name, folder), folder, self.num_classes) for name in lists))
        check_apart(*sources)
        return sources

    def _of_folders(self, folder: Path) -> Sources[Files]:
        names, tested = (_class_names(folder / split) for split in ("train", "val"))
        _check_equal(names, tested, folder)
        if len(names) != self.num_classes:
            raise ValueError(
                f"'{folder / 'train'}' has {len(names)} classes and num_classes={self.num_classes}; give "
                f"--data.num_classes {len(names)} (and so the model), or the missing folders"
            )
        return Sources(*(_scanned(folder / split, names) for split in ("train", "val")))


def _given(name: str, folder: Path) -> Path:
    path = Path(name).expanduser()
    found = next((candidate for candidate in (path, folder / path) if candidate.is_file()), None)
    if found is None:
        raise ValueError(f"no list file '{path}', nor '{folder / path}'; give one that is there")
    return found


def _class_names(folder: Path) -> list[str]:
    found = (entry for entry in folder.iterdir() if not entry.name.startswith("."))  # of editors, systems
    names = sorted(entry.name for entry in found if entry.is_dir())
    if not names:
        raise ValueError(
            f"'{folder}' has no folders of classes; sort its images into them, or give --data.train_list and "
            "--data.val_list"
        )
    return names


def _check_equal(names: list[str], tested: list[str], folder: Path) -> None:
    for name in sorted(set(tested) - set(names)):
        near = get_close_matches(name, names)
        meant = f" (did you mean {', '.join(near)}?)" if near else ""
        raise ValueError(
            f"'{folder / 'val' / name}' is no class of '{folder / 'train'}'{meant}; rename or remove it"
        )
    for name in sorted(set(names) - set(tested)):
        raise ValueError(f"class {name} of '{folder / 'train'}' has no folder in '{folder / 'val'}'; add it")


def _scanned(folder: Path, names: list[str]) -> Files:
    """Images below the folder of each class."""
    found: list[str] = []
    labels: list[int] = []
    shown = tqdm(names, f"reading {folder}", leave=False, delay=2)
    for label, name in enumerate(shown):
        images = _images(folder, name, label)
        found += [str(Path(path).relative_to(folder)) for path, _ in images]
        labels += [label] * len(images)
    return make_files(folder, found, labels, f"'{folder}'")


def _images(folder: Path, name: str, label: int) -> list[tuple[str, int]]:
    try:
        return make_dataset(str(folder), {name: label}, IMG_EXTENSIONS)
    except FileNotFoundError as error:
        raise ValueError(
            f"'{folder / name}' holds no image ({', '.join(IMG_EXTENSIONS)}); put the class's images there"
        ) from error
