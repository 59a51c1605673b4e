"""One stage of a nonlocal block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from filters import GraphFilter, ShiftOperator
from filters.export import apply_function
from filters.precision import widened
from gsp_nonlocal.affinity import Affinity
from gsp_nonlocal.blocks.gate import GatedResidual
from gsp_nonlocal.nodes import Positions, Vertices
from gsp_nonlocal.norm import normalised


class NonlocalUnit(nn.Module):
    r"""One stage: ``X ← X + γ · σ(norm(filter(X W_g, S + S')))`` on node signals ``X (B, N, C)``.

    ``S`` is the block's shift, and ``S'`` that of the unit's own affinity, if it has one.

    Args:
        value: from ``X`` to the values ``X W_g (B, N, r)``; ``nn.Identity()`` for ``X`` itself.
        filter: a graph filter on the values.
        norm: acts on ``(B, C, N)``.
        activation: ``σ``, after the norm.
        affinity: gives ``S'`` of ``X``; by default there is none.
        vertices: what a node is; by default a position.
        gate: ``True`` for a learned ``γ`` that starts at 0, ``False`` for ``γ = 1``.

    Raises:
        ValueError: at the call, where a norm would divide by the deviation of a single number, and for what
            the filter or the affinity refuses.

    References:
        Zhu, She, Li, Lu, Kang, Hu, Wang (2021), *Unifying Nonlocal Blocks for Neural Networks*, ICCV.
        Deviation: the gate ``γ``, which they do not have.

    Example:
        >>> from filters import Chebyshev, DenseShift
        >>> unit = NonlocalUnit(
        ...     nn.Linear(8, 4), Chebyshev(4, 8), nn.BatchNorm1d(8), nn.ReLU(), gate=True
        ... )
        >>> nodes, shift = torch.randn(2, 9, 8), DenseShift(torch.full((9, 9), 1 / 9))
        >>> torch.equal(unit(nodes, shift), nodes)  # the gate is closed
        True
    """

    def __init__(
        self,
        value: nn.Module,
        filter: GraphFilter,
        norm: nn.Module,
        activation: nn.Module,
        *,
        affinity: Affinity | None = None,
        vertices: Vertices | None = None,
        gate: bool,
    ) -> None:
        super().__init__()
        self.value, self.filter, self.norm, self.activation = value, filter, norm, activation
        self.affinity, self.vertices = affinity, Positions() if vertices is None else vertices
        self.gate = nn.Parameter(torch.empty(1)) if gate else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Close the gate; the parts have their own."""
        if self.gate is not None:
            nn.init.zeros_(self.gate)

    def forward(
        self,
        nodes: Float[Tensor, "B N C"],
        shift: ShiftOperator,
        spatial: Sequence[int] | None = None,
    ) -> Float[Tensor, "B N C"]:
        """``(B, N, C)`` of a map of size ``spatial`` and a shift over ``N`` nodes ``-> (B, N, C)``."""
        if self.affinity is not None:
            shift = shift + self.affinity(nodes, spatial)
        values = self.value(nodes)
        exact = widened(values)  # until after the norm
        filtered = self.vertices.unfold(self.filter(self.vertices.fold(exact), shift), nodes.shape[1])
        update = self.activation(normalised(self.norm, filtered.mT.contiguous()).to(values.dtype))
        if self.gate is None:
            return nodes + update.mT
        return apply_function(GatedResidual, nodes.mT, self.gate, update).mT

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Gates were scalars once, which FSDP does not shard."""
        key = f"{prefix}gate"
        if key in state_dict and state_dict[key].dim() == 0:
            state_dict[key] = state_dict[key].reshape(1)
        super()._load_from_state_dict(state_dict, prefix, *rest)
