"""Graph signal processing for nonlocal neural networks.

feature map ──► affinity ──► shift S ──► filter(z, S) ──► block output
"""

from gsp_nonlocal.filters import ARMA, Aggregation, Cayley, Chebyshev, Diffusion, Filter, Heat, Identity

# isort: split
# Above, a foreign package ``filters`` is refused before other modules import from it.
from gsp_nonlocal.affinity import ReLUDot
from gsp_nonlocal.blocks import A2, ANL, CC, CGNL, DNL, GC, NL, NS, SNL, NonlocalBlock
from gsp_nonlocal.insert import insert_blocks, inserted_blocks, remove_blocks
from gsp_nonlocal.shifts import DenseShift, DiagonalShift, LowRankShift, ShiftOperator, SparseShift

__version__ = "0.1.0"

__all__ = [
    "A2",
    "ANL",
    "ARMA",
    "CC",
    "CGNL",
    "DNL",
    "GC",
    "NL",
    "NS",
    "SNL",
    "Aggregation",
    "Cayley",
    "Chebyshev",
    "DenseShift",
    "DiagonalShift",
    "Diffusion",
    "Filter",
    "Heat",
    "Identity",
    "LowRankShift",
    "NonlocalBlock",
    "ReLUDot",
    "ShiftOperator",
    "SparseShift",
    "insert_blocks",
    "inserted_blocks",
    "remove_blocks",
]
