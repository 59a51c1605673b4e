"""Files of weights: verified by their checksums, and read without running any code from them."""

import os
import re
import zipfile
from argparse import Namespace
from pathlib import Path
from typing import IO, Any

import torch

from gsp_nonlocal.extras import naming_extra

_ZIP = b"PK\x03\x04"  # how PyTorch, too, tells its archives from files of before 2020


class UnreadableError(ValueError):
    """A file is damaged, or no plain data; the message is the cause alone."""


def read_tensors(path: str | Path, map_location: Any = "cpu", *, checked: bool = True) -> Any:
    """Return what ``torch.save`` or safetensors wrote to ``path``.

    Every record of PyTorch's archive has a CRC-32, which PyTorch itself does not look at: here all of them
    are verified, so that a flipped bit is an error and never another number. Safetensors, and PyTorch's files
    of before 2020, have no checksum; of them only the structure is checked. An archive cannot unfold to more
    than its size, and with ``weights_only=True`` no code of a file is run.

    Args:
        path: The file, not to be changed while it is read.
        map_location: Where tensors are put, of ``torch.load``.
        checked: Refuse files without checksums.

    Raises:
        UnreadableError: If the file is damaged or truncated, or holds what is no plain data.
        ImportError: If it is a file of safetensors and that is not installed.
    """
    if Path(path).suffix == ".safetensors" and not checked:
        return _safetensors(path)
    try:
        with Path(path).open("rb") as file:
            _verify(file, checked)
            with torch.serialization.safe_globals([Namespace]):  # the options of many a training's script
                return torch.load(file, map_location=map_location, weights_only=True)
    except UnreadableError:
        raise
    except Exception as error:  # of a broken file the readers raise anything
        raise UnreadableError(str(error) or type(error).__name__) from error


def _safetensors(path: str | Path) -> Any:
    with naming_extra():
        from safetensors.torch import load_file

    try:
        return load_file(path)
    except Exception as error:
        raise UnreadableError(str(error) or type(error).__name__) from error


def _verify(file: IO[bytes], checked: bool) -> None:
    """Compare every record with its checksum; the file is at its beginning afterwards."""
    is_archive = file.read(len(_ZIP)) == _ZIP
    file.seek(0)
    if is_archive:
        _verify_archive(file)
    elif checked:
        raise UnreadableError("it is no archive as torch.save writes it")
    file.seek(0)


def _verify_archive(file: IO[bytes]) -> None:
    with zipfile.ZipFile(file) as archive:
        records = archive.infolist()
        stored = all(record.compress_type == zipfile.ZIP_STORED for record in records)
        if not stored or sum(record.file_size for record in records) > os.fstat(file.fileno()).st_size:
            raise UnreadableError("its records are not stored as torch.save stores them")
        damaged = archive.testzip()
    if damaged is not None:
        raise UnreadableError(f"the checksum of its record '{damaged}' is another: the file was damaged")


def read_checkpoint(
    path: str | Path,
    map_location: Any = "cpu",
    *,
    checked: bool = True,
    absent: str = "give another",
    damaged: str = "take another",
) -> Any:
    """Return what a checkpoint holds; the one reader of checkpoints, on :func:`read_tensors`.

    Args:
        path: A regular file.
        map_location: Where tensors are put, of ``torch.load``.
        checked: Refuse files without checksums, as for what a training of one's own has written.
        absent: The remedy where there is no such file; ends the message.
        damaged: The remedy where it cannot be read.

    Raises:
        ValueError: If there is no such file, it is damaged or truncated, holds what is no plain data, or
            needs a package that is not installed. The message is one line.
    """
    if not Path(path).is_file():
        raise ValueError(f"there is no checkpoint '{path}'; {absent}")
    try:
        return read_tensors(path, map_location, checked=checked)
    except ImportError as error:
        raise ValueError(f"'{path}' cannot be read: {error}") from error
    except UnreadableError as error:
        wrong = "corrupt, truncated" if checked else "corrupt"
        raise ValueError(
            f"checkpoint '{path}' is {wrong} or not plain data ({_cause(error)}); {damaged}"
        ) from error


def _cause(error: Exception) -> str:
    """The first line, or what the unpickler refused and how to write the file without it."""
    refused = re.search(r"GLOBAL (\S+)", str(error))
    if refused:
        return f"it names {refused[1]}, which could be code; save the weights alone: model.state_dict()"
    return first_line(error)


def first_line(error: Exception) -> str:
    """Return the first line of what an error says, or its kind if it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
