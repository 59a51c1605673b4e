"""Texts from a file, one a line."""

from itertools import islice
from pathlib import Path


def read_texts(path: str | Path, most: int) -> list[str]:
    """Return the first ``most`` lines that are not empty.

    Raises:
        ValueError: If the path is no regular file, is not in UTF-8, or has no such line.
    """
    if not Path(path).is_file():
        raise ValueError(f"there is no file '{path}'; give --text a file with one text a line")
    try:
        with Path(path).open(encoding="utf-8-sig") as file:
            found = list(islice(filter(None, map(str.strip, file)), most))
    except UnicodeDecodeError as error:
        raise ValueError(f"'{path}' is no text in UTF-8 ({error.reason}); save it as UTF-8") from error
    if not found:
        raise ValueError(f"'{path}' has no text in it; write one a line")
    return found
