"""The block of the published video networks, whose max pool stands before ``φ`` and ``g``."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from filters import Aggregation
from filters.operators.shift import ShiftOperator
from filters.precision import widened, without_autocast
from gsp_nonlocal.affinity import Affinity
from gsp_nonlocal.affinity.base import require_size
from gsp_nonlocal.blocks import NonlocalBlock
from gsp_nonlocal.creation import Device
from gsp_nonlocal.interop.translation import (
    State,
    batch_norm,
    load_translated,
    pointwise,
    require_keys,
    reshaped,
    sizes,
    terms,
    translate,
    vectors,
)
from gsp_nonlocal.nodes import Bias, PointwiseProjection
from gsp_nonlocal.shifts import Pool, PooledShift
from gsp_nonlocal.shifts.attention import attention_products

_WHAT = "a block of the published video networks"


class PooledGaussian(Affinity):
    """``S = softmax(θ φᵀ / √r) P`` with the max pool ``P``: ``θ = X W_θ + b``, ``φ = P(X) W_φ + b'``.

    A block with ``sub_sample="max"`` pools ``X W_φ`` in its place, which is something else. Max pooling is
    not linear: there is no matrix ``S``.

    Args:
        channels: ``C`` of the node features.
        inner_channels: ``r``.
        device, dtype: of the parameters; by default PyTorch's.

    Raises:
        TypeError: if a number is no integer, or ``dtype`` is not real floating-point; at the call, for
            features that are not, or of another type than the parameters.
        ValueError: if a number is below 1; at the call, for features that are no ``(B, N, C)``, a map of
            another number of positions, of more than three dimensions, or smaller than the pooling window.

    References:
        Wang, Girshick, Gupta, He (2018), *Non-local Neural Networks*, as their video code has it.

    Example:
        >>> shift = PooledGaussian(8, 4)(torch.randn(2, 3 * 4 * 4, 8), (3, 4, 4))
        >>> torch.allclose(shift @ torch.ones(2, 48, 1), torch.ones(2, 48, 1))
        True
    """

    formula = "softmax_j(θ_iᵀφ_j/√r) of max-pooled x_j"
    sub_sample = "max"

    @property
    def time(self) -> str:
        """Growth of the time with ``N``."""
        return "N²"

    def __init__(
        self, channels: int, inner_channels: int, *, device: Device = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        self.theta, self.phi = (
            PointwiseProjection(channels, inner_channels, bias=True, device=device, dtype=dtype)
            for _ in range(2)
        )

    def forward(self, nodes: Tensor, spatial: Sequence[int] | None = None) -> ShiftOperator:
        """The shift of ``nodes (B, N, C)``, a map of size ``spatial``."""
        pool = Pool("max", require_size(nodes, spatial))
        query, key = self.theta(nodes), self.phi(pool(nodes))
        with without_autocast(nodes):
            query, key = widened(query), widened(key)
            return PooledShift(attention_products, query.shape[-1] ** -0.5 * query, key, pool, self.promises)


def load_block(state_dict: State, *, eps: float = 1e-5, momentum: float | None = 0.1) -> NonlocalBlock:
    """The block with the weights of a state under the keys ``theta``, ``phi``, ``g``, ``out`` and ``bn``.

    Args:
        state_dict: tensors of 1×1×1 convolutions and a batch norm, for maps ``(B, C, T, H, W)``. Pooling is
            by 2 in height and width.
        eps, momentum: of the batch norm.

    Returns:
        The block, in training mode, without a gate and without an activation.

    Raises:
        TypeError: for what is no mapping of keys to tensors.
        ValueError: for a state whose keys or shapes do not fit (missing and surplus keys named).

    References:
        Wang, Girshick, Gupta, He (2018), *Non-local Neural Networks*, as their video code and its
        translations to PyTorch have it.

    Example:
        >>> theirs = nn.ModuleDict({name: nn.Conv3d(8, 4, 1) for name in ("theta", "phi", "g")})
        >>> theirs.update({"out": nn.Conv3d(4, 8, 1), "bn": nn.BatchNorm3d(8)})
        >>> block = load_block(theirs.state_dict())
        >>> block(torch.randn(1, 8, 2, 6, 6)).shape
        torch.Size([1, 8, 2, 6, 6])
    """
    require_keys(state_dict, ["theta.weight"], _WHAT)
    inner, channels = sizes(state_dict, "theta.weight", _WHAT)
    block = NonlocalBlock(
        channels,
        inner,
        affinity=PooledGaussian,
        filter=lambda c, _: Aggregation(c, inner),  # W_g, of values that are pooled first
        norm=lambda c: nn.Sequential(
            Bias(inner), nn.Conv1d(inner, c, 1), nn.BatchNorm1d(c, eps=eps, momentum=momentum)
        ),
        activation=nn.Identity,
        value=None,
        gate=False,
    )
    shape = (channels, inner, 1)
    rules = [
        *(pointwise(f"affinity.{name}.weight", f"{name}.weight", dims=3) for name in ("theta", "phi")),
        *(vectors(f"affinity.{name}.bias", f"{name}.bias") for name in ("theta", "phi")),
        terms("stages.0.filter.weight", "g.weight", dims=3),
        vectors("stages.0.norm.0.bias", "g.bias"),
        reshaped("stages.0.norm.1.weight", "out.weight", shape, (*shape, 1, 1)),
        vectors("stages.0.norm.1.bias", "out.bias"),
        *batch_norm("stages.0.norm.2", "bn"),
    ]
    load_translated(block, translate(rules, state_dict, _WHAT), state_dict)
    return block
