"""Names for things that may be chosen in a configuration file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

T = TypeVar("T", bound=Callable[..., object])


class Registry(Generic[T]):
    """A table from names to factories, one for each family of parts.

    Args:
        kind: what is registered, for messages: ``"filter"``.
        entry_points: group in which installed packages offer more of it; each is imported when its name
            is asked for, not before. Own names come first.

    Raises:
        ValueError: by :meth:`get` for an unknown name, by :meth:`register` for one that is taken.

    Example:
        >>> colours = Registry("colour")
        >>> _ = colours.register("red", str)
        >>> colours.get("blue")
        Traceback (most recent call last):
        ...
        ValueError: unknown colour 'blue'; choose one of: red
    """

    def __init__(self, kind: str, entry_points: str | None = None) -> None:
        self.kind = kind
        self.group = entry_points
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
        if name in self._entries:
            return self._entries[name]
        offered = self._offered()
        if name not in offered:
            raise ValueError(f"unknown {self.kind} {name!r}; choose one of: {', '.join(self.names())}")
        return self.register(name, offered[name].load())

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self)

    def __iter__(self) -> Iterator[str]:
        """All names: own ones as they were registered, then what installed packages offer."""
        return iter(dict.fromkeys([*self._entries, *sorted(self._offered())]))

    def _offered(self) -> dict[str, EntryPoint]:
        """What installed packages offer."""
        found = entry_points(group=self.group) if self.group else ()
        return {point.name: point for point in found}
