"""Cued scenes: tinted handwritten digits, one framed cue, and the mask of the digit that matches it."""

from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from experiments.data.samples import SIDE, SPLITS, Split, digit_samples
from experiments.settings import MOST_SEED, check_whole

Cue = Literal["colour", "class"]
FRAME_SIDE = SIDE + 2
INK = 0.2  # fainter strokes are background; the others are painted at 0.5 and more, to be seen
PALETTE = np.array(
    [[1, 0.1, 0.1], [0.1, 1, 0.1], [0.2, 0.2, 1], [1, 1, 0.1]], dtype=np.float32
)  # red, green, blue, yellow


class Scene(NamedTuple):
    """What a scene shows: item 0 is the cue, item 1 its match, the others are distractors.

    ``samples (K,)`` are rows of the split, ``tints (K,)`` rows of ``PALETTE``, ``corners (K, 2)`` the
    top-left pixel of each 8×8 digit.
    """

    samples: NDArray[np.int64]
    tints: NDArray[np.int64]
    corners: NDArray[np.int64]


class Scenes(Dataset[tuple[Tensor, Tensor]]):
    """``(image (3, H, H) in [0, 1], mask (H, H) of 0 and 1)``, a function of (seed, split, index).

    The mask holds the ink of the one digit that matches the framed cue; the cue itself is not labelled.

    Args:
        split: Digit samples to draw from: ``"train"``, ``"val"`` or ``"test"``.
        length: Number of scenes; each is made when it is asked for.
        cue: ``"colour"``: the match alone has the cue's tint, classes are random.
            ``"class"``: the match alone has the cue's class, as another sample; tints are random.
        classes: Number of digit classes in use, ``0 … classes − 1``.
        objects: Number of unframed digits.
        canvas: Height and width ``H`` in pixels.
        seed: Seed of the scenes; the split of the samples does not depend on it.

    Raises:
        ValueError: If an argument is unknown or out of range, or the canvas has no room.
    """

    def __init__(
        self,
        split: Split,
        length: int,
        *,
        cue: Cue = "colour",
        classes: int = 4,
        objects: int = 4,
        canvas: int = 36,
        seed: int = 0,
    ) -> None:
        check_whole("seed", seed, 0, MOST_SEED)
        _check(cue, classes, objects, canvas, length)
        samples = digit_samples(split)
        kept = samples.labels < classes
        images = samples.images[kept]
        self.sample_ids = samples.ids[kept]
        self.labels = samples.labels[kept]
        self._rows = [np.flatnonzero(self.labels == label) for label in range(classes)]
        self._ink = images >= INK
        strokes = np.where(self._ink, 0.5 + 0.5 * images, 0).astype(np.float32)
        self._tinted = strokes[:, None, None] * PALETTE[None, :, :, None, None]
        self._draw = _DRAW[cue]
        self._length, self._objects, self._canvas = length, objects, canvas
        self._key = (seed, SPLITS.index(split))

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        if not 0 <= index < self._length:
            raise IndexError(f"scene {index} is out of range: there are {self._length}")
        return self.render(self.layout(index))

    def layout(self, index: int) -> Scene:
        """Return what scene ``index`` shows and where."""
        rng = np.random.Generator(np.random.Philox(key=self._key, counter=[0, 0, 0, index]))
        samples, tints = self._draw(rng, self._rows, self._objects)
        return Scene(samples, tints, _scatter(rng, self._objects + 1, self._canvas))

    def render(self, layout: Scene) -> tuple[Tensor, Tensor]:
        """Paint a scene: ``image (3, H, H)`` and ``mask (H, H)``."""
        image = np.zeros((3, self._canvas, self._canvas), dtype=np.float32)
        mask = np.zeros((self._canvas, self._canvas), dtype=np.float32)
        for item in range(len(layout.tints)):
            self.paint(layout, item, image, mask)
        return torch.from_numpy(image), torch.from_numpy(mask)

    def paint(self, layout: Scene, item: int, image: NDArray[np.float32], mask: NDArray[np.float32]) -> None:
        """Paint one item into ``image (3, H, H)`` and, of the match, ``mask (H, H)``."""
        top, left = layout.corners[item]
        place = np.s_[..., top : top + SIDE, left : left + SIDE]
        image[place] = self._tinted[layout.samples[item], layout.tints[item]]
        if item == 0:
            _paint_frame(image, top, left)
        if item == 1:
            mask[place] = self._ink[layout.samples[item]]


def _paint_frame(image: NDArray[np.float32], top: int, left: int) -> None:
    for side in (top - 1, top + SIDE):
        image[:, side, left - 1 : left + SIDE + 1] = 1
    for side in (left - 1, left + SIDE):
        image[:, top - 1 : top + SIDE + 1, side] = 1


def _scatter(rng: np.random.Generator, items: int, canvas: int) -> NDArray[np.int64]:
    """Put each item into a cell of its own at a random offset; item 0 keeps room for its frame."""
    per_side = canvas // FRAME_SIDE
    room = canvas // per_side - SIDE
    cells = rng.permutation(per_side**2)[:items]
    offsets = rng.integers(0, room + 1, size=(items, 2))
    offsets[0] = 1 + offsets[0] % (room - 1)
    return np.stack(np.divmod(cells, per_side), axis=1) * (canvas // per_side) + offsets


ClassRows = list[NDArray[np.int64]]
Drawn = tuple[NDArray[np.int64], NDArray[np.int64]]


def _draw_colour(rng: np.random.Generator, rows: ClassRows, objects: int) -> Drawn:
    """Any samples; the match shares the cue's tint, the distractors have other tints, all distinct."""
    pool = np.concatenate(rows)
    tints = rng.permutation(len(PALETTE))[:objects]
    return pool[rng.permutation(len(pool))[: objects + 1]], np.concatenate([tints[:1], tints])


def _draw_class(rng: np.random.Generator, rows: ClassRows, objects: int) -> Drawn:
    """Cue and match: two samples of one class; distractors: of the other classes; any tints."""
    classes = len(rows)
    label = rng.integers(classes)
    cue, step = rng.integers(len(rows[label])), rng.integers(1, len(rows[label]))
    match = (cue + step) % len(rows[label])
    labels = (label + rng.integers(1, classes, size=objects - 1)) % classes
    others = [rows[k][int(u * len(rows[k]))] for k, u in zip(labels, rng.random(objects - 1), strict=True)]
    samples = np.array([rows[label][cue], rows[label][match], *others])
    return samples, rng.integers(len(PALETTE), size=objects + 1)


_DRAW: dict[str, Callable[[np.random.Generator, ClassRows, int], Drawn]] = {
    "colour": _draw_colour,
    "class": _draw_class,
}


def _check(cue: str, classes: int, objects: int, canvas: int, length: int) -> None:
    """Refuse what cannot be drawn, naming the value and the remedy."""
    if cue not in get_args(Cue):
        raise ValueError(f"unknown cue {cue!r}; choose one of {', '.join(get_args(Cue))}")
    if not 2 <= classes <= 10:
        raise ValueError(f"classes={classes} is out of range; choose 2 to 10 digit classes")
    if length < 1:
        raise ValueError(f"a split of {length} scenes is empty; ask for at least 1")
    most = (canvas // FRAME_SIDE) ** 2 - 1
    if not 2 <= objects <= most:
        raise ValueError(
            f"objects={objects} does not fit a canvas of {canvas}×{canvas} pixels, which has room for "
            f"2 to {most} objects beside the cue; change objects or enlarge canvas"
        )
    if cue == "colour" and objects > len(PALETTE):
        raise ValueError(
            f"objects={objects} needs as many distinct tints and the palette has {len(PALETTE)}; "
            f"choose objects <= {len(PALETTE)} or cue='class'"
        )
