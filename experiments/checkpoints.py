"""Checkpoints that are whole, hold plain data only, and fit the model they are loaded into."""

import pickle
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io import TorchCheckpointIO
from torch import nn

from experiments.files import replacing


class WholeCheckpointIO(TorchCheckpointIO):
    """Lightning's checkpoint files, written beside and renamed, read with ``weights_only=True``.

    Lightning's own writer goes through the system's folder for temporary files; where that is another
    file system the last step is a copy, and a killed copy leaves a truncated checkpoint.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        """Write ``checkpoint``; ``path`` is the old file or the whole new one at any time."""
        if storage_options is not None:
            raise TypeError("storage_options are not supported; leave them out")
        with replacing(path) as temporary:
            torch.save(checkpoint, temporary)

    def load_checkpoint(
        self, path: str | Path, map_location: Any = "cpu", weights_only: bool | None = True
    ) -> dict[str, Any]:
        """Read plain data; ``weights_only`` is taken as True whatever is asked for."""
        return read_checkpoint(path, map_location)


def read_checkpoint(path: str | Path, map_location: Any = "cpu") -> dict[str, Any]:
    """Return the content of a training checkpoint without running any code from it.

    Raises:
        ValueError: If there is no such file, it is corrupt or truncated, or no training checkpoint.
    """
    if not Path(path).is_file():
        raise ValueError(f"there is no checkpoint '{path}'; run fit first or give another --ckpt_path")
    try:
        checkpoint = torch.load(path, map_location=map_location, weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, OSError, ValueError) as error:
        cause = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"checkpoint '{path}' is corrupt, truncated or not plain data ({cause}); "
            "take another, or train again without --ckpt_path"
        ) from error
    if not isinstance(checkpoint, dict) or "state_dict" not in checkpoint:
        raise ValueError(
            f"'{path}' is no training checkpoint: it has no 'state_dict'; give a file written by fit"
        )
    return checkpoint


_FIT = "give the --config and the --model options it was trained with, or another --ckpt_path"


def check_architecture(
    model: nn.Module, checkpoint: dict[str, Any], path: str | Path, remedy: str = _FIT
) -> None:
    """Compare keys and shapes of a checkpoint with those of ``model``; ``remedy`` ends the message.

    Raises:
        ValueError: If they differ; names missing and surplus keys and unequal shapes.
    """
    expected, found = model.state_dict(), checkpoint["state_dict"]
    shared = expected.keys() & found.keys()
    unequal = [key for key in shared if expected[key].shape != found[key].shape]
    shapes = [f"{key} {tuple(found[key].shape)} for {tuple(expected[key].shape)}" for key in unequal]
    differences = {
        "missing": sorted(expected.keys() - found.keys()),
        "surplus": sorted(found.keys() - expected.keys()),
        "of another shape": sorted(shapes),
    }
    if not any(differences.values()):
        return
    listed = "; ".join(f"{kind}: {_few(keys)}" for kind, keys in differences.items() if keys)
    raise ValueError(f"checkpoint '{path}' is of another architecture ({listed}); {remedy}")


def _few(keys: list[str], most: int = 4) -> str:
    more = f", … ({len(keys)} in all)" if len(keys) > most else ""
    return ", ".join(keys[:most]) + more
