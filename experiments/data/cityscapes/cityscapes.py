"""Cityscapes: fine labels, whole cities kept for validation."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torchvision import datasets

from experiments.data.cityscapes.classes import COLOURS, NAMES
from experiments.data.cityscapes.cropping import random_part
from experiments.data.cityscapes.files import NORMALIZATION, Scenes, TrainingScenes, WholeScenes
from experiments.data.images.arrays import Normalization
from experiments.data.images.base import ImageData, Sources, Split
from experiments.data.images.finding import find_folder
from experiments.settings import check_real, check_whole

_REMEDY = "unpack leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip there; that folder is --data.root"


class Cityscapes(ImageData[Scenes]):
    """Street scenes ``(B, 3, H, W)`` with classes ``(B, H, W)``, 0 to 18, and 255 where none counts.

    ``root/leftImg8bit/<train|val>/<city>/*_leftImg8bit.png`` and ``root/gtFine/…/*_gtFine_labelIds.png``. The
    labels of the benchmark's test are not public, so ``test`` and ``predict`` are its ``val``, as published
    figures are; the validation that chooses a checkpoint is whole cities of ``train``, or ``val_from_test``.
    Training sees random parts (:func:`experiments.data.cityscapes.cropping.random_part`), an evaluation whole
    images, one a batch. A broken file ends the run, and is named.

    Args:
        root: Folder with ``leftImg8bit`` and ``gtFine``.
        batch_size: The effective batch: images a step, over all processes and accumulation steps.
        num_workers: Loader processes.
        val_share: Part of the training's cities kept for validation.
        val_from_test: Train on all training cities and validate on the benchmark's ``val``, as is usual: the
            best checkpoint is then chosen on the data of the test.
        subset: Number of training images in use, with each city in its share; all by default.
        seed: Of split, subset, order and augmentation.
        crop_size: Height and width of the parts.
        scale: Least and greatest factor by which an image is scaled before.
        most_of_a_class: Share of a part's judged pixels that one class may have.

    Raises:
        ValueError: If an argument is out of range, the data set is not there or not whole, or the effective
            batch does not divide over the processes.

    References:
        Cordts et al. (2016), *The Cityscapes Dataset for Semantic Urban Scene Understanding*; the training as
        in mmsegmentation, where a change of brightness is a sum, not a factor.
    """

    num_classes = len(NAMES)
    in_channels = 3
    kind: ClassVar[str] = "scene"
    normalization: ClassVar[Normalization] = NORMALIZATION
    classes: ClassVar[tuple[str, ...]] = NAMES
    colours: ClassVar[NDArray[np.uint8]] = COLOURS

    def __init__(
        self,
        root: str,
        batch_size: int = 8,
        num_workers: int = 0,
        val_share: float = 0.1,
        val_from_test: bool = False,
        subset: int | None = None,
        seed: int = 0,
        crop_size: tuple[int, int] = (512, 1024),
        scale: tuple[float, float] = (0.5, 2.0),
        most_of_a_class: float = 0.75,
    ) -> None:
        super().__init__(root, batch_size, num_workers, False, val_share, val_from_test, subset, seed)
        _check_pair("crop_size", crop_size)
        _check_pair("scale", scale)
        for side in crop_size:
            check_whole("a side of crop_size", side, 1)
        check_real("the least factor of scale", scale[0], 0, open_=True)
        check_real("the greatest factor of scale", scale[1], scale[0])
        check_real("most_of_a_class", most_of_a_class, 0, 1, open_=True)
        self.crop_size, self.scale, self.most_of_a_class = crop_size, scale, most_of_a_class

    def read(self) -> Sources[Scenes]:
        """Where the images and labels of ``train`` and of ``val`` are."""
        parts = [f"{kind}/{split}" for kind in ("leftImg8bit", "gtFine") for split in ("train", "val")]
        folder = find_folder("Cityscapes", self.root, ("", "cityscapes"), parts, _REMEDY)
        return Sources(_scenes(folder, "train"), _scenes(folder, "val"))

    def carve(self, source: Scenes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows of the cities to train on, and of those kept: no city is in both."""
        cities = sorted(set(source.cities))
        kept = max(round(self.val_share * len(cities)), 1)
        if kept >= len(cities):
            raise ValueError(
                f"val_share={self.val_share} of the training's {len(cities)} cities leaves none to train on; "
                "choose a smaller one, or val_from_test=true"
            )
        chosen = np.random.default_rng(self.seed).permutation(len(cities))[:kept]
        of_val = np.isin(source.labels, chosen)
        return np.flatnonzero(~of_val), np.flatnonzero(of_val)

    def training_set(self, source: Scenes, rows: NDArray[np.int64]) -> TrainingScenes:
        """Random parts."""
        part = random_part(self.crop_size, self.scale, self.most_of_a_class)
        return TrainingScenes(source, rows, part, self.seed)

    def evaluation_set(self, source: Scenes, rows: NDArray[np.int64]) -> WholeScenes:
        """Whole images."""
        return WholeScenes(source, rows)

    def evaluation_batch(self, split: Split, batch_size: int) -> int:
        """One: whole images need the memory, and may differ in size."""
        return 1

    def test_name(self, index: int) -> str:
        """Name of a test image, ``<city>/<image>``."""
        path = self.sources.test.images[index]
        return f"{path.parent.name}/{path.stem}"


def _scenes(folder: Path, split: str) -> Scenes:
    """The files of a split, as torchvision pairs them."""
    try:
        found: Any = datasets.Cityscapes(str(folder), split, "fine", "semantic")
    except (RuntimeError, OSError) as error:
        raise ValueError(f"Cityscapes in '{folder}' cannot be read ({error}); {_REMEDY}") from error
    images, masks = [Path(path) for path in found.images], [Path(of_image[0]) for of_image in found.targets]
    if not images:
        raise ValueError(f"no image in '{folder / 'leftImg8bit' / split}/<city>'; {_REMEDY}")
    for path in masks:
        if not path.is_file():
            raise ValueError(f"Cityscapes in '{folder}' is not whole: '{path}' is missing; {_REMEDY}")
    order = sorted(range(len(images)), key=lambda row: (images[row].parent.name, images[row].name))
    images, masks = [images[row] for row in order], [masks[row] for row in order]
    return Scenes(images, masks, tuple(path.parent.name for path in images))


def _check_pair(name: str, value: Any) -> None:
    if len(value) != 2:
        raise ValueError(f"{name}={value!r} is no pair; give two numbers")
