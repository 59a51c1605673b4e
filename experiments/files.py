"""Files that are whole or absent: written beside their place, then renamed."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; rename it to ``path`` once the block ends without an error.

    A reader sees the old file or the new one, never a part, and a killed writer leaves a hidden
    ``.….tmp`` file that nothing reads.

    Raises:
        OSError: If the folder cannot be written.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(".tmp", f".{target.stem}-", target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        _synchronise(temporary)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(folder: str | Path) -> None:
    """Make ``folder`` and write a file there, before any work is spent on what could not be kept.

    Raises:
        ValueError: If that fails; names the folder, the cause and the remedy.
    """
    try:
        with replacing(Path(folder) / "writable"):
            pass
        (Path(folder) / "writable").unlink()
    except OSError as error:
        raise ValueError(
            f"cannot write to the output folder '{folder}': {error.strerror or error}; "
            "choose another with --output"
        ) from error


def _synchronise(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
