"""A training loader that stops and goes on at a batch: a resumed run sees the batches it had not seen."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from torch.utils.data import DataLoader, Dataset, DistributedSampler


class ResumableSampler(DistributedSampler[Any]):
    """Order of one epoch as a function of ``(seed, epoch, rank)``, entered at sample ``start``."""

    start = 0

    def __iter__(self) -> Iterator[Any]:
        """Yield this rank's indices from ``start`` on; the next epoch begins at 0 again."""
        start, self.start = self.start, 0
        return islice(super().__iter__(), start, None)


class ResumableLoader(DataLoader[Any]):
    """A ``DataLoader`` with ``state_dict`` / ``load_state_dict``, which Lightning stores in checkpoints.

    Args:
        dataset: A map-style data set.
        batch_size: Samples a batch and process; the last incomplete batch is dropped.
        shuffle: Whether each epoch has an order of its own.
        seed: Seed of the order.
        world_size: Number of processes that share the data.
        rank: Number of this process.
        num_workers: Loader processes.

    Raises:
        ValueError: If there is no whole batch for each process.
    """

    sampler: ResumableSampler

    def __init__(
        self,
        dataset: Dataset[Any],
        batch_size: int,
        *,
        shuffle: bool,
        seed: int,
        world_size: int = 1,
        rank: int = 0,
        num_workers: int = 0,
    ) -> None:
        sampler = ResumableSampler(dataset, world_size, rank, shuffle, seed, drop_last=True)
        if len(sampler) < batch_size:
            raise ValueError(
                f"{len(sampler)} training samples (a process) are no batch of batch_size={batch_size}, so "
                f"nothing would be trained; choose batch_size <= {len(sampler)}, or more samples"
            )
        super().__init__(dataset, batch_size, sampler=sampler, num_workers=num_workers, drop_last=True)
        self._batches, self._per_batch = 0, batch_size

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """Yield the batches of the epoch that are left."""
        self._batches = self.sampler.start // self._per_batch
        for batch in super().__iter__():
            self._batches += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """Return the epoch and the number of its batches handed out."""
        return {"epoch": self.sampler.epoch, "batches": self._batches}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on after the batches that ``state`` counts."""
        whole_epoch = state["batches"] >= len(self)
        self.sampler.set_epoch(state["epoch"])
        self.sampler.start = 0 if whole_epoch else state["batches"] * self._per_batch
