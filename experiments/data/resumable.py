"""A training loader that stops and goes on at a batch: a resumed run sees the batches it had not seen."""

from collections.abc import Callable, Iterator
from itertools import islice, repeat
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, DistributedSampler


class EpochDataset(Dataset[Any]):
    """A data set whose training samples are asked for by ``(epoch, index)``.

    What is random about a sample can then be a function of seed, epoch and index alone: not of the loader's
    processes, not of where a run was resumed, and not of the global generator.
    """


class ResumableSampler(DistributedSampler[Any]):
    """Order of one epoch as a function of ``(seed, epoch, rank)``, entered at sample ``start``.

    Yields indices; for an :class:`EpochDataset`, pairs ``(epoch, index)``.
    """

    start = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; one that is not the one it was resumed in begins at 0."""
        if epoch != self.epoch:
            self.start = 0
        super().set_epoch(epoch)

    def __iter__(self) -> Iterator[Any]:
        """Yield this rank's samples from ``start`` on; the next epoch begins at 0 again."""
        start, self.start = self.start, 0
        rest = islice(super().__iter__(), start, None)
        if isinstance(self.dataset, EpochDataset):
            return zip(repeat(self.epoch), rest)
        return rest

    def keep_whole(self, samples: int) -> None:
        """Let an epoch end with the last whole ``samples`` of each rank."""
        self.num_samples -= self.num_samples % samples
        self.total_size = self.num_samples * self.num_replicas


def epoch_order(length: int, seed: int, epoch: int) -> Tensor:
    """Return the order ``(length,)`` in which all ranks together see the samples of a shuffled epoch."""
    return torch.randperm(length, generator=torch.Generator().manual_seed(seed + epoch))


class ResumableLoader(DataLoader[Any]):
    """A ``DataLoader`` with ``state_dict`` / ``load_state_dict``, which Lightning stores in checkpoints.

    Args:
        dataset: A map-style data set.
        batch_size: Samples a batch and process; the last incomplete batch is dropped.
        shuffle: Whether each epoch has an order of its own.
        seed: Seed of the order.
        world_size: Number of processes that share the data.
        rank: Number of this process.
        num_workers: Loader processes, kept from epoch to epoch for an :class:`EpochDataset`.
        accumulate: Batches that make one step; the last incomplete step of an epoch is dropped.
        collate: Makes a batch of samples; PyTorch's own by default.
        pin_memory: Whether batches are put where a GPU fetches them without a copy.
        generator: Seeds the loader's processes; by default one of its own by ``seed``: PyTorch's global one
            stays where it is.

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
        accumulate: int = 1,
        collate: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        sampler = ResumableSampler(dataset, world_size, rank, shuffle, seed, drop_last=True)
        needed = batch_size * accumulate
        if len(sampler) < needed:
            raise ValueError(
                f"{len(sampler)} training samples (a process) are no batch of batch_size={needed}, so "
                f"nothing would be trained; choose batch_size <= {len(sampler)}, or more samples"
            )
        sampler.keep_whole(needed)
        super().__init__(
            dataset,
            batch_size,
            sampler=sampler,
            num_workers=num_workers,
            collate_fn=collate,
            pin_memory=pin_memory,
            drop_last=True,
            generator=torch.Generator().manual_seed(seed) if generator is None else generator,
            persistent_workers=num_workers > 0 and isinstance(dataset, EpochDataset),
        )
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
