"""Files that list images: the authors' ``path,label`` a line, and CUB's numbered tables."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from experiments.data.images.files import Files

_LOOKED_AT = 1000


def read_list(path: Path, folder: Path, classes: int) -> Files:
    """Return the images that a list file names, one ``relative/path.jpg,label`` a line, below ``folder``.

    Labels are ``0 … classes − 1``. Blank lines are passed over.

    Raises:
        ValueError: Names the number of the first line that is none, or whose label is beyond the classes; or
            the first image that is missing, if one of a thousand spread over the list is.
    """
    names, labels, numbers = [], [], []
    for number, line in _lines(path):
        name, label = _entry(line, f"'{path}' line {number}", classes)
        names.append(name)
        labels.append(label)
        numbers.append(number)
    files = make_files(folder, names, labels, f"list '{path}'")
    places = [f"'{path}' line {number}" for number in numbers]
    check_there(files, places)
    return files


def read_numbered(path: Path) -> dict[int, str]:
    """Return the table of lines ``number value``, numbers ascending or not.

    Raises:
        ValueError: Names the number of the first line that is none, or has the number of another.
    """
    table: dict[int, str] = {}
    for number, line in _lines(path):
        key, _, value = line.partition(" ")
        if not key.isdecimal() or not value.strip() or int(key) in table:
            raise ValueError(f"'{path}' line {number}: {line!r} is no new number and a value; mend the line")
        table[int(key)] = value.strip()
    return table


def make_files(folder: Path, names: Sequence[str], labels: Sequence[int], what: str) -> Files:
    """Return names and labels as arrays.

    Raises:
        ValueError: If there are none.
    """
    if not names:
        raise ValueError(f"{what} names no image; give one with at least one image a class")
    encoded = np.array([os.fsencode(name) for name in names], dtype=np.bytes_)
    return Files(folder, encoded, np.array(labels, dtype=np.int64))


def check_there(files: Files, places: Sequence[str]) -> None:
    """Look for a thousand images spread over the data set.

    Raises:
        ValueError: Names the first that is missing, and the place that names it.
    """
    rows = np.unique(np.linspace(0, len(files.labels) - 1, _LOOKED_AT).astype(int))
    missing = [row for row in rows if not Path(files.path(row)).is_file()]
    if missing:
        raise ValueError(
            f"{places[missing[0]]} names '{files.path(missing[0])}', which is not there ({len(missing)} of "
            f"{len(rows)} images looked for are missing); put them below '{files.folder}'"
        )


def check_apart(train: Files, test: Files) -> None:
    """Refuse two lists that share an image, as a test on what was trained on is none.

    Raises:
        ValueError: Names the first.
    """
    tested = set(test.names.tolist())
    shared = [name for name in train.names.tolist() if name in tested]
    if shared:
        raise ValueError(
            f"image '{os.fsdecode(shared[0])}' is in the list of training and in that of validation "
            f"({len(shared)} such); take them out of one"
        )


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield number, line.strip()


def _entry(line: str, place: str, classes: int) -> tuple[str, int]:
    name, comma, label = line.rpartition(",")
    name, label = name.strip(), label.strip()
    if not comma or not name or not label.isdecimal() or "\0" in name:
        raise ValueError(
            f"{place}: {line!r} is no 'relative/path.jpg,label' with a label from 0; mend the line"
        )
    if int(label) >= classes:
        raise ValueError(
            f"{place}: label {label} is beyond the classes 0 to {classes - 1}; mend the line, or give "
            f"--data.num_classes {int(label) + 1} or more (and so the model)"
        )
    return name, int(label)
