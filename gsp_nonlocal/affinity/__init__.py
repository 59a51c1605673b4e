"""Affinities: modules whose ``forward`` turns node features into a shift operator.

They are built as ``affinity(channels, inner_channels)`` and called ``affinity(nodes (B, N, C))``.
"""

from torch import nn

from filters.registry import Registry
from gsp_nonlocal.affinity.normalization import inverse_sqrt_degree, relu_dot_shift
from gsp_nonlocal.affinity.relu_dot import ReLUDot

registry: Registry[type[nn.Module]] = Registry("affinity")
registry.register("relu_dot", ReLUDot)

__all__ = ["ReLUDot", "inverse_sqrt_degree", "registry", "relu_dot_shift"]
