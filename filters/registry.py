"""Names for things that may be chosen in a configuration file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T", bound=Callable[..., object])


class Registry(Generic[T]):
    """A table from names to factories, one for each family of parts.

    Args:
        kind: what is registered, for messages: ``"filter"``.

    Example:
        >>> colours = Registry("colour")
        >>> _ = colours.register("red", str)
        >>> colours.get("blue")
        Traceback (most recent call last):
        ...
        ValueError: unknown colour 'blue'; choose one of: red
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}

    def register(self, name: str, factory: T) -> T:
        """Enter ``factory`` under ``name``.

        Raises:
            ValueError: if the name is taken.
        """
        if name in self._entries:
            raise ValueError(f"{self.kind} {name!r} is registered already; choose another name")
        self._entries[name] = factory
        return factory

    def get(self, name: str) -> T:
        """The factory called ``name``.

        Raises:
            ValueError: if there is none; the message lists the names.
        """
        if name not in self._entries:
            raise ValueError(f"unknown {self.kind} {name!r}; choose one of: {', '.join(self.names())}")
        return self._entries[name]

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._entries)
