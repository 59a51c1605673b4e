"""Small data sets in the formats that people have, for tests: the same files each time.

A picture of class ``k`` is a flat colour, and a bright square at a place, both of the class, with noise, so
that a network can learn it. Each ``write_…`` returns the folder to give as ``root``.
"""

import gzip
import pickle
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
CLASS_NAMES = tuple(f"n{number:08d}" for number in range(1440764, 1440764 + 1000))


def pictures(labels: Sequence[int], height: int, width: int, channels: int = 3, seed: int = 0) -> Pixels:
    """Return pictures ``(N, H, W, channels)`` of classes ``labels``."""
    rng = np.random.default_rng(seed)
    made = rng.integers(0, 48, (len(labels), height, width, channels)).astype(np.uint8)
    for image, label in zip(made, labels, strict=True):
        look = np.random.default_rng(1000 + label)
        image += look.integers(0, 128, channels, dtype=np.uint8)
        top, left = look.integers(0, (height // 2, width // 2))
        image[top : top + height // 2, left : left + width // 2] += np.uint8(72)
    return made


def write_cityscapes(root: Path, cities: int = 3, each: int = 2, size: tuple[int, int] = (48, 96)) -> Path:
    """Write ``leftImg8bit`` and ``gtFine`` of ``train`` and ``val``: road, sky, a car, an edge not judged."""
    for split, number in (("train", cities), ("val", 1)):
        for city in [f"{split}stadt{index}" for index in range(number)]:
            for frame in range(each):
                _write_scene(root, split, city, frame, size)
    return root


def _write_scene(root: Path, split: str, city: str, frame: int, size: tuple[int, int]) -> None:
    rng = np.random.default_rng([frame, *city.encode()])
    height, width = size
    ids = np.full(size, 7, dtype=np.uint8)  # road
    ids[: height // 2] = 23  # sky
    left = int(rng.integers(0, width // 2))
    ids[height // 4 : 3 * height // 4, left : left + width // 3] = 26  # car
    ids[-4:] = 1  # ego vehicle, not judged
    colours = rng.integers(0, 40, (*size, 3)) + np.array([[90, 60, 90]]) * (ids == 7)[..., None]
    colours += (
        np.array([[60, 120, 180]]) * (ids == 23)[..., None] + np.array([[0, 0, 140]]) * (ids == 26)[..., None]
    )
    stem = f"{city}_{frame:06d}_000019"
    for kind, name, pixels in (
        ("leftImg8bit", f"{stem}_leftImg8bit.png", colours.astype(np.uint8)),
        ("gtFine", f"{stem}_gtFine_labelIds.png", ids),
    ):
        folder = root / kind / split / city
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / name)


def write_cifar10(root: Path, images_per_class: int = 10, test_per_class: int = 3) -> Path:
    """Write ``cifar-10-batches-py``: five training batches, a test batch and the names, as of Python 2."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True, exist_ok=True)
    labels = _mixed(10, images_per_class)
    images = _rows(pictures(labels, 32, 32))
    for number in range(5):
        part = slice(number, None, 5)
        told = f"training batch {number + 1} of 5"
        _write_batch(folder / f"data_batch_{number + 1}", told, images[part], labels=labels[part])
    labels = _mixed(10, test_per_class, seed=1)
    images = _rows(pictures(labels, 32, 32, seed=1))
    _write_batch(folder / "test_batch", "testing batch 1 of 1", images, labels=labels)
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    meta = {"num_cases_per_batch": images_per_class * 2, "label_names": names, "num_vis": 3072}
    _dump(folder / "batches.meta", meta)
    return root


def write_cifar100(root: Path, images_per_class: int = 3, test_per_class: int = 1) -> Path:
    """Write ``cifar-100-python``: ``train``, ``test`` and ``meta``."""
    folder = root / "cifar-100-python"
    folder.mkdir(parents=True, exist_ok=True)
    parts = {"train": (images_per_class, 0), "test": (test_per_class, 1)}
    for name, (each, seed) in parts.items():
        labels = _mixed(100, each, seed)
        coarse = [label // 5 for label in labels]
        images = _rows(pictures(labels, 32, 32, seed=seed))
        _write_batch(folder / name, f"{name} batch 1 of 1", images, fine_labels=labels, coarse_labels=coarse)
    fine, coarse_names = ([f"{kind}_{k}" for k in range(n)] for kind, n in (("fine", 100), ("coarse", 20)))
    _dump(folder / "meta", {"fine_label_names": fine, "coarse_label_names": coarse_names})
    return root


def write_imagenet_folders(
    root: Path, classes: int = 3, images_per_class: int = 8, val_per_class: int = 3, size: tuple = (48, 40)
) -> Path:
    """Write ``train/<class>/*.JPEG`` and ``val/<class>/*.JPEG`` of ``size`` (height, width)."""
    for split, each in (("train", images_per_class), ("val", val_per_class)):
        _write_jpegs(root, _imagenet_paths(split, classes, each), size)
    return root


def write_imagenet_lists(
    root: Path, classes: int = 3, images_per_class: int = 8, val_per_class: int = 3, size: tuple = (48, 40)
) -> Path:
    """Write the images into ``data/`` and ``imagenet_train.list``, ``imagenet_val.list`` that name them."""
    for split, each in (("train", images_per_class), ("val", val_per_class)):
        paths = [(f"data/{path}", label) for path, label in _imagenet_paths(split, classes, each)]
        _write_jpegs(root, paths, size)
        _write_list(root / f"imagenet_{split}.list", paths)
    return root


def write_cub_folder(root: Path, classes: int = 4, images_per_class: int = 8, size: tuple = (48, 40)) -> Path:
    """Write ``CUB_200_2011``: images, ``images.txt``, ``image_class_labels.txt``, ``train_test_split.txt``.

    Of each class the first half is for training.
    """
    folder = root / "CUB_200_2011"
    paths = _cub_paths(classes, images_per_class)
    _write_jpegs(folder / "images", paths, size)
    half = images_per_class // 2
    train = [int(number % images_per_class < half) for number in range(len(paths))]
    _write_numbered(folder / "images.txt", [path for path, _ in paths])
    _write_numbered(folder / "image_class_labels.txt", [label + 1 for _, label in paths])
    _write_numbered(folder / "train_test_split.txt", train)
    _write_numbered(
        folder / "classes.txt", [Path(paths[images_per_class * k][0]).parent for k in range(classes)]
    )
    return root


def write_cub_lists(root: Path, classes: int = 4, images_per_class: int = 8, size: tuple = (48, 40)) -> Path:
    """Write ``images/``, ``cub_train.list`` and ``cub_val.list``; of each class the first half trains."""
    paths = _cub_paths(classes, images_per_class)
    _write_jpegs(root / "images", paths, size)
    half = images_per_class // 2
    train = [entry for number, entry in enumerate(paths) if number % images_per_class < half]
    _write_list(root / "cub_train.list", train)
    _write_list(root / "cub_val.list", [entry for entry in paths if entry not in train])
    return root


def write_fashion_mnist(
    root: Path, images_per_class: int = 10, test_per_class: int = 3, zipped: bool = True
) -> Path:
    """Write ``FashionMNIST/raw/*-ubyte``, or with ``.gz`` as Debian's package has them."""
    folder = root / "FashionMNIST" / "raw"
    folder.mkdir(parents=True, exist_ok=True)
    for split, each, seed in (("train", images_per_class, 0), ("t10k", test_per_class, 1)):
        labels = _mixed(10, each, seed)
        images = pictures(labels, 28, 28, 1, seed)[..., 0]
        _write_idx(folder / f"{split}-images-idx3-ubyte", images, zipped)
        _write_idx(folder / f"{split}-labels-idx1-ubyte", np.array(labels, dtype=np.uint8), zipped)
    return root


def _mixed(classes: int, each: int, seed: int = 0) -> list[int]:
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(classes), each)).tolist()


def _rows(images: Pixels) -> Pixels:
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2).reshape(len(images), -1))


def _write_batch(path: Path, told: str, images: Pixels, **labels: list[int]) -> None:
    names = [f"made_{number:06d}.png" for number in range(len(images))]
    _dump(path, {"batch_label": told, **labels, "data": images, "filenames": names})


class _Python2Pickler(pickle._Pickler):  # type: ignore[name-defined,misc]
    """Pickles as Python 2's numpy did, which wrote the published files: byte strings, old module names."""

    dispatch = dict(pickle._Pickler.dispatch)  # type: ignore[attr-defined]

    def _save_bytes(self, text: bytes) -> None:
        short = len(text) < 256
        head = pickle.SHORT_BINSTRING + bytes([len(text)]) if short else b""
        self.write((head or pickle.BINSTRING + struct.pack("<i", len(text))) + text)
        self.memoize(text)

    def _save_text(self, text: str) -> None:
        self._save_bytes(text.encode("latin1"))

    def _save_function(self, function: Any, name: str | None = None) -> None:
        if function.__name__ == "_reconstruct":
            self.write(pickle.GLOBAL + b"numpy.core.multiarray\n_reconstruct\n")
            self.memoize(function)
        else:
            self.save_global(function, name)

    dispatch[bytes], dispatch[str] = _save_bytes, _save_text
    dispatch[type(np.zeros(0).__reduce__()[0])] = _save_function


def _dump(path: Path, content: dict[str, Any]) -> None:
    with path.open("wb") as file:
        _Python2Pickler(file, protocol=2).dump(content)


def _imagenet_paths(split: str, classes: int, each: int) -> list[tuple[str, int]]:
    named = enumerate(CLASS_NAMES[:classes])
    return [(f"{split}/{name}/{name}_{n}.JPEG", label) for label, name in named for n in range(each)]


def _cub_paths(classes: int, each: int) -> list[tuple[str, int]]:
    named = [f"{label + 1:03d}.Made_Bird_{label + 1}" for label in range(classes)]
    return [
        (f"{name}/{name[4:]}_{n:04d}.jpg", label) for label, name in enumerate(named) for n in range(each)
    ]


def _write_jpegs(root: Path, paths: Sequence[tuple[str, int]], size: tuple) -> None:
    for image, (path, _) in zip(pictures([label for _, label in paths], *size), paths, strict=True):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(root / path, "JPEG", quality=90)


def _write_list(path: Path, entries: Sequence[tuple[str, int]]) -> None:
    path.write_text("".join(f"{name},{label}\n" for name, label in entries), encoding="utf-8")


def _write_numbered(path: Path, values: Iterable[Any]) -> None:
    lines = (f"{number} {value}\n" for number, value in enumerate(values, 1))
    path.write_text("".join(lines), encoding="utf-8")


def _write_idx(path: Path, array: Pixels, zipped: bool) -> None:
    """IDX: two zeros, type 8 (unsigned bytes), the number of dimensions, each in 4 bytes, the values."""
    content = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()
    if zipped:
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(content, mtime=0))
    else:
        path.write_bytes(content)
