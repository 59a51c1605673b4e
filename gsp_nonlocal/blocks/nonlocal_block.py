"""The nonlocal block: projections + affinity + filter + norm + residual."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.fx import Proxy

from filters import Chebyshev, GraphFilter, ShiftOperator
from filters.checks import require_flag, require_integer
from gsp_nonlocal.affinity import Affinity, ReLUDot
from gsp_nonlocal.blocks.describe import Description, describe
from gsp_nonlocal.blocks.leaf import as_leaf
from gsp_nonlocal.blocks.unit import NonlocalUnit
from gsp_nonlocal.creation import Device, created
from gsp_nonlocal.nodes import PointwiseProjection, Positions, Vertices, require_vertices, to_map, to_nodes
from gsp_nonlocal.norm import require_norm

FilterFactory = Callable[[int, int], GraphFilter]
AffinityFactory = Callable[[int, int], Affinity]
ValueFactory = Callable[[int, int], nn.Module]
NormFactory = Callable[[int], nn.Module] | None
M = TypeVar("M", bound=nn.Module)


class NonlocalBlock(nn.Module):
    r"""``x ← x + γ · σ(norm(H(S) x W_g))`` with the shift ``S = affinity(x)``, once per stage.

    ``N = ∏ spatial`` positions of the map are the nodes of a fully connected weighted graph. One class
    serves 1-D, 2-D and 3-D maps. The block is the identity at its start: the gate ``γ`` is 0, *after* the
    activation, so that it learns from the first step (a zeroed norm under a ReLU never would).

    Args:
        channels: ``C`` of the map ``x (B, C, *spatial)``, at least 1.
        inner_channels: width ``r`` of embeddings and values; by default ``channels // 2``, at least 1.
        affinity: called ``affinity(channels, inner_channels)``; gives an :class:`Affinity`, a module from
            node features ``(B, N, C)`` to a shift.
        filter: called ``filter(inner_channels, channels)``; gives a graph filter, for example
            ``functools.partial(Chebyshev, order=3)``.
        norm: called ``norm(channels)``; acts on ``(B, C, N)``, for example ``nn.BatchNorm1d``; ``None`` for
            none.
        activation: called without arguments, after the norm.
        stages: number of units that share one shift, at least 1.
        recurrence: how often the block is applied, with the same weights and a new shift each time.
        value: called ``value(channels, inner_channels)``, for the values ``X W_g``; ``None`` for ``X``
            itself, the filter is then called ``filter(channels, channels)``.
        unit_affinity: an affinity of each unit's own, of its own input; its shift is added to the shared one.
        vertices: what a node is; by default a position. The filter is called with its channels, and ``norm``
            leads from ``inner_channels`` to ``channels`` where the filter does not (see ``CGNL``).
        gate: ``True`` for the zero-initialised gate ``γ``, one a unit; ``False`` for the plain residual
            ``x + σ(norm(·))`` and the initialisation of the paper.
        device: of all that factories make without a device of their own; by default PyTorch's.
        dtype: the same for the data type.

    Raises:
        ValueError: if a number is below 1, or a norm is one of maps; at the call, for a map of other channels
            or without positions, or where a norm has a single number.
        TypeError: if a number is no integer, or a factory is none or makes something else; at the call, for
            integer or complex features, or of another data type.

    Warns:
        UserWarning: for a filter that does not use the graph, of order 0: the affinity does not learn.

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
        recurrence: int = 1,
        value: ValueFactory | None = PointwiseProjection,
        unit_affinity: AffinityFactory | None = None,
        vertices: Vertices | None = None,
        gate: bool = True,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        channels = require_integer("channels", channels)
        inner = default_inner_channels(channels) if inner_channels is None else inner_channels
        inner = require_integer("inner_channels", inner)
        self.channels, self.inner_channels = channels, inner
        self.recurrence = require_integer("recurrence", recurrence)
        self.vertices: Vertices = Positions() if vertices is None else require_vertices(vertices)
        width = channels if value is None else inner
        sizes = self.vertices.channels(width, channels)

        def unit() -> NonlocalUnit:
            return NonlocalUnit(
                nn.Identity() if value is None else made("value", value, nn.Module, channels, inner),
                _fitting(made("filter", filter, GraphFilter, *sizes), sizes[0]),
                require_norm(made("norm", nn.Identity if norm is None else norm, nn.Module, channels)),
                made("activation", activation, nn.Module),
                affinity=None
                if unit_affinity is None
                else made("unit_affinity", unit_affinity, Affinity, channels, inner),
                vertices=self.vertices,
                gate=require_flag("gate", gate),
            )

        with created(device, dtype):
            self.affinity = made("affinity", affinity, Affinity, channels, inner)
            self.stages = nn.ModuleList(unit() for _ in range(require_integer("stages", stages)))
        self._warn_of_idle_affinity()

    def __call__(self, x: Tensor) -> Tensor:
        """The map, with the module's hooks; under ``torch.fx`` a node of the graph."""
        return as_leaf(self, x) if isinstance(x, Proxy) else super().__call__(x)

    def shift(self, x: Tensor) -> ShiftOperator:
        """The graph shift over the positions of ``x (B, C, *spatial)``."""
        return self.affinity(self._nodes(x), x.shape[2:])

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, *spatial) -> (B, C, *spatial)``."""
        nodes = self._nodes(x)
        for _ in range(self.recurrence):
            shift = self.affinity(nodes, x.shape[2:])
            for unit in self.stages:
                nodes = unit(nodes, shift, x.shape[2:])
        return to_map(nodes, x.shape[2:])

    @property
    def units(self) -> list[NonlocalUnit]:
        """The units, stage by stage."""
        return [unit for unit in self.stages if isinstance(unit, NonlocalUnit)]

    def describe(self) -> Description:
        """What the block is as a graph filter: its row of the unified table.

        Example:
            >>> print(NonlocalBlock(16).describe())
            vertices   N
            edges      all pairs
            shift      S = D^{-1/2} ½(M + Mᵀ) D^{-1/2}, M_ij = relu(θ_i)ᵀrelu(φ_j)
            signal     X W_g, 8 channels
            response   Σ_k T_k(μ) W_k, K = 1
            applied    once
            symmetric  yes
            spectrum   |μ| ≤ 1
            time       N
            memory     N
        """
        unit = self.units[0]
        return describe(
            [self.affinity, *([] if unit.affinity is None else [unit.affinity])],
            unit.filter,
            vertices=self.vertices.name,
            inner_channels=self.inner_channels,
            projected=any(True for _ in unit.value.parameters()),
            units=len(self.units),
            rounds=self.recurrence,
        )

    def _warn_of_idle_affinity(self) -> None:
        filter = self.units[0].filter
        if not filter.uses_graph and any(True for _ in self.affinity.parameters()):
            warnings.warn(
                f"{filter} does not use the graph (its order is 0): the affinity's weights get no gradient, "
                "and DistributedDataParallel stops unless given find_unused_parameters=True; use order >= 1",
                stacklevel=3,
            )

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
        rounds = "" if self.recurrence == 1 else f", recurrence={self.recurrence}"
        return f"channels={self.channels}, inner_channels={self.inner_channels}{rounds}"


def default_inner_channels(channels: int) -> int:
    """Half of the channels, at least 1."""
    return max(require_integer("channels", channels) // 2, 1)


def made(name: str, factory: Callable[..., M], kind: type, *sizes: int) -> M:
    """What the ``factory`` of a block makes of ``sizes``; a ``TypeError`` unless it is a ``kind``."""
    if isinstance(factory, nn.Module):
        raise TypeError(
            f"{name} is a factory: a class, a functools.partial or a function, called with {sizes}; got the "
            f"finished module {factory}"
        )
    if not callable(factory):
        raise TypeError(f"{name} is a factory: a class, a functools.partial or a function; got {factory!r}")
    result = factory(*sizes)
    if not isinstance(result, kind):
        raise TypeError(f"{name} must make a {kind.__name__}, and made a {type(result).__name__}: {result}")
    return result


def _fitting(filter: GraphFilter, channels: int) -> GraphFilter:
    """``filter``, if it takes the channels that it was made for."""
    if filter.in_channels not in (None, channels):
        raise ValueError(f"filter was asked for {channels} channels, and {filter} takes {filter.in_channels}")
    return filter
