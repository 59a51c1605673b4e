"""Nonlocal blocks: one class, and the named blocks as subclasses of a few lines."""

from collections.abc import Callable

from filters.registry import Registry
from gsp_nonlocal.blocks.a2 import A2, UNNORMALISED
from gsp_nonlocal.blocks.anl import ANL
from gsp_nonlocal.blocks.cc import CC
from gsp_nonlocal.blocks.cgnl import CGNL
from gsp_nonlocal.blocks.describe import Description, describe_all
from gsp_nonlocal.blocks.dnl import DNL
from gsp_nonlocal.blocks.gc import GC
from gsp_nonlocal.blocks.nl import NL
from gsp_nonlocal.blocks.nonlocal_block import NonlocalBlock, NonlocalUnit
from gsp_nonlocal.blocks.ns import NS
from gsp_nonlocal.blocks.snl import SNL

registry: Registry[Callable[..., NonlocalBlock]] = Registry("block")
for _block in (SNL, NL, NS, A2, CGNL, CC, DNL, ANL, GC):
    registry.register(_block.__name__.lower(), _block)

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
