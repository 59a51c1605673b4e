"""Cued scenes for segmentation, as a data module."""

from typing import Any

import torch
from lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader

from experiments.data.resumable import ResumableLoader
from experiments.data.samples import Split
from experiments.data.scenes import Cue, Scenes
from experiments.settings import check_whole


class CuedScenes(LightningDataModule):
    """Batches of :class:`~experiments.data.scenes.Scenes`: images ``(B, 3, H, H)``, masks ``(B, H, H)``.

    Training scenes come in the order of their index, so that one seed means the same batches for every
    model.

    Args:
        cue: ``"colour"`` or ``"class"``: what cue and match share.
        classes: Number of digit classes in use, 2 to 10.
        objects: Number of unframed digits.
        canvas: Height and width ``H`` in pixels.
        train_scenes: Number of training scenes; an epoch.
        eval_scenes: Number of validation scenes, and of test scenes.
        batch_size: Scenes a batch and process.
        num_workers: Loader processes.
        seed: Seed of the training scenes; validation and test scenes do not depend on it.

    Raises:
        ValueError: If an argument is unknown or out of range, or the canvas has no room.
    """

    def __init__(
        self,
        cue: Cue = "colour",
        classes: int = 4,
        objects: int = 4,
        canvas: int = 36,
        train_scenes: int = 24_000,
        eval_scenes: int = 400,
        batch_size: int = 8,
        num_workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_whole("batch_size", batch_size, 1)
        check_whole("num_workers", num_workers, 0)
        kinds: dict[str, Any] = {"classes": classes, "objects": objects, "canvas": canvas}
        self.scenes: dict[Split, Scenes] = {
            "train": Scenes("train", train_scenes, cue=cue, seed=seed, **kinds),
            "val": Scenes("val", eval_scenes, cue=cue, **kinds),
            "test": Scenes("test", eval_scenes, cue=cue, **kinds),
        }
        self.batch_size, self.num_workers, self.seed = batch_size, num_workers, seed

    def train_dataloader(self) -> ResumableLoader:
        """Training scenes in the order of their index."""
        return ResumableLoader(
            self.scenes["train"],
            self.batch_size,
            shuffle=False,
            seed=self.seed,
            world_size=self.trainer.world_size if self.trainer else 1,
            rank=self.trainer.global_rank if self.trainer else 0,
            num_workers=self.num_workers,
        )

    def val_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        """Batches of the validation scenes."""
        return self._loader("val")

    def test_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        """Batches of the test scenes."""
        return self._loader("test")

    def predict_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        """Batches of the test scenes."""
        return self._loader("test")

    def _loader(self, split: Split) -> DataLoader[tuple[Tensor, Tensor]]:
        return DataLoader(
            self.scenes[split],
            batch_size=4 * self.batch_size,
            num_workers=self.num_workers,
            generator=torch.Generator(),
        )
