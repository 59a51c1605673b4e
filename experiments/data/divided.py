"""What data have in common whose samples are divided over processes, each sample in all of them."""

from abc import abstractmethod
from typing import Any

from lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from experiments.data.resumable import ResumableLoader
from experiments.data.samples import Split
from experiments.settings import check_whole

Part = tuple[int, int]
"""Number of a process, and of processes."""


def own_parts(count: int, part: Part) -> range:
    """The frames or tiles of process ``i`` of ``P``: from ``count · i / P`` on, to ``count · (i + 1) / P``.

    Raises:
        ValueError: If there are fewer than processes: one of them would have none.
    """
    place, size = part
    if count < size:
        raise ValueError(
            f"{count} frames or tiles cannot be divided over {size} processes, each of which needs one; "
            f"give at least {size}, or fewer --trainer.devices"
        )
    return range(count * place // size, count * (place + 1) // size)


class DividedData(LightningDataModule):
    """Batches of samples of which each process has some of the frames or tiles.

    All processes of a training see the same samples: set ``trainer.use_distributed_sampler`` to ``false``.

    Args:
        batch_size: Samples a batch.
        seed: Seed of the training samples.

    Raises:
        ValueError: If a number is out of range.
    """

    def __init__(self, batch_size: int, seed: int) -> None:
        super().__init__()
        check_whole("batch_size", batch_size, 1)
        self.batch_size, self.seed = batch_size, seed

    @abstractmethod
    def samples(self, split: Split, part: Part) -> Dataset[tuple[Tensor, Tensor]]:
        """The samples of a split, with what one process has of each."""

    def train_dataloader(self) -> ResumableLoader:
        """Training samples in the order of their index."""
        return ResumableLoader(self._own("train"), self.batch_size, shuffle=False, seed=self.seed)

    def val_dataloader(self) -> DataLoader[Any]:
        """Batches of the validation samples."""
        return DataLoader(self._own("val"), self.batch_size)

    def test_dataloader(self) -> DataLoader[Any]:
        """Batches of the test samples."""
        return DataLoader(self._own("test"), self.batch_size)

    def predict_dataloader(self) -> DataLoader[Any]:
        """Batches of the test samples."""
        return self.test_dataloader()

    def _own(self, split: Split) -> Dataset[tuple[Tensor, Tensor]]:
        part = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        return self.samples(split, part)
