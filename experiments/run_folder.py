"""The folder of a training: one training at a time, and no checkpoint replaced unasked."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightning.pytorch.utilities.rank_zero import rank_zero_only

from experiments.files import remove_leftovers, try_lock

CHECKPOINTS = "checkpoints"


def checkpoint_path(output: str | Path, name: str) -> Path:
    """Return where a training into ``output`` keeps ``"best"`` or ``"last"``."""
    return Path(output) / CHECKPOINTS / f"{name}.ckpt"


def existing_checkpoint(output: str | Path, name: str) -> Path:
    """Return where ``"best"`` or ``"last"`` is.

    Raises:
        ValueError: If there is none; says what to do.
    """
    path = checkpoint_path(output, name)
    if path.exists():
        return path
    last = checkpoint_path(output, "last")
    remedy = "no validation has ended there: give --ckpt_path last" if last.exists() else "run fit first"
    raise ValueError(f"there is no checkpoint '{path}'; {remedy} or give another --ckpt_path")


def check_unused(output: str | Path, resumed: str | None, overwrite: bool) -> None:
    """Refuse a folder with checkpoints of a training that is neither gone on with nor to be replaced.

    Args:
        output: The folder of the training.
        resumed: The checkpoint that is gone on with, if one is; one of this folder makes it
            the same training.
        overwrite: Whether older checkpoints may be replaced.

    Raises:
        ValueError: Names the folder and what to pass.
    """
    if _older(output) and not overwrite and not _is_within(resumed, output):
        raise ValueError(
            f"'{Path(output) / CHECKPOINTS}' holds the checkpoints of another training, which this one would "
            "replace; go on with that one (--ckpt_path last), choose another --output, or allow it "
            "(--overwrite=true)"
        )


@contextmanager
def claimed(output: str | Path, resumed: str | None, overwrite: bool) -> Iterator[None]:
    """Keep other trainings out of ``output`` within the block; older checkpoints and leftovers go.

    Raises:
        ValueError: If a training runs there, or as :func:`check_unused` does.
    """
    if getattr(rank_zero_only, "rank", 0):  # the first process of a training claims for all
        yield
        return
    handle = os.open(output, os.O_RDONLY)
    _HELD.add(handle)
    try:
        if not try_lock(handle):
            raise ValueError(
                f"a training is running in '{output}'; wait for its end, or choose another --output"
            )
        check_unused(output, resumed, overwrite)
        remove_leftovers(Path(output) / CHECKPOINTS)
        for path in [] if _is_within(resumed, output) else _older(output):
            path.unlink()
        yield
    finally:
        _HELD.discard(handle)
        os.close(handle)


_HELD = set[int]()


def _let_go_in_child() -> None:
    """Close what a loader's process would keep locked: it outlives a killed training by seconds."""
    for handle in _HELD:
        os.close(handle)
    _HELD.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go_in_child)


def _older(output: str | Path) -> list[Path]:
    return sorted((Path(output) / CHECKPOINTS).glob("*.ckpt"))


def _is_within(path: str | None, output: str | Path) -> bool:
    return path is not None and Path(path).resolve().parent == (Path(output) / CHECKPOINTS).resolve()
