"""Whole-slide images made tile by tile, for segmentation across tiles; each process has some of the tiles."""

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from experiments.data.divided import DividedData, Part, own_parts
from experiments.data.samples import SPLITS, Split
from experiments.data.scenes import PALETTE
from experiments.data.tiles import CELL, Tile, nuclei, slide_generator
from experiments.settings import MOST_SEED, check_whole


class SlideTiles(Dataset[tuple[Tensor, Tensor]]):
    """``(tiles (T, 7), mask (T, h, h))``: rows of :class:`Tile`, and which positions are sought.

    All nuclei of a tile have one of four tints. In a few tiles, anywhere on the slide, ink surrounds them;
    sought are the nuclei of the same tint in all other tiles. Which tint that is, no tile tells alone. Tiles
    are painted by who asks for their pixels (:func:`experiments.data.tiles.paint`): a sample holds none.

    Args:
        split: ``"train"``, ``"val"`` or ``"test"``.
        length: Number of slides.
        tiles: Number of tiles of a whole slide.
        side: Height and width of a tile in pixels, a multiple of 32.
        marked: Number of tiles whose nuclei are in ink.
        part: Number of the process and of processes: tiles ``T · i / P`` to ``T · (i + 1) / P`` are given.
        seed: Seed of the slides.

    Raises:
        ValueError: If there are fewer tiles than processes.
    """

    def __init__(
        self, split: Split, length: int, tiles: int, side: int, marked: int, part: Part, seed: int = 0
    ) -> None:
        self._key, self._length = (seed, SPLITS.index(split)), length
        self._tiles, self._side, self._marked = tiles, side, marked
        self._own = own_parts(tiles, part)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        rng = slide_generator(*self._key, index, 0)
        order, tints = rng.permutation(self._tiles), rng.integers(len(PALETTE), size=self._tiles)
        tints[order[: self._marked + 1]] = sought = tints[order[0]]  # at least one tile is sought
        marked = np.isin(np.arange(self._tiles), order[: self._marked])
        own = [
            Tile(*self._key, index, number, int(tints[number]), int(marked[number]), self._side)
            for number in self._own
        ]
        masks = [nuclei(tile) * float(tile.tint == sought and not tile.marked) for tile in own]
        return torch.tensor(own), torch.stack(masks)


class Slides(DividedData):
    """Batches of :class:`SlideTiles`: ``(B, T, 7)`` and masks ``(B, T, h, h)``, divided by tiles.

    All processes of a training see the same slides, and each its own tiles, in any division: set
    ``trainer.use_distributed_sampler`` to ``false``. A slide has ``tiles · side²`` pixels and
    ``tiles · (side / 16)²`` positions: 16 · 32² pixels and 64 positions by default, and 1,073,741,824 pixels
    and 4,194,304 positions with ``tiles=1024, side=1024``.

    Args:
        tiles: Number of tiles of a slide; at least as many as there are processes.
        side: Height and width of a tile in pixels, a multiple of 32.
        marked: Number of tiles whose nuclei are in ink, fewer than ``tiles``.
        train_slides: Number of training slides; an epoch.
        eval_slides: Number of validation slides, and of test slides.
        batch_size: Slides a batch.
        seed: Seed of the training slides.

    Raises:
        ValueError: If a number is out of range, or there are fewer tiles than processes.
    """

    def __init__(
        self,
        tiles: int = 16,
        side: int = 32,
        marked: int = 4,
        train_slides: int = 6400,
        eval_slides: int = 64,
        batch_size: int = 16,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size, seed)
        check_whole("tiles", tiles, 2)
        check_whole("side", side, CELL)
        if side % CELL:
            raise ValueError(f"side={side} must be a multiple of {CELL} pixels, the room of one nucleus")
        check_whole("marked", marked, 1, tiles - 1)
        check_whole("train_slides", train_slides, 1)
        check_whole("eval_slides", eval_slides, 1)
        check_whole("seed", seed, 0, MOST_SEED)
        self._slide = tiles, side, marked
        self._lengths: dict[Split, int] = {"train": train_slides, "val": eval_slides, "test": eval_slides}

    def samples(self, split: Split, part: Part) -> SlideTiles:
        """The slides of a split, with the tiles of one process."""
        seed = self.seed if split == "train" else 0
        return SlideTiles(split, self._lengths[split], *self._slide, part, seed)
