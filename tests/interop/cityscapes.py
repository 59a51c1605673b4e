"""A few made images in the format of Cityscapes, with the labels that mmsegmentation trains on."""

from pathlib import Path

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 64, 128
COUNTS = {"train": 4, "val": 2}


def write(root: Path) -> Path:
    """``leftImg8bit/<split>/<city>/…`` and ``gtFine/<split>/<city>/…``: a class a column, and a void row."""
    for seed, (split, count) in enumerate(COUNTS.items()):
        random = np.random.default_rng(seed)
        for number in range(count):
            labels = np.tile(np.arange(WIDTH) * 19 // WIDTH, (HEIGHT, 1))
            labels[0] = 255
            image = np.stack([labels * 13, 255 - labels, random.integers(0, 255, labels.shape)], -1)
            _save(image, root, "leftImg8bit", split, f"aachen_{number:06d}_000019_leftImg8bit.png")
            _save(labels, root, "gtFine", split, f"aachen_{number:06d}_000019_gtFine_labelTrainIds.png")
    return root


def _save(array: np.ndarray, root: Path, kind: str, split: str, name: str) -> None:
    folder = root / kind / split / "aachen"
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array.astype(np.uint8)).save(folder / name)
