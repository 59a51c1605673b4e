"""Checkpoints that are whole, hold plain data only, and fit the model they are loaded into."""

from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io import TorchCheckpointIO
from torch import nn

from experiments.files import replacing
from experiments.finite import not_finite
from gsp_nonlocal import reading, weights


class WholeCheckpointIO(TorchCheckpointIO):
    """Lightning's checkpoint files, written beside and renamed, read with ``weights_only=True``.

    Lightning's own writer goes through the system's folder for temporary files; where that is another
    file system the last step is a copy, and a killed copy leaves a truncated checkpoint.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        """Write ``checkpoint``; ``path`` is the old file or the whole new one at any time.

        Raises:
            WriteError: If it cannot be written, as on a full disk.
        """
        if storage_options is not None:
            raise TypeError("storage_options are not supported; leave them out")
        with replacing(path) as temporary, temporary.open("wb") as file:  # given a path, it hides the cause
            torch.save(checkpoint, file)

    def load_checkpoint(
        self, path: str | Path, map_location: Any = "cpu", weights_only: bool | None = True
    ) -> dict[str, Any]:
        """Read plain data; ``weights_only`` is taken as True whatever is asked for."""
        return read_checkpoint(path, map_location)


_ENTRIES = {"state_dict": dict, "epoch": int, "global_step": int, "pytorch-lightning_version": str}
_TRAINING = {"loops": dict, "callbacks": dict, "optimizer_states": list, "lr_schedulers": list}


_ABSENT = "run fit first or give another --ckpt_path"
_DAMAGED = "take another, or train again without --ckpt_path"


def read_checkpoint(path: str | Path, map_location: Any = "cpu") -> dict[str, Any]:
    """Return the content of a training checkpoint, verified, without running any code from it.

    Raises:
        ValueError: If there is no such file, it is damaged or truncated, or no training checkpoint.
    """
    checkpoint = reading.read_checkpoint(path, map_location, absent=_ABSENT, damaged=_DAMAGED)
    check_entries(checkpoint, {"state_dict": dict}, path)
    return checkpoint


def check_usable(checkpoint: dict[str, Any], path: str | Path, *, resumed: bool) -> None:
    """Refuse a checkpoint that lacks what Lightning restores, or whose numbers are not finite.

    Args:
        checkpoint: What :func:`read_checkpoint` returns.
        path: Where it is from.
        resumed: Whether a training is to go on from it.

    Raises:
        ValueError: Names what is missing, or the first tensor with NaN or infinity.
    """
    check_entries(checkpoint, _ENTRIES | (_TRAINING if resumed else {}), path)
    wrong = not_finite(checkpoint)
    if wrong is not None:
        raise ValueError(f"checkpoint '{path}' cannot be used: {wrong}; take an earlier one, or train again")


def check_entries(checkpoint: Any, kinds: dict[str, type], path: str | Path) -> None:
    """Refuse what has not all of these entries, or one of another kind.

    Raises:
        ValueError: Names the first that is wrong.
    """
    for key, kind in kinds.items():
        found = checkpoint.get(key) if isinstance(checkpoint, dict) else None
        if not isinstance(found, kind):
            what = f"it has no '{key}'" if found is None else f"its '{key}' is a {type(found).__name__}"
            raise ValueError(f"'{path}' is no training checkpoint: {what}; give a file written by fit")


_FIT = "give the --config and the --model options it was trained with, or another --ckpt_path"


def check_architecture(
    model: nn.Module, checkpoint: dict[str, Any], path: str | Path, remedy: str = _FIT
) -> None:
    """Compare keys and shapes of a checkpoint with those of ``model``; ``remedy`` ends the message.

    Raises:
        ValueError: If they differ; names missing and surplus keys and unequal shapes.
    """
    weights.check_architecture(model, checkpoint["state_dict"], path, remedy)
