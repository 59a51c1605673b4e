"""An output folder that is whole or as it was: written beside its place, then renamed."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MARK = "analysis.json"
"""The file by which an older analysis is known: only such a folder is ever replaced."""

WRITTEN_BY = {"written_by": "gsp-nonlocal"}
"""How that file begins."""

ENTRIES = frozenset({MARK, "measures.csv", "eigenvalues.csv", "figures", "index.html"})
"""All that we write into a folder; one that holds anything else is never replaced."""

_BEGINNING = re.compile(rb'\s*\{\s*"written_by"\s*:\s*"gsp-nonlocal"')
_TAKEN = {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR}


def check_folder(folder: str | os.PathLike[str], overwrite: bool) -> Path:
    """The folder, links resolved, once it is sure that it may be written.

    Raises:
        FileExistsError: if something is there and ``overwrite`` is not said, or it is not an analysis alone,
            or it is or holds the working directory.
        OSError: if its parent cannot be written.
    """
    target = Path(os.path.realpath(folder))
    _check_place(target)
    _check_replaceable(target, overwrite)
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
    part = Path(tempfile.mkdtemp(".part", _hidden(target), target.parent))
    try:
        yield part
        part.chmod(0o777 & ~_umask())
        _check_replaceable(target, overwrite)
        if overwrite and _holds_something(target):
            _swap(part, target)
        else:
            _place(part, target)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _check_place(target: Path) -> None:
    """Refuse what cannot be renamed as a whole."""
    here = Path.cwd()
    if target == here or target in here.parents:
        raise FileExistsError(
            f"'{target}' is the working directory or holds it, so it cannot be replaced as a whole; give a "
            "folder of its own, such as 'analysis'"
        )
    if os.path.ismount(target):
        raise FileExistsError(
            f"'{target}' is a mount point, so it cannot be replaced as a whole; give a folder within it"
        )


def _check_replaceable(target: Path, overwrite: bool) -> None:
    """Refuse what is there, unless it is an empty folder, or an analysis and nothing else to be replaced."""
    if not _holds_something(target):
        return
    if not overwrite:
        raise _there_already(target)
    if not _is_marked(target):
        raise FileExistsError(
            f"'{target}' is no folder of an analysis (it has no {MARK} of ours), so it is not replaced; give "
            "another folder"
        )
    if foreign := _foreign(target):
        raise FileExistsError(
            f"'{target}' holds what is not of the analysis, so it is not replaced: {_some(foreign)}; move "
            "that away, or give another folder"
        )


def _holds_something(target: Path) -> bool:
    if target.is_dir():
        return any(target.iterdir())
    return target.exists() or target.is_symlink()  # a link to itself, at most


def _there_already(target: Path) -> FileExistsError:
    return FileExistsError(
        f"'{target}' is there already; nothing was changed. Give another folder, or allow it to be replaced "
        "with overwrite=True (--overwrite)"
    )


def _is_marked(target: Path) -> bool:
    """Whether we wrote its ``analysis.json``, by the first few bytes of it."""
    if not (target / MARK).is_file():
        return False
    with (target / MARK).open("rb") as file:
        return _BEGINNING.match(file.read(100)) is not None


def _foreign(target: Path) -> list[str]:
    """Entries of the folder, and of its figures, that we did not write."""
    found = [entry.name for entry in target.iterdir() if entry.name not in ENTRIES]
    if (target / "figures").is_dir():
        figures = (target / "figures").iterdir()
        found += [f"figures/{e.name}" for e in figures if e.is_dir() or e.suffix not in (".png", ".svg")]
    return sorted(found)


def _some(names: list[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(f"'{name}'" for name in names[:most]) + more


def _place(part: Path, target: Path) -> None:
    """Rename ``part`` onto ``target``, which is missing or empty.

    Raises:
        FileExistsError: if something has come to be there in the meantime.
    """
    try:
        with suppress(FileNotFoundError):
            target.rmdir()
        part.rename(target)
    except OSError as error:
        if error.errno in _TAKEN:
            raise _there_already(target) from error
        raise


def _swap(part: Path, target: Path) -> None:
    """Put ``part`` in the place of ``target``; the old one goes once the new one stands."""
    old = target.with_name(f"{_hidden(target)}{secrets.token_hex(4)}.old")
    target.rename(old)
    try:
        _place(part, target)
    except BaseException:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _hidden(target: Path) -> str:
    """How the names of folders beside it begin; a name may be too long to be part of another."""
    return f".{target.name[:50]}-"


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
