"""Spectra over a training: a callback for Lightning, which is needed for this module alone."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.strategies import DeepSpeedStrategy, FSDPStrategy, ModelParallelStrategy
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities.rank_zero import rank_zero_warn

from filters.checks import require_integer
from gsp_nonlocal.analysis import Limits, Snapshot, snapshot
from gsp_nonlocal.analysis.model_inputs import Inputs, check_inputs
from gsp_nonlocal.report.folder import check_folder

if TYPE_CHECKING:
    from gsp_nonlocal.report import Analysis

CHEAP = Limits(graphs=4, large=1, nodes=512, k=10)
"""What an epoch may spend on each block by default."""


class SpectralCallback(Callback):
    """Measures every block's graph on the same images each epoch, logs it, and writes the report at the end.

    After each validation (after each epoch, if there is none) the means over the graphs are logged as
    ``spectral/<block>/<measure>``, with ``spectral/seconds``: to every logger of the trainer, and for
    ``ModelCheckpoint`` to monitor. In these names ``_`` stands for what loggers refuse: ``, application 2``
    is ``_application_2``. A network that cannot be measured, as its graphs are not finite, is warned of, and
    the training goes on. The network's modes, gradients and random numbers stay as they are.

    Snapshots are kept in checkpoints, about 10 kB a graph, so that a training that is resumed goes on with
    them. The page is not written by a ``fast_dev_run``, nor if the training is interrupted. Several processes
    are fine, the first one measures; with strategies that split the weights among them there is none that
    could.

    Args:
        images: an input of the network as its ``forward`` takes it, ``(B, C, *spatial)``, ids of tokens
            ``(B, N)``, or tensors by keyword; a few are enough.
        folder: where :func:`~gsp_nonlocal.spectral.write_analyses` writes the page with the course of the
            training and the rows at its start (of what was resumed) and end; ``None`` for no page.
        every: only each so many validations; the last figures are in the page in any case.
        paths: only these modules, by their paths in the Lightning module.
        limits: what may be spent on each block, each time.
        overwrite: replace an older analysis in ``folder``.

    Attributes:
        snapshots: the one at the start, and one a measurement.

    Raises:
        TypeError: if ``images`` is none of these.
        ValueError: if ``images`` is empty or not finite, or ``every`` is below 1; at the start of the
            training, if the network has no block that is known, its graphs are not finite, or the strategy
            splits the weights.
        FileExistsError: at the start of the training, if ``folder`` is there and may not be replaced.

    Example:
        >>> import torch
        >>> callback = SpectralCallback(torch.randn(2, 3, 32, 32), "spectra", every=5)
        >>> trainer = Trainer(callbacks=[callback], logger=False)
    """

    def __init__(
        self,
        images: Inputs,
        folder: str | os.PathLike[str] | None = None,
        *,
        every: int = 1,
        paths: Sequence[str] | None = None,
        limits: Limits = CHEAP,
        overwrite: bool = False,
    ) -> None:
        check_inputs(images)
        self.images, self.folder, self.every = images, folder, require_integer("every", every)
        self.paths, self.limits, self.overwrite = paths, limits, overwrite
        self.snapshots: list[Snapshot] = []
        self._start: Analysis | None = None
        self._seen = 0  # validations
        self._step = 0  # of the last snapshot

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Refuse a strategy, and an output folder that may not be replaced, before any work."""
        if stage != "fit":
            return
        if isinstance(trainer.strategy, DeepSpeedStrategy | FSDPStrategy | ModelParallelStrategy):
            raise ValueError(
                f"{type(trainer.strategy).__name__} splits the weights among processes, and SpectralCallback "
                "runs the network in one; leave it out, and call gsp_nonlocal.report.analyze afterwards"
            )
        if self.folder is not None and trainer.is_global_zero:
            check_folder(self.folder, self.overwrite)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the rows of the start, and the first snapshot unless the training is resumed."""
        if not trainer.is_global_zero:
            return
        if self.folder is not None:
            self._start = self._analysis(pl_module, "resumed" if self.snapshots else "start")
        if not self.snapshots:
            found = self._start.snapshot if self._start else self._snapshot(pl_module, "start")
            self.snapshots.append(found)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure and log, after each validation of a training."""
        if trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking:
            self._measure(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The same in a training without validation."""
        if not trainer.enable_validation:
            self._measure(trainer, pl_module)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the page."""
        if self._start is None or self.folder is None or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        from gsp_nonlocal.report import write_analyses  # needs the extra "report"

        shown, course = [self._start], self.snapshots
        try:
            shown.append(self._analysis(pl_module, "end"))
            earlier = course[:-1] if self._step == trainer.global_step else course
            course = [*earlier, shown[-1].snapshot]
        except (ValueError, RuntimeError) as error:  # a measurement does not end a training
            rank_zero_warn(f"no spectra of the end: {error}")
        title = "Spectra of a training"
        page = write_analyses(shown, self.folder, course=course, overwrite=self.overwrite, title=title)
        trainer.print(f"spectra of the training: {page}")

    def state_dict(self) -> dict[str, Any]:
        """The snapshots as plain values."""
        snapshots = [one.to_dict() for one in self.snapshots]
        return {"snapshots": snapshots, "seen": self._seen, "step": self._step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the snapshots of a checkpoint."""
        self.snapshots = [Snapshot.from_dict(values) for values in state_dict["snapshots"]]
        self._seen, self._step = state_dict["seen"], state_dict["step"]

    def _measure(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._seen += 1
        if self._seen % self.every:
            return
        values = trainer.strategy.broadcast(
            self._values(trainer, pl_module) if trainer.is_global_zero else {}
        )
        pl_module.log_dict(values, sync_dist=True, rank_zero_only=True)  # all have them: nothing to reduce

    def _values(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, float]:
        begin, label = time.perf_counter(), _label(trainer)
        try:
            found = self._snapshot(pl_module, label)
        except (ValueError, RuntimeError) as error:  # a measurement does not end a training
            rank_zero_warn(f"no spectra of {label}: {error}")
            return {}
        self.snapshots.append(found)
        self._step = trainer.global_step
        values = {f"spectral/{_safe(name)}": value for name, value in found.measures().items()}
        return values | {"spectral/seconds": time.perf_counter() - begin}

    def _snapshot(self, network: LightningModule, label: str) -> Snapshot:
        return snapshot(network, self.images, label=label, paths=self.paths, limits=self.limits)

    def _analysis(self, network: LightningModule, label: str) -> Analysis:
        from gsp_nonlocal.report import analyze
        from gsp_nonlocal.report.explorer import share_of_budget

        budget = share_of_budget(2)
        return analyze(network, self.images, label=label, paths=self.paths, limits=self.limits, budget=budget)


def _label(trainer: Trainer) -> str:
    """The epoch, or the step where an epoch is validated several times."""
    interval = trainer.val_check_interval
    whole = interval is None or (isinstance(interval, float) and interval == 1.0)
    return f"epoch {trainer.current_epoch}" if whole else f"step {trainer.global_step}"


def _safe(name: str) -> str:
    """A name that every logger takes: letters, digits, dots, dashes and slashes."""
    return re.sub(r"[^\w./-]+", "_", name)
