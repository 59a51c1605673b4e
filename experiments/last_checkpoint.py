"""The checkpoint that a training goes on from, written so that no validation is lost."""

import shutil
from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from experiments.files import replacing


class LastCheckpoint(ModelCheckpoint):
    """Writes ``last.ckpt`` every few steps, after the validation of a step that has one, and at the end.

    Lightning writes it before that validation, and a training that goes on from there skips it: of one that
    was killed meanwhile, a best checkpoint would never be found. So its place is behind the callback that
    keeps the best.

    Args:
        folder: Where ``last.ckpt`` goes.
        every: Steps between two writes.
    """

    def __init__(self, folder: Path, every: int) -> None:
        super().__init__(folder, "last", every_n_train_steps=every, enable_version_counter=False)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write it, if it is due and no validation follows."""
        loop, fetcher = trainer.fit_loop.epoch_loop, trainer.fit_loop._data_fetcher
        if fetcher is None or not loop._should_check_val_fx(fetcher):
            super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write it, if it is due."""
        if not trainer.sanity_checking:
            super().on_train_batch_end(trainer, pl_module, None, None, 0)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write it, if the last step is not kept yet."""
        if trainer.global_step and not self._should_skip_saving_checkpoint(trainer):
            self._save_topk_checkpoint(trainer, self._monitor_candidates(trainer))

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Copy the checkpoint that was gone on with, where nothing was left to train: no step wrote one.

        So it is of a training that was killed between the writes of its best and its last checkpoint.
        """
        last, given = Path(str(self.dirpath)) / "last.ckpt", trainer.ckpt_path
        if given is not None and trainer.is_global_zero and not last.exists():
            with replacing(last) as temporary:
                shutil.copyfile(str(given), temporary)
