"""How the nodes of a graph lie on a map."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod


@dataclass(frozen=True)
class Layout:
    """How the ``N`` nodes of a graph lie on a map: ``N = extra + channels · ∏ spatial``.

    Attributes:
        spatial: size of the map; ``(N,)`` for a sequence whose arrangement the module does not know.
        extra: nodes before the positions that are none, such as class tokens.
        channels: nodes a position; node ``c · P + p`` is channel ``c`` of position ``p`` of ``P``.

    Example:
        >>> Layout((14, 14), extra=1).positions  # 197 nodes, of which one is a class token
        196
    """

    spatial: tuple[int, ...]
    extra: int = 0
    channels: int = 1

    @property
    def positions(self) -> int:
        """``P = ∏ spatial``."""
        return prod(self.spatial)
