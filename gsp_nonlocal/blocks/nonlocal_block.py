"""The nonlocal block: projections + affinity + filter + norm + residual."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from filters import Chebyshev, GraphFilter, ShiftOperator
from gsp_nonlocal.affinity import ReLUDot
from gsp_nonlocal.blocks.gate import GatedResidual
from gsp_nonlocal.nodes import PointwiseProjection, to_map, to_nodes

FilterFactory = Callable[[int, int], GraphFilter]
AffinityFactory = Callable[[int, int], nn.Module]
NormFactory = Callable[[int], nn.Module]


class NonlocalBlock(nn.Module):
    r"""``x ← x + γ · σ(norm(H(S) x W_g))`` with the shift ``S = affinity(x)``, once per stage.

    ``N = ∏ spatial`` positions of the map are the nodes of a fully connected weighted graph. One class
    serves 1-D, 2-D and 3-D maps. The block is the identity at its start: the gate ``γ`` is 0, *after* the
    activation, so that it learns from the first step (a zeroed norm under a ReLU never would).

    Args:
        channels: ``C`` of the map ``x (B, C, *spatial)``, at least 1.
        inner_channels: width ``r`` of embeddings and values; by default ``channels // 2``, at least 1.
        affinity: called ``affinity(channels, inner_channels)``; gives a module from node features
            ``(B, N, C)`` to a shift.
        filter: called ``filter(inner_channels, channels)``; gives a graph filter, for example
            ``functools.partial(Chebyshev, order=3)``.
        norm: called ``norm(channels)``; acts on ``(B, C, N)``, for example ``nn.BatchNorm1d``.
        activation: called without arguments, after the norm.
        stages: number of units that share one shift, at least 1.
        gate: ``True`` for the zero-initialised gate ``γ``, one a unit; ``False`` for the plain residual
            ``x + σ(norm(·))`` and the initialisation of the paper.

    Raises:
        ValueError: if a number is below 1; at the call, for a map of other channels or without positions.
        TypeError: at the call, for integer or complex features.

    References:
        Zhu, She, Li, Lu, Kang, Hu, Wang (2021), *Unifying Nonlocal Blocks for Neural Networks*, ICCV.

    Example:
        >>> from functools import partial
        >>> block = NonlocalBlock(16, filter=partial(Chebyshev, order=3))
        >>> x = torch.randn(2, 16, 8, 8)
        >>> torch.equal(block(x), x)
        True
    """

    def __init__(
        self,
        channels: int,
        inner_channels: int | None = None,
        *,
        affinity: AffinityFactory = ReLUDot,
        filter: FilterFactory = Chebyshev,
        norm: NormFactory = nn.BatchNorm1d,
        activation: Callable[[], nn.Module] = nn.ReLU,
        stages: int = 1,
        gate: bool = True,
    ) -> None:
        super().__init__()
        inner = max(channels // 2, 1) if inner_channels is None else inner_channels
        for name, value in {"channels": channels, "inner_channels": inner, "stages": stages}.items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        self.channels, self.inner_channels = channels, inner
        self.affinity = affinity(channels, inner)
        self.stages = nn.ModuleList(
            NonlocalUnit(
                PointwiseProjection(channels, inner),
                filter(inner, channels),
                norm(channels),
                activation(),
                gate=gate,
            )
            for _ in range(stages)
        )

    def shift(self, x: Tensor) -> ShiftOperator:
        """The graph shift over the positions of ``x (B, C, *spatial)``."""
        return self.affinity(self._nodes(x))

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, *spatial) -> (B, C, *spatial)``."""
        nodes = self._nodes(x)
        shift = self.affinity(nodes)
        for unit in self.stages:
            nodes = unit(nodes, shift)
        return to_map(nodes, x.shape[2:])

    def _nodes(self, x: Tensor) -> Tensor:
        nodes = to_nodes(x)
        if nodes.shape[-1] != self.channels:
            raise ValueError(
                f"this block was built for {self.channels} channels, "
                f"got a map of shape {tuple(x.shape)} with {x.shape[1]}"
            )
        return nodes

    def extra_repr(self) -> str:
        """What ``repr`` shows of the settings."""
        return f"channels={self.channels}, inner_channels={self.inner_channels}"


class NonlocalUnit(nn.Module):
    r"""One stage: ``X ← X + γ · σ(norm(filter(X W_g, S)))`` on node signals ``X (B, N, C)``."""

    def __init__(
        self,
        value: nn.Module,
        filter: GraphFilter,
        norm: nn.Module,
        activation: nn.Module,
        *,
        gate: bool,
    ) -> None:
        super().__init__()
        self.value, self.filter, self.norm, self.activation = value, filter, norm, activation
        self.gate = nn.Parameter(torch.zeros(())) if gate else None

    def forward(self, nodes: Float[Tensor, "B N C"], shift: ShiftOperator) -> Float[Tensor, "B N C"]:
        """``(B, N, C)`` and a shift over ``N`` nodes ``-> (B, N, C)``."""
        filtered = self.filter(self.value(nodes), shift)
        update = self.activation(self.norm(filtered.mT))
        if self.gate is None:
            return nodes + update.mT
        return GatedResidual.apply(nodes.mT, self.gate, update).mT
