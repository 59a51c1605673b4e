"""timm: its ``NonLocalAttn`` read, and ResNets with our blocks under names of timm's.

=====================================  ======================================================================
name                                   is
=====================================  ======================================================================
``convert(module)``                    our block with weights and settings of a ``NonLocalAttn``
``load_block(state_dict)``             the same from weights alone
``timm.create_model("resnet50_snl")``  a ResNet with a block; known to timm where this package was imported
=====================================  ======================================================================

Importing it needs no timm; without timm no names are registered.
"""

from importlib.util import find_spec

from gsp_nonlocal.interop.timm_block import convert, load_block

if find_spec("timm") is not None:
    from gsp_nonlocal.interop.timm import resnet as _registered  # noqa: F401

__all__ = ["convert", "load_block"]
