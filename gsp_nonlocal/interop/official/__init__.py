"""Weights of the authors' public code (Zhu et al. 2021), read into our blocks and networks."""

from gsp_nonlocal.interop.official.blocks import kinds, load_block
from gsp_nonlocal.interop.official.resnets import load_network
from gsp_nonlocal.interop.official.segmentation import head_state

__all__ = ["head_state", "kinds", "load_block", "load_network"]
