"""torchvision's downloads, into a folder beside and moved: killed half-way, they leave no half data set."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory


def download(what: str, root: Path, fetch: Callable[[Path], object], remedy: str, archive: str = "") -> None:
    """Let ``fetch(folder)`` download into a folder inside ``root``, and move its files to ``root``.

    An ``archive`` that stands in ``root`` already is used in place of the network, if its sum is right.

    Raises:
        ValueError: If it fails; the message ends with ``remedy``, what to put where.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".download-", dir=root) as temporary:
            folder = Path(temporary)
            if archive and (root / archive).is_file():
                (folder / archive).symlink_to((root / archive).absolute())
            fetch(folder)
            _move(folder, root)
    except (OSError, RuntimeError) as error:
        raise ValueError(f"{what} cannot be downloaded to root='{root}' ({error}); {remedy}") from error


def _move(source: Path, target: Path) -> None:
    for path in sorted(source.rglob("*")):
        if path.is_file() and not path.is_symlink():
            place = target / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            path.replace(place)
