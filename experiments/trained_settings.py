"""A checkpoint is used with the settings that it was trained with, where others would give other numbers."""

from collections.abc import Collection, Mapping
from typing import Any

import yaml

_OF_TRAINING = {
    "stable_penalty", "pretrained", "dropout", "learning_rate", "weight_decay", "warmup", "drops",
    "min_learning_rate", "power", "warmup_epochs", "drop_epochs", "channels_last", "compile", "depth",
}  # fmt: skip
_OF_OPTIMIZER = {"learning_rate", "min_learning_rate", "power", "weight_decay"}
_OF_DATA = {
    "fit": ("val_share", "val_from_test", "seed", "split", "subset", "batch_size"),
    "validate": ("val_share", "val_from_test", "seed", "split"),
    "test": ("split",),
    "predict": ("split",),
}


def check_settings(
    command: str, task: Mapping[str, Any], data: Mapping[str, Any], checkpoint: Mapping[str, Any], path: str
) -> None:
    """Refuse settings of a command that make another network of a checkpoint's weights, or another split.

    Weights fit many networks, of another filter or normalisation say; and of another split a network has seen
    the images it is validated on. A training goes on with the rate and the decay of its checkpoint, whatever
    is asked for, and counts its place in the epoch in batches. A setting that the checkpoint does not have is
    not compared.

    Args:
        command: ``fit``, ``validate``, ``test`` or ``predict``.
        task: Settings of the task, by name.
        data: Settings of the data.
        checkpoint: With ``hyper_parameters`` and ``datamodule_hyper_parameters``, as Lightning keeps them.
        path: Where it is from.

    Raises:
        ValueError: Names the first that differs, with both values.
    """
    of_network = task.keys() - _OF_TRAINING | (_OF_OPTIMIZER if command == "fit" else set())
    _check_equal("model", task, checkpoint.get("hyper_parameters"), of_network, path)
    _check_equal("data", data, checkpoint.get("datamodule_hyper_parameters"), _OF_DATA[command], path)


def _check_equal(
    part: str, given: Mapping[str, Any], trained: Any, names: Collection[str], path: str
) -> None:
    for name in sorted(names & given.keys() & trained.keys()) if isinstance(trained, Mapping) else []:
        own, theirs = _plain(given[name]), _plain(trained[name])
        if own != theirs:
            raise ValueError(
                f"checkpoint '{path}' was trained with {part}.{name}={_word(theirs)}, not {_word(own)}; give "
                f"--{part}.{name} {_word(theirs)}, or another --ckpt_path"
            )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _word(value: Any) -> str:
    """A value as a command line has it."""
    return yaml.safe_dump(value, default_flow_style=True).removesuffix("...\n").strip()
