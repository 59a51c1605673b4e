"""The command line ``python -m experiments fit|validate|test|predict``, on ``LightningCLI``."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning import Trainer
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, RichProgressBar
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from experiments.checkpoints import WholeCheckpointIO, check_architecture, read_checkpoint
from experiments.files import check_writable
from experiments.messages import hush
from experiments.predictions import PredictionWriter

CHECKPOINTS = "checkpoints"


class ExperimentCLI(LightningCLI):
    """Training from YAML: model, data and trainer by class path, everything else by flags.

    ``--output`` takes checkpoints (``checkpoints/best.ckpt`` by the model's ``monitor``, ``last.ckpt``
    every ``--checkpoint_every`` steps), logs (CSV and TensorBoard) and predictions. ``--ckpt_path``
    takes a file, ``best`` or ``last``. Whatever is wrong with the configuration, the checkpoint or the
    output folder ends the program with one message and exit code 2 before any work is done.
    """

    _checkpoint: dict[str, Any] | None = None

    def __init__(self, args: ArgsType = None) -> None:
        super().__init__(
            args=args,
            seed_everything_default=0,
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
            parser_kwargs={"prog": "python -m experiments"},
        )

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Trainer methods and the arguments that are not flags; reading is always ``weights_only``."""
        return {name: skip | {"weights_only"} for name, skip in LightningCLI.subcommands().items()}

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add ``--output`` and ``--checkpoint_every``."""
        parser.add_argument("--output", type=str, default="runs/experiment", help="Output folder.")
        parser.add_argument(
            "--checkpoint_every", type=int, default=50, help="Steps between writes of last.ckpt."
        )

    def before_instantiate_classes(self) -> None:
        """Refuse an unreadable checkpoint and an output folder that cannot be written."""
        with self._usage_errors():
            self._choose_checkpoint()
            check_writable(self._chosen["output"])

    def instantiate_classes(self) -> None:
        """Build data, model and trainer, and refuse a checkpoint of another architecture."""
        with self._usage_errors():
            super().instantiate_classes()
            if self._checkpoint is not None:
                check_architecture(self.model, self._checkpoint, self._chosen["ckpt_path"])
            self._checkpoint = None

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
        last = ModelCheckpoint(folder, "last", every_n_train_steps=every, enable_version_counter=False)
        return [PredictionWriter(output), last, best]

    @property
    def _chosen(self) -> Any:
        return self.config[str(self.subcommand)]

    def _parse_ckpt_path(self) -> None:
        """Leave the configuration as it was given: a checkpoint must fit it, and never changes it."""

    def _choose_checkpoint(self) -> None:
        """Resolve ``best`` and ``last``; all but ``fit`` need a checkpoint and take ``best`` unasked."""
        chosen = self._chosen
        path = chosen["ckpt_path"] or (None if self.subcommand == "fit" else "best")
        if path in ("best", "last"):
            path = str(Path(chosen["output"]) / CHECKPOINTS / f"{path}.ckpt")
        chosen["ckpt_path"] = path
        self._checkpoint = None if path is None else read_checkpoint(path)

    @contextmanager
    def _usage_errors(self) -> Iterator[None]:
        try:
            yield
        except (ValueError, TypeError, OSError, MisconfigurationException) as error:
            self.parser.error(str(error))


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def main(args: ArgsType = None) -> None:
    """Run the command line; ``args`` are those of the process by default."""
    hush()
    ExperimentCLI(args)
