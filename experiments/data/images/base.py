"""What all image data sets have in common: splits, batches and loaders."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, NamedTuple, Protocol, TypeVar

import numpy as np
import torch
from lightning import LightningDataModule
from numpy.typing import NDArray
from torch.utils.data import Dataset

from experiments.data.batches import Batches, divided, evaluation_size
from experiments.data.images.loading import EvaluationLoader, TrainingLoader, as_fetched
from experiments.data.images.splitting import budgeted, carved
from experiments.data.resumable import EpochDataset
from experiments.messages import say
from experiments.settings import MOST_SEED, check_real, check_whole

Split = Literal["train", "val", "test"]


class Labelled(Protocol):
    """Images of known classes."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """Class of each image, ``(N,)``."""


S = TypeVar("S", bound=Labelled)


class Sources(NamedTuple, Generic[S]):
    """The training images and the test images of a data set."""

    train: S
    test: S


class ImageData(LightningDataModule, ABC, Generic[S]):
    """Batches of images ``(B, in_channels, H, W)``, normalised float32, with labels ``(B,)``.

    Where a data set has no validation data, a part of its training images is kept for that; the test data
    are ``test`` and ``predict``. The order of an epoch, and what is random about an image, are functions of
    ``(seed, epoch, index)``: the same with any number of loader processes, and after a run was resumed.

    Args:
        root: Folder of the data.
        batch_size: The effective batch: images a step, over all processes and accumulation steps.
        num_workers: Loader processes.
        download: Let torchvision download what is not there.
        val_share: Part of the training images kept for validation, with each class in its share.
        val_from_test: Train on all training images and validate on the test data, as the authors do: the
            best checkpoint is then chosen on the data of the test.
        subset: Number of training images in use, with each class in its share; all by default.
        seed: Of split, subset, order and augmentation.

    Attributes:
        num_classes: Number of classes.
        in_channels: Channels of an image.
        image_size: Height and width of an image.

    Raises:
        ValueError: If an argument is out of range, the data set is not there or not whole, or the effective
            batch does not divide over the processes.
    """

    num_classes: int
    in_channels: int
    image_size: int
    kind: ClassVar[str] = "image"  # what a sample is called

    def __init__(
        self,
        root: str,
        batch_size: int = 128,
        num_workers: int = 0,
        download: bool = False,
        val_share: float = 0.1,
        val_from_test: bool = False,
        subset: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)  # checkpoints say what data they are of
        if hasattr(self, "normalization"):
            self.hparams["normalization"] = [list(part) for part in self.normalization]
        check_whole("batch_size", batch_size, 1)
        check_whole("num_workers", num_workers, 0)
        check_whole("seed", seed, 0, MOST_SEED)
        check_real("val_share", val_share, 0, 0.9, open_=True)
        if subset is not None:
            check_whole("subset", subset, 1)
        self.root, self.batch_size, self.num_workers = Path(root).expanduser(), batch_size, num_workers
        self.download, self.val_share, self.val_from_test = download, val_share, val_from_test
        self.subset, self.seed = subset, seed
        self._told = False

    @abstractmethod
    def read(self) -> Sources[S]:
        """Read what is on disk: the images, or where they are."""

    @abstractmethod
    def training_set(self, source: S, rows: NDArray[np.int64]) -> EpochDataset:
        """The images ``rows`` of ``source``, augmented."""

    @abstractmethod
    def evaluation_set(self, source: S, rows: NDArray[np.int64]) -> Dataset[Any]:
        """The images ``rows`` of ``source`` as they are."""

    def rows(self, split: Split) -> NDArray[np.int64]:
        """Return the rows of a split, of the training or the test images, whichever it is made of."""
        if split == "test" or (split == "val" and self.val_from_test):
            return np.arange(len(self.sources.test.labels))
        return self._carved[0 if split == "train" else 1]

    def dataset(self, split: Split) -> Dataset[Any]:
        """Return a split; that of the training is asked by ``(epoch, index)``, the others by index."""
        if split == "train":
            return self.training_set(self.sources.train, self.rows("train"))
        of_test = split == "test" or self.val_from_test
        source = self.sources.test if of_test else self.sources.train
        return self.evaluation_set(source, self.rows(split))

    @cached_property
    def sources(self) -> Sources[S]:
        """All images, read once."""
        self.prepare_data()
        return self.read()

    def carve(self, source: S) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows of the training images to train on and those kept for validation."""
        return carved(source.labels, self.val_share, self.seed)

    def evaluation_batch(self, split: Split, batch_size: int) -> int:
        """Return the samples of an evaluation's batch, where a training's has ``batch_size``."""
        return batch_size

    def train_dataloader(self) -> TrainingLoader:
        """Augmented batches, in an order of their own each epoch; the last incomplete step is dropped."""
        batches = divided(self.batch_size, self.trainer)
        images = self.dataset("train")
        self._check_step(len(self.rows("train")))
        loader = TrainingLoader(
            images,
            batches.size,
            shuffle=True,
            seed=self.seed,
            world_size=batches.world_size,
            rank=batches.rank,
            num_workers=self.num_workers,
            accumulate=batches.accumulate,
            collate=as_fetched,
            pin_memory=self._on_cuda,
            generator=torch.Generator().manual_seed(self.seed),
        )
        loader.kind = self.kind
        self._tell(batches)
        return loader

    def val_dataloader(self) -> EvaluationLoader:
        """Batches of the validation split."""
        return self._evaluation("val")

    def test_dataloader(self) -> EvaluationLoader:
        """Batches of the test images."""
        return self._evaluation("test")

    def predict_dataloader(self) -> EvaluationLoader:
        """Batches of the test images."""
        return self._evaluation("test")

    def checked_labels(self, labels: Sequence[int] | NDArray[Any], where: str) -> NDArray[np.int64]:
        """Return class numbers ``(N,)``.

        Raises:
            ValueError: If one is none of the classes; ``where`` says whence they are.
        """
        try:
            numbers = np.array(labels, dtype=np.int64)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"labels of {where} are no whole numbers ({error}); get the file anew"
            ) from error
        wrong = np.flatnonzero((numbers < 0) | (numbers >= self.num_classes))
        if len(wrong):
            raise ValueError(
                f"label {numbers[wrong[0]]} of entry {wrong[0] + 1} of {where} is beyond the classes "
                f"0 to {self.num_classes - 1}; mend it{self._classes_remedy}"
            )
        return numbers

    @property
    def _classes_remedy(self) -> str:
        return ", or get the data set anew"

    @cached_property
    def _carved(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        labels = self.sources.train.labels
        rows, val = np.arange(len(labels)), np.arange(0)
        if not self.val_from_test:
            rows, val = self.carve(self.sources.train)
        if self.subset is not None:
            rows = budgeted(rows, labels, self.subset, self.seed)
        return rows, val

    def _evaluation(self, split: Split) -> EvaluationLoader:
        loader = EvaluationLoader(
            self.dataset(split),
            batch_size=self.evaluation_batch(split, evaluation_size(self.batch_size, self.trainer)),
            num_workers=self.num_workers,
            collate_fn=as_fetched,
            pin_memory=self._on_cuda,
            generator=torch.Generator().manual_seed(self.seed),
            persistent_workers=self.num_workers > 0 and split == "val",
        )
        loader.kind = self.kind
        return loader

    @property
    def _on_cuda(self) -> bool:
        return self.trainer is not None and self.trainer.strategy.root_device.type == "cuda"

    def _check_step(self, images: int) -> None:
        if images < self.batch_size:
            raise ValueError(
                f"{images} training {self.kind}s are no batch of batch_size={self.batch_size}, so nothing "
                f"would be trained; choose batch_size <= {images}, or more {self.kind}s"
            )

    def _tell(self, batches: Batches) -> None:
        """Say once what is trained on."""
        if not self._told:
            counts = ", ".join(f"{len(self.rows(split)):,} {split}" for split in ("train", "val", "test"))
            say(f"{type(self).__name__}: {counts} {self.kind}s; {batches.told}")
            if self.val_from_test:
                say(
                    "val_from_test: validation is on the test data, and the best checkpoint is chosen on them"
                )
        self._told = True
