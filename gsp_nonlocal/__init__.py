"""Graph signal processing for nonlocal neural networks.

feature map ──► affinity ──► shift S ──► filter(z, S) ──► block output
"""

from filters import Aggregation, Chebyshev, Diffusion, Filter, Identity
from gsp_nonlocal.affinity import ReLUDot
from gsp_nonlocal.blocks import SNL, NonlocalBlock
from gsp_nonlocal.insert import insert_blocks
from gsp_nonlocal.shifts import DenseShift, DiagonalShift, LowRankShift, ShiftOperator

__version__ = "0.1.0"

__all__ = [
    "SNL",
    "Aggregation",
    "Chebyshev",
    "DenseShift",
    "DiagonalShift",
    "Diffusion",
    "Filter",
    "Identity",
    "LowRankShift",
    "NonlocalBlock",
    "ReLUDot",
    "ShiftOperator",
    "insert_blocks",
]
