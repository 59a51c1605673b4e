"""Nonlocal blocks: one class, and the named blocks as constructors of a few lines."""

from collections.abc import Callable

from filters.registry import Registry
from gsp_nonlocal.blocks.compact import ANL, CC, CGNL, GC
from gsp_nonlocal.blocks.describe import Description, describe_all
from gsp_nonlocal.blocks.known import A2, DNL, NL, NS, UNNORMALISED
from gsp_nonlocal.blocks.nonlocal_block import NonlocalBlock, NonlocalUnit
from gsp_nonlocal.blocks.snl import SNL

registry: Registry[Callable[..., NonlocalBlock]] = Registry("block")
registry.register("a2", A2)
registry.register("anl", ANL)
registry.register("cc", CC)
registry.register("cgnl", CGNL)
registry.register("dnl", DNL)
registry.register("gc", GC)
registry.register("nl", NL)
registry.register("ns", NS)
registry.register("snl", SNL)

__all__ = [
    "A2",
    "ANL",
    "CC",
    "CGNL",
    "DNL",
    "GC",
    "NL",
    "NS",
    "SNL",
    "UNNORMALISED",
    "Description",
    "NonlocalBlock",
    "NonlocalUnit",
    "describe_all",
    "registry",
]
