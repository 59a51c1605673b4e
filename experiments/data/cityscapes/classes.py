"""The 19 classes of Cityscapes' benchmark: names, colours, and their numbers in the label files."""

import numpy as np
from numpy.typing import NDArray
from torchvision.datasets import Cityscapes

IGNORED = 255
"""The label of a pixel that counts nowhere."""
_JUDGED = sorted(
    (one for one in Cityscapes.classes if not one.ignore_in_eval), key=lambda one: int(one.train_id)
)
NAMES = tuple(one.name for one in _JUDGED)
COLOURS: NDArray[np.uint8] = np.array([one.color for one in _JUDGED], dtype=np.uint8)
"""Red, green and blue of each class, ``(19, 3)``."""


def _class_of_id() -> NDArray[np.uint8]:
    table = np.full(256, IGNORED, dtype=np.uint8)
    for number, one in enumerate(_JUDGED):
        table[one.id] = number
    return table


CLASS_OF_ID = _class_of_id()
"""Class of each number in a ``*_labelIds.png``, ``(256,)``; :data:`IGNORED` for those not judged."""
