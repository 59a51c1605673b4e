"""From shifts and signals to plain records: what is measured, the numbers, and what they say in words.

============================  ===============================================================================
name                          is
============================  ===============================================================================
``snapshot(model, images)``   all numbers of all blocks, for a training to log
``Snapshot``                  these numbers, as plain values that JSON holds
``Limits``                    how much an analysis may cost
============================  ===============================================================================
"""

from gsp_nonlocal.analysis.record import Snapshot
from gsp_nonlocal.analysis.snapshot import Limits, snapshot

__all__ = ["Limits", "Snapshot", "snapshot"]
