"""At home in PyTorch Geometric: graphs as ``Data``, any filter as a convolution, any convolution as a
filter."""

from gsp_nonlocal.interop.pyg.data import from_data, to_data
from gsp_nonlocal.interop.pyg.propagation import combine, propagate
from gsp_nonlocal.interop.pyg.pyg_filter import PyGFilter
from gsp_nonlocal.interop.pyg.side_by_side import COMPLETE_NODES
from gsp_nonlocal.interop.pyg.spectral_conv import SpectralConv

__all__ = ["COMPLETE_NODES", "PyGFilter", "SpectralConv", "combine", "from_data", "propagate", "to_data"]
