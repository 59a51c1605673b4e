"""The command line ``python -m experiments fit|validate|test|predict``, on ``LightningCLI``."""

import shlex
import sys
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from lightning import Trainer
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, RichProgressBar
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from experiments.checkpoints import WholeCheckpointIO, check_architecture, check_usable, read_checkpoint
from experiments.command import tell
from experiments.files import check_writable
from experiments.finite import FiniteTraining
from experiments.generators import Generators
from experiments.interruption import Interrupted, Interruption
from experiments.last_checkpoint import LastCheckpoint
from experiments.messages import hush
from experiments.predictions import PredictionWriter
from experiments.run_folder import CHECKPOINTS, check_unused, checkpoint_path, claimed, existing_checkpoint
from experiments.settings import check_images, check_training
from experiments.throughput import Throughput
from experiments.trained_settings import check_settings
from gsp_nonlocal.reading import first_line

PROGRAM = "python -m experiments"


class ExperimentCLI(LightningCLI):
    """Training from YAML: model, data and trainer by class path, everything else by flags.

    ``--output`` takes checkpoints (``checkpoints/best.ckpt`` by the model's ``monitor``, ``last.ckpt``
    every ``--checkpoint_every`` steps), logs (CSV and TensorBoard) and predictions. ``--ckpt_path``
    takes a file, ``best`` or ``last``. Whatever is wrong with the configuration, the checkpoint or the
    output folder ends the program with one message and exit code 2 before any work is done. A training that
    comes to NaN, or cannot write, ends with one message and code 1; one that is told to stop, with a last
    checkpoint and 128 + the signal's number.
    """

    _checkpoint: dict[str, Any] | None = None

    def __init__(self, args: ArgsType = None) -> None:
        self._interruption = Interruption()
        self._words = [str(word) for word in args] if isinstance(args, list) else sys.argv[1:]
        try:
            with self._interruption.listening():
                super().__init__(
                    args=args,
                    seed_everything_default=0,
                    auto_configure_optimizers=False,
                    load_from_checkpoint_support=False,
                    parser_kwargs={"prog": PROGRAM},
                )
        except Interrupted as stop:
            print(f"\n{self._farewell(stop)}", file=sys.stderr)
            raise

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Trainer methods and the arguments that are not flags; reading is always ``weights_only``."""
        return {name: skip | {"weights_only"} for name, skip in LightningCLI.subcommands().items()}

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add ``--output``, ``--checkpoint_every`` and ``--overwrite``."""
        parser.add_argument("--output", type=str, default="runs/experiment", help="Output folder.")
        parser.add_argument(
            "--checkpoint_every", type=int, default=50, help="Steps between writes of last.ckpt."
        )
        parser.add_argument(
            "--overwrite", type=bool, default=False, help="Replace another training's checkpoints there."
        )

    def before_instantiate_classes(self) -> None:
        """Refuse an unreadable checkpoint, an output folder that cannot be used, and numbers out of range."""
        chosen = self._chosen
        with self._usage_errors():
            self._choose_checkpoint()
            if self.subcommand == "fit":
                check_training(chosen)
                if not chosen["trainer"]["fast_dev_run"]:
                    check_unused(chosen["output"], chosen["ckpt_path"], chosen["overwrite"])
            check_writable(chosen["output"])

    def instantiate_classes(self) -> None:
        """Build data, model and trainer, and refuse a checkpoint of another architecture."""
        with self._usage_errors():
            super().instantiate_classes()
            check_images(self.model.hparams, self.datamodule)
            if self._checkpoint is not None:
                path, resumed = self._chosen["ckpt_path"], self.subcommand == "fit"
                check_architecture(self.model, self._checkpoint, path)
                data = getattr(self.datamodule, "hparams", {})
                check_settings(str(self.subcommand), self.model.hparams, data, self._checkpoint, path)
                check_usable(self._checkpoint, path, resumed=resumed)
            self._checkpoint = None
            if self.subcommand == "fit":
                self._check_batches()

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Build the trainer with whole checkpoints, and loggers and callbacks on ``--output``."""
        chosen = self.config_init[str(self.subcommand)]
        output = Path(chosen["output"])
        settings = chosen["trainer"]
        settings["default_root_dir"] = str(output)
        settings["plugins"] = [*_listed(settings["plugins"]), WholeCheckpointIO()]
        shown = [] if settings["enable_progress_bar"] is False else [RichProgressBar()]
        settings["callbacks"] = [*_listed(settings["callbacks"]), *shown, *self._callbacks(output)]
        if settings["logger"] in (None, True):
            table = CSVLogger(output, name="logs")
            settings["logger"] = [table, TensorBoardLogger(output, "logs", version=table.version)]
        return super().instantiate_trainer(**kwargs)

    def _callbacks(self, output: Path) -> list[Callback]:
        folder = output / CHECKPOINTS
        every = self._chosen["checkpoint_every"]
        best = ModelCheckpoint(
            folder, "best", monitor=self.model.monitor, mode="max", enable_version_counter=False
        )
        own = [PredictionWriter(output), self._interruption, FiniteTraining(), Generators(), Throughput()]
        return [*own, best, LastCheckpoint(folder, every)]

    @property
    def _chosen(self) -> Any:
        return self.config[str(self.subcommand)]

    def after_fit(self) -> None:
        """Say what the best checkpoint scores, where it is, and the command that tests it."""
        kept: list[Any] = self.trainer.checkpoint_callbacks
        best = next(one for one in kept if one.monitor == self.model.monitor)
        if best.best_model_score is None or not self.trainer.is_global_zero:
            return
        print(f"best {best.monitor}: {float(best.best_model_score):.4g}, kept in '{best.best_model_path}'")
        print(
            f"Test it with:\n  {shlex.join([*PROGRAM.split(), 'test', *_without_resuming(self._words[1:])])}"
        )

    def _parse_ckpt_path(self) -> None:
        """Leave the configuration as it was given: a checkpoint must fit it, and never changes it."""

    def _choose_checkpoint(self) -> None:
        """Resolve ``best`` and ``last``; all but ``fit`` need a checkpoint and take ``best`` unasked."""
        chosen = self._chosen
        path = chosen["ckpt_path"] or (None if self.subcommand == "fit" else "best")
        if path in ("best", "last"):
            path = str(existing_checkpoint(chosen["output"], path))
        chosen["ckpt_path"] = path
        self._checkpoint = None if path is None else read_checkpoint(path)

    def _check_batches(self) -> None:
        """Refuse, before any work, a training set of these experiments without a whole batch."""
        if self.datamodule is not None and type(self.datamodule).__module__.startswith("experiments."):
            self.datamodule.trainer = self.trainer  # which knows the number of processes
            self.datamodule.train_dataloader()

    def _run_subcommand(self, subcommand: str) -> None:
        """Run it, alone in the folder of a training; what ends it is told in a line where a user can act."""
        chosen = self._chosen
        with ExitStack() as stack:
            if subcommand == "fit" and not chosen["trainer"]["fast_dev_run"]:
                with self._usage_errors():
                    stack.enter_context(claimed(chosen["output"], chosen["ckpt_path"], chosen["overwrite"]))
            try:
                super()._run_subcommand(subcommand)
            except Exception as error:
                self._tell(error)
                raise

    def _tell(self, error: Exception) -> None:
        """End the program with a message, if an error is a user's to mend."""
        if _is_of_restoring(error):
            path = self._chosen["ckpt_path"]
            self.parser.error(
                f"checkpoint '{path}' cannot be restored ({type(error).__name__}: {first_line(error)}); give "
                "one that was written with these --trainer options, or train again without --ckpt_path"
            )
        of_input = isinstance(error, ValueError) and not self._interruption.began
        if of_input or isinstance(error, MisconfigurationException):
            self.parser.error(str(error))
        tell(error, PROGRAM)

    def _set_seed(self) -> None:
        with self._usage_errors():
            super()._set_seed()

    @contextmanager
    def _usage_errors(self) -> Iterator[None]:
        try:
            yield
        except (ValueError, TypeError, OSError, MisconfigurationException) as error:
            self.parser.error(str(_cause(error)))

    def _farewell(self, stop: Interrupted) -> str:
        """What stopped the program, what was kept, and the command that goes on."""
        kept = self._interruption.kept
        if kept is None:
            return f"{PROGRAM}: stopped by {stop.signal.name}; no checkpoint was written"
        path = checkpoint_path(self._chosen["output"], "last")
        again = shlex.join([*PROGRAM.split(), *self._words, "--ckpt_path", "last"])
        where = f"after step {kept[1]}, in epoch {kept[0]}; all is kept in '{path}'"
        return f"{PROGRAM}: stopped by {stop.signal.name} {where}. Go on with:\n  {again}"


def _cause(error: Exception) -> BaseException:
    """What a class refused, where the parser wraps it in all the arguments of that class."""
    wrapped = str(error).startswith("Does not validate against any of the Union subtypes")
    return error.__cause__ if wrapped and error.__cause__ is not None else error


def _is_of_restoring(error: Exception) -> bool:
    """Whether an error comes from Lightning's taking over of what a checkpoint holds."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return any(
        frame.f_globals.get("__name__", "").endswith("checkpoint_connector")
        and frame.f_code.co_name.lstrip("_").startswith(("restore", "resume"))
        for frame in frames
    )


def _without_resuming(words: list[str]) -> list[str]:
    """The options of a training but for the checkpoint that it went on from: a test takes the best one."""
    kept, skipped = [], False
    for word in words:
        kept += [] if skipped or word.startswith("--ckpt_path") else [word]
        skipped = word == "--ckpt_path"
    return kept


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def main(args: ArgsType = None) -> None:
    """Run the command line; ``args`` are those of the process by default."""
    hush()
    ExperimentCLI(args)
