"""Readers of other packages' nonlocal blocks, which show their response.

They are known by name: no package is imported.

============  =======================================================================================
package       modules
============  =======================================================================================
timm          ``NonLocalAttn``
mmcv          ``NonLocal1d``, ``NonLocal2d``, ``NonLocal3d`` without max pooling
============  =======================================================================================
"""

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

from torch import nn

from gsp_nonlocal.interop import timm_block
from gsp_nonlocal.probe.foreign_readers.converted import read_converted, read_mmcv
from gsp_nonlocal.probe.readers import Reader

__all__ = ["FOREIGN_READERS"]

FOREIGN_READERS: Mapping[type[nn.Module] | str, Reader] = MappingProxyType(
    {
        "timm.NonLocalAttn": partial(read_converted, timm_block.convert),
        **{f"mmcv.NonLocal{dims}d": read_mmcv for dims in (1, 2, 3)},
    }
)
"""The reader of each kind of module."""
