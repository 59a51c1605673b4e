"""What was inserted where."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from filters.checks import require_module
from gsp_nonlocal.insert.attachment import CHILD, place_of
from gsp_nonlocal.insert.layouts import OutputLayout


@dataclass(frozen=True)
class InsertedBlock:
    """A block that was inserted, and where.

    Attributes:
        path: of the module that it follows.
        block: the block itself.
        channels: of its map; ``None`` if a finished module was given and nothing tells them.
        layout: of that module's output.

    Example:
        >>> from gsp_nonlocal import SNL, insert_blocks
        >>> cnn = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())
        >>> inserted_blocks(insert_blocks(cnn, {"0": SNL}))[0]
        InsertedBlock('0', SNL, channels=8, layout=ChannelsFirst())
    """

    path: str
    block: nn.Module
    channels: int | None
    layout: OutputLayout

    def __repr__(self) -> str:
        kind = type(self.block).__name__
        return f"InsertedBlock({self.path!r}, {kind}, channels={self.channels}, layout={self.layout})"


class InsertedBlocks(tuple[InsertedBlock, ...]):
    """Records in the order of the model; ``print`` shows them as a table.

    Args:
        iterable: the records; :func:`inserted_blocks` finds those of a model.

    Example:
        >>> from gsp_nonlocal import SNL, insert_blocks
        >>> cnn = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())
        >>> found = inserted_blocks(insert_blocks(cnn, {"0": SNL}))
        >>> len(found), [record.path for record in found]
        (1, ['0'])
        >>> print(found)
        path  block  channels  layout
        0     SNL    8         ChannelsFirst()
    """

    __slots__ = ()

    def __str__(self) -> str:
        rows = [("path", "block", "channels", "layout")]
        rows += [(r.path or "''", type(r.block).__name__, f"{r.channels}", f"{r.layout}") for r in self]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def inserted_blocks(model: nn.Module) -> InsertedBlocks:
    """The blocks that ``insert_blocks`` put into ``model``.

    Args:
        model: any module.

    Returns:
        A record for each block, in the order of ``model.named_modules()``; none where nothing was inserted.

    Raises:
        TypeError: if ``model`` is no module.

    Example:
        >>> from gsp_nonlocal import SNL, insert_blocks
        >>> cnn = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3))
        >>> print(inserted_blocks(insert_blocks(cnn, {"0": SNL, "2": SNL})))
        path  block  channels  layout
        0     SNL    8         ChannelsFirst()
        2     SNL    4         ChannelsFirst()
    """
    found = []
    for path, module in require_module("model", model).named_modules():
        place = place_of(module)
        if place is not None:
            found.append(InsertedBlock(path, module.get_submodule(CHILD), place.channels, place.layout))
    return InsertedBlocks(found)
