"""A training that is told to stop: at the end of a batch, with a checkpoint, and a telling exit code."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities.exceptions import SIGTERMException

from experiments.run_folder import checkpoint_path

_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name)]


class Interrupted(SystemExit):
    """A signal ended the program: exit code 128 + its number, as shells have it.

    Attributes:
        signal: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.signal = signal.Signals(number)


class Interruption(Callback):
    """Ends a training by SIGTERM, SIGINT (Ctrl-C) or SIGHUP once the batch at hand is done, and keeps it.

    Lightning ends its loops where they can be gone on with, at the end of a batch, after a SIGTERM alone, and
    with exit code 0; here the other signals take the same way, a last checkpoint is written, and the caller
    learns of the signal. Outside of a training, and at a second Ctrl-C, the program ends at once.

    Attributes:
        asked: The signal that asked for the end, if one did.
        kept: Epoch and steps done of the checkpoint that was written then, ``checkpoints/last.ckpt`` in the
            trainer's folder; None if there was none to write.
        began: Whether the command's loop has begun: what fails before is a matter of its input.
    """

    def __init__(self) -> None:
        self.asked: signal.Signals | None = None
        self.kept: tuple[int, int] | None = None
        self.began = False
        self._training = False
        self._stopped = False
        self._validated = -1  # the batch after which the last validation ended

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take the signals, but those that are ignored (as by ``nohup``), within the block.

        Raises:
            Interrupted: For a signal that ended the block.
        """
        main = threading.current_thread() is threading.main_thread()
        taken = [number for number in _SIGNALS if main and signal.getsignal(number) != signal.SIG_IGN]
        before = {number: signal.signal(number, self._take) for number in taken}
        try:
            yield
        except SIGTERMException as error:
            raise Interrupted(self.asked or signal.SIGTERM) from error
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """From here on a signal waits for the end of a batch."""
        self._training = self.began = True

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The loop of ``validate`` begins."""
        self.began = self.began or not trainer.sanity_checking

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The loop of ``test`` begins."""
        self.began = True

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The loop of ``predict`` begins."""
        self.began = True

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """All is kept: a signal ends the program at once."""
        self._training = False

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Write the last checkpoint, where Lightning has ended its loops for a signal."""
        self._training = False
        trial = trainer.fast_dev_run  # type: ignore[attr-defined]
        if isinstance(exception, SIGTERMException) and trainer.global_step and not trial:
            self._stopped = True
            trainer.save_checkpoint(checkpoint_path(trainer.default_root_dir, "last"), weights_only=False)
            self.kept = trainer.current_epoch, trainer.global_step

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remember where."""
        if not trainer.sanity_checking:
            self._validated = _batch(trainer)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Have a validation that was cut off done from its first batch, and steps counted once.

        Lightning would go on behind the batches of the validation that were done, without what was counted
        there, and call the rest the score of all. A batch after whose validation it is stopped has its step
        counted before the checkpoint and, as it skips the validation, once more after it.
        """
        loops = checkpoint["loops"]["fit_loop"]
        progress = loops["epoch_loop.val_loop.batch_progress"]
        cut_off = int(self._stopped and trainer.validating)
        done = progress["total"]["completed"] - cut_off * progress["current"]["completed"]
        _set_place(progress["total"], done, cut_off)
        if cut_off:
            _set_place(progress["current"], 0, cut_off)
            progress["is_last_batch"] = False
        elif self._stopped and self._validated == _batch(trainer) and not loops[_TRAINED]["is_last_batch"]:
            loops["epoch_loop.state_dict"]["_batches_that_stepped"] -= 1

    def _take(self, number: int, frame: FrameType | None) -> None:
        again = self.asked is not None and number == signal.SIGINT
        if not self._training or again:
            raise Interrupted(number)
        self.asked = self.asked or signal.Signals(number)
        lightnings: Any = signal.getsignal(signal.SIGTERM)
        if number != signal.SIGTERM and callable(lightnings) and lightnings != self._take:
            lightnings(signal.SIGTERM, frame)


_TRAINED = "epoch_loop.batch_progress"


def _batch(trainer: Trainer) -> int:
    return trainer.fit_loop.total_batch_idx


def _set_place(counts: dict[str, int], done: int, cut_off: int) -> None:
    """So many batches done, and ``cut_off`` begun, by which Lightning knows what was cut off."""
    counts |= {"ready": done + cut_off, "started": done + cut_off, "processed": done, "completed": done}
