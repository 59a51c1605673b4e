"""The handwritten digits of scikit-learn, split by sample: the one source of every picture here."""

from functools import cache
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
SIDE = 8
_SPLIT_SEED = 2021


class Samples(NamedTuple):
    """``ids (M,)`` into scikit-learn's table, ``images (M, 8, 8)`` in [0, 1], ``labels (M,)``."""

    ids: NDArray[np.int64]
    images: NDArray[np.float32]
    labels: NDArray[np.int64]


@cache
def _table() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    digits = load_digits()
    return (digits.images / 16).astype(np.float32), digits.target.astype(np.int64)


@cache
def _split_ids() -> dict[Split, NDArray[np.int64]]:
    """Stratified 60 / 20 / 20 parts of the sample numbers, always the same."""
    labels = _table()[1]
    ids = np.arange(len(labels))
    train, rest = train_test_split(ids, test_size=0.4, stratify=labels, random_state=_SPLIT_SEED)
    val, test = train_test_split(rest, test_size=0.5, stratify=labels[rest], random_state=_SPLIT_SEED)
    return {"train": np.sort(train), "val": np.sort(val), "test": np.sort(test)}


def digit_samples(split: Split) -> Samples:
    """Return the samples of one split; no sample is in two splits.

    Args:
        split: ``"train"`` (60 %), ``"val"`` (20 %) or ``"test"`` (20 %), stratified by class.

    Raises:
        ValueError: If ``split`` is none of the three.
    """
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}; choose one of {', '.join(SPLITS)}")
    images, labels = _table()
    ids = _split_ids()[split]
    return Samples(ids, images[ids], labels[ids])
