"""Parts of a data set with each class in its share."""

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

Rows = NDArray[np.int64]


def carved(
    labels: NDArray[np.int64], share: float, seed: int, what: str = "training images"
) -> tuple[Rows, Rows]:
    """Return the rows to train on and those kept for validation, a function of ``seed``; each sorted.

    Args:
        labels: Class of each row, ``(N,)``.
        share: Part that is kept, between 0 and 1.
        seed: Of the split.
        what: What the rows are, in a message.

    Raises:
        ValueError: If a class is too small to be in both parts.
    """
    rows, classes = np.arange(len(labels)), len(np.unique(labels))
    try:
        kept = max(round(share * len(labels)), 1)
        train, val = train_test_split(rows, test_size=kept, stratify=labels, random_state=seed)
    except ValueError as error:
        raise ValueError(
            f"val_share={share} of {len(labels)} {what} of {classes} classes cannot be kept with "
            f"each class in its share ({error}); choose another val_share, or val_from_test=true"
        ) from error
    return np.sort(train), np.sort(val)


def budgeted(rows: Rows, labels: NDArray[np.int64], subset: int, seed: int) -> Rows:
    """Return ``subset`` of ``rows`` with each class in its share; sorted.

    Raises:
        ValueError: If there are not so many, or fewer than the classes, or a class has a single row.
    """
    classes = len(np.unique(labels[rows]))
    if subset == len(rows):
        return rows
    if not classes <= subset <= len(rows) - classes:
        raise ValueError(
            f"subset={subset} is no stratified part of {len(rows)} training images of {classes} classes; "
            f"choose from {classes} to {len(rows) - classes}, or none for all"
        )
    try:
        kept, _ = train_test_split(rows, train_size=subset, stratify=labels[rows], random_state=seed)
    except ValueError as error:
        raise ValueError(
            f"subset={subset} cannot be taken with each class in its share ({error}); leave subset out, or "
            "add images to that class"
        ) from error
    return np.sort(kept)
