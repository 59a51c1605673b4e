"""An output folder that is whole or as it was: written beside its place, then renamed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MARK = "analysis.json"
"""The file by which an older analysis is known: only such a folder is ever replaced."""


def check_folder(folder: str | os.PathLike[str], overwrite: bool) -> Path:
    """The folder as a path, once it is sure that it may be written.

    Raises:
        FileExistsError: if something is there and ``overwrite`` is not said, or it is no analysis.
        OSError: if its parent cannot be written.
    """
    target = Path(folder)
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        if not overwrite:
            raise FileExistsError(
                f"'{target}' is there already; nothing was changed. Give another folder, or allow it to be "
                "replaced with overwrite=True (--overwrite)"
            )
        if not (target / MARK).is_file():
            raise FileExistsError(
                f"'{target}' is no folder of an analysis (it has no {MARK}), so it is not replaced; "
                "give another folder"
            )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryDirectory(dir=target.parent).cleanup()
    except OSError as error:
        raise OSError(
            f"cannot write to '{target.parent}': {error.strerror or error}; choose a folder that you may "
            "write to"
        ) from error
    return target


@contextmanager
def replacing_folder(folder: str | os.PathLike[str], overwrite: bool) -> Iterator[Path]:
    """A new folder beside ``folder`` to write to; it takes its place once the block ends without an error."""
    target = check_folder(folder, overwrite)
    part = Path(tempfile.mkdtemp(".part", f".{target.name}-", target.parent))
    try:
        yield part
        part.chmod(0o777 & ~_umask())
        _swap(part, target)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _swap(part: Path, target: Path) -> None:
    """Put ``part`` in the place of ``target``; the old one goes once the new one stands."""
    if not target.exists():
        part.rename(target)
        return
    old = Path(tempfile.mkdtemp(".old", f".{target.name}-", target.parent))
    target.rename(old / "kept")
    try:
        part.rename(target)
    except OSError:
        (old / "kept").rename(target)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
