"""Loaders of images: a broken image is passed over in training, and ends a validation."""

import logging
from collections.abc import Iterator
from typing import Any, NamedTuple

from torch import Tensor
from torch.utils.data import DataLoader

from experiments.data.resumable import ResumableLoader

_LOG = logging.getLogger(__name__)
_NAMED = 20


class Broken(NamedTuple):
    """A file that is no image, and why."""

    path: str
    cause: str


class Fetched(NamedTuple):
    """A batch as a data set gives it: ``images (B, C, H, W)``, ``labels (B,)``, the broken among them."""

    images: Tensor
    labels: Tensor
    broken: list[Broken]


class BrokenImageError(OSError):
    """An image of a validation, or too many of a training, cannot be read."""


class TrainingLoader(ResumableLoader):
    """Batches ``(images, labels)``; broken images are named and counted, up to ``allowed`` files.

    Raises:
        BrokenImageError: If there are more.
    """

    allowed = 0
    kind = "image"

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """Yield the batches of the epoch that are left."""
        for fetched in super().__iter__():
            for path, cause in fetched.broken:
                self._note(path, cause)
            yield fetched.images, fetched.labels

    @property
    def broken(self) -> dict[str, str]:
        """The broken files found so far, and why each cannot be read."""
        return self.__dict__.setdefault("_broken", {})

    def _note(self, path: str, cause: str) -> None:
        if path in self.broken:
            return
        self.broken[path] = cause
        found, total = len(self.broken), len(self.sampler)
        if found > self.allowed:
            raise BrokenImageError(
                f"{found} of {total} training {self.kind}s cannot be read, the last one '{path}' ({cause}), "
                f"and {self.allowed} are let pass; mend or remove them, or raise --data.broken_share"
            )
        if found <= _NAMED:
            last = "; further ones are counted, not named" if found == _NAMED else ""
            _LOG.warning(
                "training %s '%s' cannot be read (%s), another takes its place: %d of %d let pass%s",
                *(self.kind, path, cause, found, self.allowed, last),
            )


class EvaluationLoader(DataLoader[Any]):
    """Batches ``(images, labels)`` in the order of the data set.

    Raises:
        BrokenImageError: At the first broken image.
    """

    kind = "image"

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """Yield the batches."""
        for fetched in super().__iter__():
            for path, cause in fetched.broken:
                raise BrokenImageError(
                    f"{self.kind} '{path}' cannot be read ({cause}), and without it a figure would be of "
                    "other data; mend the file, or take it out of the data set"
                )
            yield fetched.images, fetched.labels


def as_fetched(fetched: Any) -> Any:
    """Collate nothing: the data set makes the batch."""
    return fetched
