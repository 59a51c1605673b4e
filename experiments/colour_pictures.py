"""Predicted classes as pictures, one file an image."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter
from PIL import Image

from experiments.files import replacing


class ColourPictures(BasePredictionWriter):
    """Takes the ``classes (B, H, W)`` out of a prediction and writes ``<output>/predictions/<name>.png``.

    The data say ``colours (classes, 3)`` and the ``test_name`` of each image. A picture has a palette: its
    bytes are the classes, and it is seen in the colours.
    """

    def __init__(self) -> None:
        super().__init__(write_interval="batch")

    def write_on_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        prediction: Any,
        batch_indices: Sequence[int] | None,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int,
    ) -> None:
        """Write the pictures of a batch; the maps are not kept, as those of a data set are many gigabytes."""
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        palette = data.colours.flatten().tolist()
        for index, classes in zip(batch_indices or (), prediction.pop("classes").cpu().numpy(), strict=True):
            picture = Image.fromarray(classes.astype(np.uint8))
            picture.putpalette(palette)
            path = Path(trainer.default_root_dir) / "predictions" / f"{data.test_name(index)}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as temporary:
                picture.save(temporary, format="PNG")

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say where they are."""
        trainer.print(f"pictures: {Path(trainer.default_root_dir) / 'predictions'}")
