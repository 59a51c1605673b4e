"""How fast a training goes, and what share of its time it waits for data."""

import time
from collections.abc import Callable
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

_FETCH = "train_dataloader_next"


class Throughput(Callback):
    """Logs ``train/images_per_second`` of all processes and ``train/data_wait_share``, per logging interval.

    ``images / wall time`` and ``time in the loader's next / wall time``, of this process, from one entry of
    the log to the next (``trainer.log_every_n_steps``). The time of validations is left out. A CUDA device is
    waited for at the end of an interval alone. The first element of a batch counts its images.

    Args:
        clock: Seconds; by default :func:`time.perf_counter`.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._begin(0.0)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Listen to what Lightning tells its profiler: the only place where it says that it waits."""
        profiler: Any = trainer.profiler  # type: ignore[attr-defined]
        profiler.start = _and(profiler.start, self._fetch_begins)
        profiler.stop = _and(profiler.stop, self._fetch_ends)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Listen no longer."""
        profiler: Any = trainer.profiler  # type: ignore[attr-defined]
        del profiler.start, profiler.stop

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The first interval begins."""
        self._begin(self._clock())

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the clock."""
        _wait_for_device(trainer)
        self._paused = self._clock()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start it again."""
        self._start += self._clock() - self._paused

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count the images; log and begin anew at the end of an interval."""
        self._images += len(batch[0])
        if not trainer._logger_connector.should_update_logs:
            return
        _wait_for_device(trainer)
        now = self._clock()
        seconds = now - self._start
        if seconds > 0:
            pl_module.log("train/images_per_second", self._images * trainer.world_size / seconds)
            pl_module.log("train/data_wait_share", self._waited / seconds)
        self._begin(now)

    def _begin(self, now: float) -> None:
        self._start, self._paused, self._fetching = now, now, now
        self._images, self._waited = 0, 0.0

    def _fetch_begins(self, action: str) -> None:
        if action.endswith(_FETCH):
            self._fetching = self._clock()

    def _fetch_ends(self, action: str) -> None:
        if action.endswith(_FETCH):
            self._waited += self._clock() - self._fetching


def _and(first: Callable[[str], None], then: Callable[[str], None]) -> Callable[[str], None]:
    def both(action_name: str) -> None:
        first(action_name)
        then(action_name)

    return both


def _wait_for_device(trainer: Trainer) -> None:
    if trainer.strategy.root_device.type == "cuda":
        torch.cuda.synchronize(trainer.strategy.root_device)
