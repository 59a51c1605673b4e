"""Nonlocal blocks into any network, by module path, and out again.

=====================================  ======================================================================
name                                   is
=====================================  ======================================================================
``insert_blocks(model, blocks)``       ``y ← block(y)`` after named modules: right, or refused at the call
``inserted_blocks(model)``             what was inserted where; ``print`` shows a table
``remove_blocks(model, paths)``        the inverse of ``insert_blocks``
``ChannelsFirst()``                    the layout ``(B, C, *spatial)`` of a module's output
``ChannelsLast()``                     ``(B, *spatial, C)``, as of Swin and Hiera
``Tokens(prefix, grid)``               ``(B, prefix + N, C)``, as of vision transformers
``CHILD``                              ``"nonlocal_block"``: the block's name in the module that it follows
=====================================  ======================================================================
"""

from gsp_nonlocal.insert.attachment import CHILD
from gsp_nonlocal.insert.insertion import insert_blocks
from gsp_nonlocal.insert.layouts import ChannelsFirst, ChannelsLast, OutputLayout, Tokens
from gsp_nonlocal.insert.removal import remove_blocks
from gsp_nonlocal.insert.table import InsertedBlock, InsertedBlocks, inserted_blocks

__all__ = [
    "CHILD",
    "ChannelsFirst",
    "ChannelsLast",
    "InsertedBlock",
    "InsertedBlocks",
    "OutputLayout",
    "Tokens",
    "insert_blocks",
    "inserted_blocks",
    "remove_blocks",
]
