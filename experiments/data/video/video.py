"""What the readers of both formats hand on: videos, their labels, and a way to their frames."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Protocol

from torch import Tensor

from experiments.data.video.clips import Choice


class Footage(Protocol):
    """Where the frames of a video are, and how they are read."""

    @property
    def path(self) -> Path:
        """The file, or the folder of frames."""
        ...

    def read(self, choose: Choice) -> tuple[Tensor, Tensor]:
        """Return the frames that ``choose`` wants, each once, and the place of each in them.

        Returns:
            ``frames (F, 3, H, W)`` uint8, and ``places`` of the shape of what ``choose`` returned:
            ``frames[places]`` are the clips.

        Raises:
            UnreadableImageError: If the video cannot be read; the message is the cause alone.
        """
        ...


@dataclass(frozen=True)
class Video:
    """A video of a data set: its name, the index of its class, its frames."""

    name: str
    label: int
    footage: Footage


@dataclass(frozen=True)
class Listing:
    """The classes, in the order of their index, and the videos of a division into two."""

    classes: Sequence[str]
    train: Sequence[Video]
    test: Sequence[Video]


def class_index(label: str, classes: Mapping[str, int], named: str, where: str) -> int:
    """Return the index of a class.

    Raises:
        ValueError: If there is none of that name; says which video ``named`` it, and the near matches.
    """
    if label in classes:
        return classes[label]
    near = ", ".join(get_close_matches(str(label), classes, n=3)) or "none"
    raise ValueError(
        f"{named} has the label {label!r}, which is none of the {len(classes)} labels of {where} "
        f"(near matches: {near}); correct the label there"
    )


def check_present(absent: Sequence[Path], total: int, kind: str, remedy: str) -> None:
    """Refuse a data set of which a part is not there.

    Raises:
        ValueError: Counts what is absent and names the first.
    """
    if absent:
        raise ValueError(
            f"{len(absent)} of {total} {kind} are not there, the first is '{absent[0]}'; {remedy}"
        )
