"""Handwritten digits for classification."""

import torch
from lightning import LightningDataModule
from torch import Tensor
from torch.nn.functional import interpolate, pad
from torch.utils.data import DataLoader, TensorDataset

from experiments.data.images.random_draws import table
from experiments.data.resumable import EpochDataset, ResumableLoader
from experiments.data.samples import SIDE, Split, digit_samples
from experiments.settings import MOST_SEED, check_whole


class ShiftedDigits(EpochDataset):
    """Training digits, each moved by a random offset of at most ``shift`` pixels in every epoch."""

    def __init__(self, images: Tensor, labels: Tensor, shift: int, seed: int) -> None:
        self._images = pad(images, (shift,) * 4)
        self._labels, self._shift, self._size = labels, shift, images.shape[-1]
        self._seed = seed

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, sample: tuple[int, int]) -> tuple[Tensor, Tensor]:
        epoch, index = sample
        top, left = table(self._seed, epoch, len(self), (2 * self._shift + 1,) * 2)[index]
        image = self._images[index, :, top : top + self._size, left : left + self._size]
        return image, self._labels[index]


class Digits(LightningDataModule):
    """scikit-learn's 1,797 digits as images ``(B, 1, H, H)`` in [0, 1] with labels ``(B,)``.

    8×8 images are enlarged, so that stage 3 of a CIFAR network, at a quarter of ``H``, still has a graph
    worth the name (``H = 32``: 64 nodes). Split by sample, stratified: 1,078 / 359 / 360.

    Args:
        size: Height and width ``H``, at least 8.
        batch_size: Images a batch and process.
        shift: Training images are moved by up to this many pixels each way; 0 leaves them in place.
        num_workers: Loader processes.
        seed: Seed of the order of the training images and of their moves.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        size: int = 32,
        batch_size: int = 64,
        shift: int = 2,
        num_workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_whole("batch_size", batch_size, 1)
        check_whole("num_workers", num_workers, 0)
        check_whole("seed", seed, 0, MOST_SEED)
        if size < SIDE:
            raise ValueError(f"size={size} would shrink the 8×8 digits; choose at least {SIDE}")
        if not 0 <= shift < size:
            raise ValueError(f"shift={shift} moves digits out of the image; choose 0 to {size - 1}")
        self.size, self.batch_size, self.shift = size, batch_size, shift
        self.num_workers, self.seed = num_workers, seed

    def tensors(self, split: Split) -> tuple[Tensor, Tensor]:
        """Return ``images (M, 1, H, H)`` and ``labels (M,)`` of a split."""
        samples = digit_samples(split)
        images = torch.from_numpy(samples.images).unsqueeze(1)
        large = interpolate(images, size=(self.size, self.size), mode="bilinear")
        return large, torch.from_numpy(samples.labels)

    def train_dataloader(self) -> ResumableLoader:
        """Shuffled batches of moved digits."""
        return ResumableLoader(
            ShiftedDigits(*self.tensors("train"), self.shift, self.seed),
            self.batch_size,
            shuffle=True,
            seed=self.seed,
            world_size=self.trainer.world_size if self.trainer else 1,
            rank=self.trainer.global_rank if self.trainer else 0,
            num_workers=self.num_workers,
        )

    def val_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        """Batches of the validation split."""
        return self._loader("val")

    def test_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        """Batches of the test split."""
        return self._loader("test")

    def predict_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        """Batches of the test split."""
        return self._loader("test")

    def _loader(self, split: Split) -> DataLoader[tuple[Tensor, ...]]:
        return DataLoader(
            TensorDataset(*self.tensors(split)),
            batch_size=2 * self.batch_size,
            num_workers=self.num_workers,
            generator=torch.Generator(),
        )
