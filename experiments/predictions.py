"""Writing of predictions: one CSV for numbers by image, one NPZ for maps."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter
from torch import Tensor

from experiments.files import replacing


class PredictionWriter(BasePredictionWriter):
    """Writes what ``predict_step`` returns, a dictionary of tensors, once it is complete.

    Numbers by image become ``predictions.csv``, maps ``predictions.npz``; with several processes each
    writes a file of its own, in which ``image`` is the place of an image among all.

    Args:
        folder: Where to write.
    """

    def __init__(self, folder: str | Path) -> None:
        super().__init__(write_interval="epoch")
        self.folder = Path(folder)

    def write_on_epoch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        predictions: Sequence[Any],
        batch_indices: Sequence[Any],
    ) -> None:
        """Join the batches and write them."""
        columns = {"image": torch.tensor([index for batch in batch_indices[0] for index in batch])}
        columns |= {key: torch.cat([batch[key] for batch in predictions]) for key in predictions[0]}
        suffix = f"-{trainer.global_rank}" if trainer.world_size > 1 else ""
        path = write_predictions(columns, self.folder / f"predictions{suffix}")
        trainer.print(f"predictions: {path}")


def write_predictions(columns: dict[str, Tensor], stem: Path) -> Path:
    """Write tensors of one length ``M`` to ``stem.csv`` if all are ``(M,)``, else to ``stem.npz``."""
    arrays = {key: tensor.cpu().numpy() for key, tensor in columns.items()}
    if any(array.ndim > 1 for array in arrays.values()):
        path = stem.with_suffix(".npz")
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
        return path
    path = stem.with_suffix(".csv")
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(arrays)
        writer.writerows(zip(*arrays.values(), strict=True))
    return path
