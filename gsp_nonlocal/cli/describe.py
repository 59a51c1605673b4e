"""``gsp-nonlocal describe``: the unified table of the named blocks, each as a graph filter.

``describe`` prints every block, ``describe snl --channels 64`` one, as text, Markdown or JSON.
"""

import json
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

from gsp_nonlocal.blocks import NonlocalBlock, describe_all, registry
from gsp_nonlocal.cli.parser import Parser


def main(args: Sequence[str]) -> int:
    """Print the table from the command line."""
    options = Parser("gsp-nonlocal describe", __doc__)
    options.add_argument("block", nargs="?", help=f"One of {', '.join(registry.names())}; by default all.")
    options.add_argument("--channels", type=int, default=64, help="Channels of the feature map.")
    options.add_argument("--inner_channels", type=int, help="Width inside; by default the block's own.")
    options.add_argument("--format", choices=FORMATS, default="text")
    chosen = options.parse_args(args)
    with options.refusing():
        table = FORMATS[chosen.format](_blocks(chosen))
    print(table)
    return 0


def _blocks(chosen: Namespace) -> dict[str, NonlocalBlock]:
    """The blocks that are asked for, by name.

    Raises:
        ValueError: If the name is unknown, or the block cannot have so many channels.
    """
    for option in ("channels", "inner_channels"):
        value = getattr(chosen, option)
        if value is not None and value < 1:
            raise ValueError(f"--{option} must be at least 1, got {value}")
    inner = {} if chosen.inner_channels is None else {"inner_channels": chosen.inner_channels}
    names = registry.names() if chosen.block is None else [chosen.block]
    return {name: registry.get(name)(chosen.channels, **inner) for name in names}


def _text(blocks: Mapping[str, NonlocalBlock]) -> str:
    return "\n\n".join(f"{name}\n{block.describe()}" for name, block in blocks.items())


def _json(blocks: Mapping[str, NonlocalBlock]) -> str:
    rows = {name: asdict(block.describe()) for name, block in blocks.items()}
    return json.dumps(rows, indent=2)


FORMATS: dict[str, Callable[[Mapping[str, NonlocalBlock]], str]] = {
    "text": _text,
    "markdown": describe_all,
    "json": _json,
}
"""What the table is written as, by name."""
