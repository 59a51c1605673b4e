"""The graphs of a forward pass, read off any model: the probe, traces, and a reader a kind of module."""

from gsp_nonlocal.spectral.probe.probe import MAX_NODES, SpectralProbe, evaluation, find_readable

__all__ = ["MAX_NODES", "SpectralProbe", "evaluation", "find_readable"]
