"""Where a data set stands under the folder that a user names, and what is missing of it."""

from collections.abc import Sequence
from pathlib import Path


def find_folder(
    what: str,
    root: Path,
    places: Sequence[str],
    files: Sequence[str],
    remedy: str,
    suffixes: Sequence[str] = ("",),
) -> Path:
    """Return the first of ``root / place`` that has all of ``files``.

    Args:
        what: Name of the data set.
        root: Folder that the user named.
        places: Folders relative to it; ``""`` is itself.
        files: Files or folders that must be there.
        remedy: What to put where; ends the message.
        suffixes: Endings, one of which a name must have on disk.

    Raises:
        ValueError: Names what was looked for, where, and what is missing.
    """
    folders = [root / place for place in places]
    missing = {
        folder: [name for name in files if not _is_there(folder, name, suffixes)] for folder in folders
    }
    best = min(folders, key=lambda folder: len(missing[folder]))
    if not missing[best]:
        return best
    if len(missing[best]) < len(files):
        raise ValueError(f"{what} in '{best}' is not whole: {', '.join(missing[best])} missing; {remedy}")
    said = "" if root.is_dir() else f", which is no folder{_nearest(root)}"
    raise ValueError(
        f"no {what} under root='{root}'{said}: looked for {', '.join(files)} in "
        f"{', '.join(repr(str(folder)) for folder in folders)}; {remedy}"
    )


def _is_there(folder: Path, name: str, suffixes: Sequence[str]) -> bool:
    return any((folder / f"{name}{suffix}").exists() for suffix in suffixes)


def _nearest(root: Path) -> str:
    """Say down to where the path exists."""
    parent = next((parent for parent in root.absolute().parents if parent.is_dir()), None)
    return "" if parent is None else f" (there is '{parent}')"
