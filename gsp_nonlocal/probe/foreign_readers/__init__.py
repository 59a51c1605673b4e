"""Readers of other packages' attention and nonlocal blocks. They are known by name: no package is imported.

============  =======================================================================================
package       modules
============  =======================================================================================
torch         ``nn.MultiheadAttention`` as self-attention, with or without masks
timm          ``Attention``, ``NonLocalAttn``
transformers  attention of ViT, DeiT, DINOv2, CLIP, SigLIP and others: the tables in ``hugging_face.py``
mmcv          ``NonLocal1d``, ``NonLocal2d``, ``NonLocal3d`` without max pooling
============  =======================================================================================

An image has a graph a head, ``S = softmax(s q kᵀ)``; its signal is the values of that head. Under a mask the
shift is the dense matrix ``softmax(s q kᵀ + m)``, ``N²`` numbers a head, and a node that attends to nothing
has a row of zeros. Dropout of weights is left out. Tokens have the layout ``(N,)``, as no module knows how
they lie on the image.
"""

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

from torch import nn

from gsp_nonlocal.interop import timm_block
from gsp_nonlocal.probe.foreign_readers.converted import read_converted, read_mmcv
from gsp_nonlocal.probe.foreign_readers.hugging_face import HOMES, read_hugging_face
from gsp_nonlocal.probe.foreign_readers.multihead import read_multihead
from gsp_nonlocal.probe.foreign_readers.timm_attention import read_timm
from gsp_nonlocal.probe.readers import Reader

__all__ = ["FOREIGN_READERS"]

FOREIGN_READERS: Mapping[type[nn.Module] | str, Reader] = MappingProxyType(
    {
        nn.MultiheadAttention: read_multihead,
        "timm.Attention": read_timm,
        "timm.NonLocalAttn": partial(read_converted, timm_block.convert),
        **{f"mmcv.NonLocal{dims}d": read_mmcv for dims in (1, 2, 3)},
        **{f"transformers.{home.rpartition('.')[2]}": read_hugging_face for home in HOMES},
    }
)
"""The reader of each kind of module."""
