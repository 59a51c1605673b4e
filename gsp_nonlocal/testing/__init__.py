"""The laws that parts of this library keep, callable on a part of one's own; its own tests call the same.

=================================  ==========================================================================
function                           holds to its laws
=================================  ==========================================================================
``check_filter(filter)``           a graph filter
``check_shift(shift)``             a shift operator
``check_affinity(a, channels)``    an affinity
``check_block(block)``             a nonlocal block
``check_reader(module, *args)``    the reader of a foreign module, on a call of it
``check_promises(shift)``          what a shift says of itself: symmetry, sums of rows, bound
=================================  ==========================================================================

Each works on copies in float64, and raises an ``AssertionError`` that names the part, every law it breaks,
and the number that was found. They are for small parts: shifts are compared with matrices. No framework of
tests is needed.
"""

from gsp_nonlocal.testing.affinity_laws import check_affinity
from gsp_nonlocal.testing.block_laws import check_block
from gsp_nonlocal.testing.filter_laws import check_filter
from gsp_nonlocal.testing.reader_laws import check_reader
from gsp_nonlocal.testing.shift_laws import check_promises, check_shift

__all__ = [
    "check_affinity",
    "check_block",
    "check_filter",
    "check_promises",
    "check_reader",
    "check_shift",
]
