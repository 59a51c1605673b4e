"""Random numbers that are functions of (seed, epoch, index) alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray


@lru_cache(maxsize=2)
def table(seed: int, epoch: int, length: int, bounds: tuple[int, ...]) -> NDArray[np.int64]:
    """Return ``(length, len(bounds))`` whole numbers, column ``c`` uniform in ``0 … bounds[c] − 1``.

    Row ``index`` belongs to sample ``index``; the rows of a longer table begin with those of a shorter one.
    """
    rng = np.random.Generator(np.random.Philox(key=(seed, epoch)))
    return rng.integers(0, bounds, size=(length, len(bounds)))


@contextmanager
def seeded(seed: int, epoch: int, index: int) -> Iterator[None]:
    """Let PyTorch's CPU generator be a function of the three within the block, and as it was afterwards."""
    generator = torch.default_generator
    before = generator.get_state()
    generator.manual_seed(
        int(np.random.SeedSequence((seed, epoch, index)).generate_state(1, np.uint64)[0] >> 1)
    )
    try:
        yield
    finally:
        generator.set_state(before)
