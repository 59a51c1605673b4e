"""Nonlocal blocks: one class, and the named blocks as constructors of a few lines."""

from collections.abc import Callable

from filters.registry import Registry
from gsp_nonlocal.blocks.nonlocal_block import NonlocalBlock, NonlocalUnit
from gsp_nonlocal.blocks.snl import SNL

registry: Registry[Callable[..., NonlocalBlock]] = Registry("block")
registry.register("snl", SNL)

__all__ = ["SNL", "NonlocalBlock", "NonlocalUnit", "registry"]
