"""Numbers of a configuration: each is checked, by name, before any work."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from experiments.backbones.networks import VIDEO

MOST_SEED = 2**32 - 1


def check_whole(name: str, value: Any, least: int, most: int | None = None) -> None:
    """Refuse what is no whole number from ``least`` to ``most``.

    Raises:
        ValueError: Names argument, value and range.
    """
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or value < least or (most is not None and value > most):
        wanted = f"at least {least}" if most is None else f"from {least} to {most}"
        raise ValueError(f"{name}={value!r} is out of range; choose a whole number {wanted}")


def check_real(name: str, value: Any, least: float, most: float = math.inf, *, open_: bool = False) -> None:
    """Refuse what is no finite number from ``least`` (above it, if ``open_``) to ``most``.

    Raises:
        ValueError: Names argument, value and range.
    """
    real = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not real or not least <= value <= most or (open_ and value == least):
        wanted = f"{'above' if open_ else 'from'} {least:g}" + ("" if math.isinf(most) else f" to {most:g}")
        raise ValueError(f"{name}={value!r} is out of range; choose a finite number {wanted}")


def check_budget(seeds: Sequence[int], steps: int | None) -> None:
    """Refuse seeds, and a number of steps, that no training can have.

    Raises:
        ValueError: Names the first that is out of range, and the range.
    """
    if steps is not None and steps < 1:
        raise ValueError(f"--steps {steps} trains nothing; choose at least 1")
    for seed in seeds:
        if not 0 <= seed <= MOST_SEED:
            raise ValueError(f"--seeds {seed} is out of range; choose from 0 to 2^32 - 1")


def check_images(task: Mapping[str, Any], data: Any) -> None:
    """Refuse a task for other images or classes than the data have, or for clips where they are images.

    Args:
        task: Settings of the task, by name.
        data: Data that may say its ``num_classes``, ``in_channels`` and ``image_size``, and of clips
            ``frames``.

    Raises:
        ValueError: Names the first that differs, with both values.
    """
    for name in ("num_classes", "in_channels", "image_size"):
        own, theirs = task.get(name), getattr(data, name, None)
        if None not in (own, theirs) and own != theirs:
            raise ValueError(
                f"model.{name}={own} does not fit the data, which have {theirs}; give --model.{name} {theirs}"
            )
    backbone = task.get("backbone")
    of_clips, clips = str(backbone).rpartition(".")[2] in VIDEO, hasattr(data, "frames")
    if backbone is not None and of_clips != clips:
        wanted = ", ".join(VIDEO) if clips else "one for images"
        raise ValueError(
            f"model.backbone={backbone} does not fit the data, which are {'clips' if clips else 'images'}; "
            f"choose {wanted}"
        )


def check_training(chosen: Mapping[str, Any]) -> None:
    """Refuse numbers with which ``fit`` would train nothing, or keep nothing.

    Args:
        chosen: The configuration of ``fit``, with ``checkpoint_every`` and ``trainer``.

    Raises:
        ValueError: Names the first that is out of range, and the range.
    """
    trainer = chosen["trainer"]
    check_whole("checkpoint_every", chosen["checkpoint_every"], 1)
    for name in ("max_epochs", "max_steps"):
        if trainer[name] not in (None, -1):
            check_whole(f"trainer.{name}", trainer[name], 1)
    least = {"accumulate_grad_batches": 1, "check_val_every_n_epoch": 1, "log_every_n_steps": 0}
    for name in least:
        if trainer[name] is not None:
            check_whole(f"trainer.{name}", trainer[name], least[name])
    for name in ("limit_train_batches", "val_check_interval"):
        _check_share(f"trainer.{name}", trainer[name])
    _check_validated(trainer)
    if trainer["overfit_batches"]:
        raise ValueError(
            f"trainer.overfit_batches={trainer['overfit_batches']} needs a loader without an order of its "
            "own; leave it out, and give --data.subset or other small data"
        )
    if trainer["gradient_clip_val"] is not None:
        check_real("trainer.gradient_clip_val", trainer["gradient_clip_val"], 0)


def _check_validated(trainer: Mapping[str, Any]) -> None:
    """Refuse a training that ends before its first validation."""
    epochs, every = trainer["max_epochs"], trainer["check_val_every_n_epoch"]
    if None not in (epochs, every) and 0 < epochs < every and not trainer["fast_dev_run"]:
        raise ValueError(
            f"trainer.check_val_every_n_epoch={every} is not reached in trainer.max_epochs={epochs}, so no "
            f"best checkpoint would be kept; give --trainer.check_val_every_n_epoch {epochs} or less"
        )


def _check_share(name: str, value: Any) -> None:
    """Refuse a number, or a share, of batches that is none."""
    if isinstance(value, float):
        check_real(name, value, 0, 1, open_=True)
    elif isinstance(value, int):
        check_whole(name, value, 1)
