"""What a model's forward pass shows: the graphs of its blocks and of its attention, and their signals.

=================================  ==========================================================================
name                               is
=================================  ==========================================================================
``SpectralProbe(model)``           a context in which every graph of a forward pass is caught
``Trace``                          one application of a block: its shift, its signals, how nodes lie
``CrossTrace``                     one of cross-attention, from one set of nodes to another
``register_reader(kind, reader)``  lets the probe know another kind of module
``NotAGraphError``                 what a reader raises where a module's call has no graph
``ProbeError``                     what a probe raises in a pass that shows nothing, or too much
``StableHypothesis(model)``        ``‖S² − S‖_F`` of all graphs of a forward pass, as a part of a loss
=================================  ==========================================================================
"""

from gsp_nonlocal.probe.foreign_readers import FOREIGN_READERS
from gsp_nonlocal.probe.modules import ProbeError
from gsp_nonlocal.probe.probe import MAX_NODES, SpectralProbe, evaluation
from gsp_nonlocal.probe.readers import NotAGraphError, register_reader
from gsp_nonlocal.probe.stable_hypothesis import StableHypothesis
from gsp_nonlocal.probe.trace import CrossTrace, Trace

__all__ = [
    "MAX_NODES",
    "CrossTrace",
    "NotAGraphError",
    "ProbeError",
    "SpectralProbe",
    "StableHypothesis",
    "Trace",
    "evaluation",
    "register_reader",
]

for _kind, _reader in FOREIGN_READERS.items():
    register_reader(_kind, _reader)
