"""Files that are whole or absent: written beside their place, then renamed."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # a system without locks of files
    fcntl = None  # type: ignore[assignment]

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_OF_THE_DISK = _FULL | {errno.EIO, errno.EROFS}


class WriteError(OSError):
    """A file could not be written: the message names it and the cause, and on a full disk the free space.

    Attributes:
        cause: What the system said.
    """

    def __init__(self, path: str | Path, cause: OSError) -> None:
        said = f"cannot write '{path}': {cause.strerror or cause}"
        super().__init__(said + (f" ({_free(Path(path))}); make room there" if cause.errno in _FULL else ""))
        self.cause = cause


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; rename it to ``path`` once the block ends without an error.

    A reader sees the old file or the new one, never a part. A killed writer leaves a hidden ``.….tmp`` file
    that nothing reads and :func:`remove_leftovers` removes: it is locked while its writer lives.

    Raises:
        WriteError: If the folder cannot be written, or the disk is full.
    """
    target = Path(path)
    with _naming(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(".tmp", f".{target.stem[:100]}-", target.parent)
        temporary = Path(name)
        try:
            try_lock(handle)
            yield temporary
            _synchronise(temporary)
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(target)
        finally:
            os.close(handle)
            temporary.unlink(missing_ok=True)


def remove_leftovers(folder: str | Path) -> None:
    """Remove the temporary files of writers that were killed; those of living writers stay."""
    for path in Path(folder).glob(".*-*.tmp"):
        with suppress(OSError), path.open("rb+") as file:
            if try_lock(file.fileno()):
                path.unlink()


def try_lock(handle: int) -> bool:
    """Lock an open file until it is closed; False if another process, or another opening, holds it.

    A lock ends with its process, however that ends. Where the file system has none, nobody is kept out.
    """
    if fcntl is None:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EWOULDBLOCK, errno.EACCES)
    return True


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait until no other process is in the block with this ``path``, a file that is made and stays."""
    with path.open("a") as file:
        if fcntl is not None:
            with suppress(OSError):  # a file system without locks: nobody is kept out
                fcntl.flock(file.fileno(), fcntl.LOCK_EX)
        yield


def check_writable(folder: str | Path) -> None:
    """Make ``folder`` and write a file there, before any work is spent on what could not be kept.

    What killed writers left there is removed.

    Raises:
        ValueError: If that fails; names the folder, the cause and the remedy.
    """
    try:
        with replacing(Path(folder) / "writable") as temporary:
            temporary.write_bytes(b"writable")
        (Path(folder) / "writable").unlink()
    except OSError as error:
        raise ValueError(
            f"cannot write to the output folder '{folder}': {_reason(error)}; choose another with --output"
        ) from error
    remove_leftovers(folder)


def system_error(error: BaseException | None) -> OSError | None:
    """The system's own error, if that is what an error comes from.

    Writers of other packages hide a full disk behind an error of theirs (PyTorch's ``unexpected pos``), so
    the causes are looked through as well.
    """
    if isinstance(error, OSError):
        return error.cause if isinstance(error, WriteError) else error
    while error is not None:
        if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
            return error
        error = error.__cause__ or error.__context__
    return None


@contextmanager
def _naming(target: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        cause = system_error(error)
        if cause is None:
            raise
        raise WriteError(target, cause) from error


def _free(target: Path) -> str:
    folder = next(parent for parent in target.absolute().parents if parent.is_dir())
    return f"{shutil.disk_usage(folder).free / 2**20:.1f} MiB free"


def _reason(error: OSError) -> str:
    cause = system_error(error) or error
    return cause.strerror or str(cause)


def _synchronise(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
