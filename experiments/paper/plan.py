"""What the grid trains, from its options: the command line of each cell, checked before any work."""

import contextlib
import hashlib
import io
import re
import shlex
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import torch
import yaml

from experiments import cli
from experiments.paper.cells import PaperKey
from experiments.paper.networks import Network
from experiments.paper.training import Job
from experiments.tasks import Classification

CONFIGS = Path(__file__).parents[1] / "configs" / "paper"
_OWN = (
    "--config", "--output", "--ckpt_path", "--seed_everything", "--model.block", "--model.backbone",
    "--data.root", "--data.seed", "--data.subset", "--trainer.max_epochs", "--trainer.fast_dev_run",
    "--model", "--data",
)  # fmt: skip
_TASK = f"class_path: {Classification.__module__.rpartition('.')[0]}.{Classification.__name__}\n"
_NEUTRAL = (
    "--data.num_workers", "--data.download", "--checkpoint_every", "--overwrite",
    "--trainer.enable_progress_bar", "--trainer.enable_model_summary", "--trainer.log_every_n_steps",
)  # fmt: skip


def datasets(configs: Path = CONFIGS) -> list[str]:
    """Names of the data sets that have a config of a classification."""
    return sorted(path.stem for path in configs.glob("*.yaml") if _TASK in path.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Plan:
    """A data set, a backbone, and networks by seeds, of one budget.

    Attributes:
        dataset: Name of a config.
        root: Folder of the data.
        backbone: Of all networks.
        networks: What is in it.
        seeds: Of weights, and of the order, the split and the augmentation of the data.
        output: Folder of the results.
        epochs: Of a training; those of the config by default. Warm-up, drops and the epochs between
            validations shrink with them.
        subset: Number of training images; all by default.
        extra: Further options of ``python -m experiments``.
        configs: Folder of the configs.
    """

    dataset: str
    root: str
    backbone: str
    networks: Sequence[Network]
    seeds: Sequence[int]
    output: Path
    epochs: int | None = None
    subset: int | None = None
    extra: tuple[str, ...] = ()
    configs: Path = CONFIGS

    @property
    def table(self) -> Path:
        """The CSV file."""
        return self.output / f"{self.dataset}.csv"

    @property
    def task(self) -> str:
        """Data set and backbone."""
        return f"{self.dataset} {self.backbone}"

    @cached_property
    def config(self) -> dict[str, Any]:
        """The config as it is written."""
        content: dict[str, Any] = yaml.safe_load(self._config_file.read_text(encoding="utf-8"))
        return content

    @cached_property
    def resolved(self) -> dict[str, Any]:
        """What the command line makes of the options but for the networks', defaults included."""
        return resolve(self.arguments(Network("none", "none", ()), self.seeds[0]))

    @property
    def all_epochs(self) -> int:
        """Epochs of a training."""
        return int(self.config["trainer"]["max_epochs"] if self.epochs is None else self.epochs)

    def key(self, network: Network, seed: int) -> PaperKey:
        """Return which cell it is."""
        options = shlex.join(telling(self.extra))
        return PaperKey(self.task, network.label, seed, self.all_epochs, self.subset or 0, options)

    def jobs(self) -> list[Job]:
        """Return all cells, seed by seed."""
        from_test = bool(self.resolved["data"]["init_args"].get("val_from_test", False))
        return [
            Job(
                self.key(network, seed),
                (*self.arguments(network, seed), f"--output={self._folder(self.key(network, seed))}"),
                self._folder(self.key(network, seed)),
                self.table,
                from_test,
            )
            for seed, network in product(self.seeds, self.networks)
        ]

    def arguments(self, network: Network, seed: int) -> tuple[str, ...]:
        """Return the options of a training, without its folder."""
        subset = [] if self.subset is None else [f"--data.subset={self.subset}"]
        return (
            f"--config={self._config_file}",
            f"--data.root={self.root}",
            f"--data.seed={seed}",
            f"--seed_everything={seed}",
            f"--model.backbone={self.backbone}",
            *self._budget(),
            *subset,
            *self.extra,
            *network.options,  # last: what a word says is what is trained under it
        )

    def settings(self, network: Network) -> dict[str, Any]:
        """Return the arguments of ``Classification`` for a network."""
        return {**self.resolved["model"]["init_args"], **network.settings}

    def check(self) -> None:
        """Run every network once without its weights, and refuse options that the grid gives itself.

        Raises:
            ValueError: Names the network and what is wrong.
        """
        for word in self.extra:
            if word.partition("=")[0].replace(".init_args.", ".") in _OWN:
                raise ValueError(f"{word} is what the grid gives each cell; leave it out after --")
        shape = (2, *batch_shape(self.resolved)[1:])
        for network in self.networks:
            settings = self.settings(network)
            try:
                with torch.device("meta"), torch.no_grad():
                    Classification(**settings)(torch.empty(shape))
            except (ValueError, TypeError) as error:
                raise ValueError(f"--blocks {network.label} in {self.backbone}: {error}") from error

    @property
    def _config_file(self) -> Path:
        return self.configs / f"{self.dataset}.yaml"

    def _budget(self) -> list[str]:
        """Epochs, and what of the config is counted in epochs, in the same proportion."""
        if self.epochs is None:
            return []
        model, trainer = self.config["model"]["init_args"], self.config["trainer"]
        share = self.epochs / trainer["max_epochs"]
        often = max(1, round(share * trainer.get("check_val_every_n_epoch", 1)))
        given = [f"--trainer.max_epochs={self.epochs}", f"--trainer.check_val_every_n_epoch={often}"]
        if "warmup_epochs" in model:
            given.append(f"--model.warmup_epochs={round(share * model['warmup_epochs'])}")
        if "drop_epochs" in model:
            drops = [max(1, round(share * epoch)) for epoch in model["drop_epochs"]]
            given.append(f"--model.drop_epochs={drops}")
        return given

    def _folder(self, key: PaperKey) -> Path:
        """A folder that no other cell has."""
        readable = re.sub(r"[^\w.=-]+", "_", f"{key.task}-{key.network}-seed{key.seed}-{key.epochs}")[:80]
        return (
            self.output / "cells" / f"{readable}-{hashlib.sha256(repr(tuple(key)).encode()).hexdigest()[:8]}"
        )


def batch_shape(resolved: dict[str, Any]) -> tuple[int, ...]:
    """Return the shape of a training batch, ``(B, C, H, W)``, or ``(B, C, T, H, W)`` of clips."""
    model, data = resolved["model"]["init_args"], resolved["data"]["init_args"]
    frames = [data["frames"]] if "frames" in data else []
    size = model["image_size"]
    return (data["batch_size"], model["in_channels"], *frames, size, size)


def telling(extra: Sequence[str]) -> list[str]:
    """Return the options that tell cells apart: those that change no number are left out.

    >>> telling(["--data.num_workers", "4", "--model.dropout", "0.2", "--checkpoint_every=5"])
    ['--model.dropout', '0.2']
    """
    kept: list[str] = []
    neutral = False
    for word in extra:
        neutral = word.partition("=")[0] in _NEUTRAL if word.startswith("--") else neutral
        kept += [] if neutral else [word]
    return kept


def resolve(arguments: Sequence[str]) -> dict[str, Any]:
    """Return the configuration that ``python -m experiments fit`` makes of options; nothing is trained.

    Raises:
        SystemExit: With code 2, and a message, if an option is wrong.
    """
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Lightning's: this process has arguments of its own
            cli.main(["fit", *arguments, "--print_config"])
    except SystemExit as end:
        if end.code:
            raise
    configuration: dict[str, Any] = yaml.safe_load(printed.getvalue())
    return configuration
