"""Attention over all layers."""

from __future__ import annotations

import math

from filters.operators.promises import Promises
from filters.operators.shift import ShiftOperator
from filters.precision import wide_dtype
from gsp_nonlocal.attribution.layers import layers_of
from gsp_nonlocal.probe import SpectralProbe, Trace
from gsp_nonlocal.shifts.head_mean import HeadMean
from gsp_nonlocal.shifts.layered import LayeredShift


def rollout(probe: SpectralProbe, *, share: float = 0.5) -> LayeredShift:
    r"""``R = Π_l (a S̄_l + (1 − a) I)``: how much of each input node a node of the last layer is made of.

    ``S̄_l`` is the mean over the heads of layer ``l``, the last layer stands left, and the identity stands for
    the residual connection. It is a cascade of the layers' own shifts: row ``i`` is ``L`` products with
    transposes, for any kind of shift, and ``N²`` numbers are formed only by ``.to_dense()``. It knows nothing
    of values, of what lies between the attentions, and of the output: whether it says anything of that is
    what :func:`~gsp_nonlocal.attribution.deletion_curve` tells.

    Args:
        probe: after a forward pass.
        share: ``a``, of the attention, from 0 to 1; the paper's is ½.

    Returns:
        A shift ``(B, N, N)`` in float32 or better, one graph an image. Where the rows of all layers sum to 1,
        so do its own.

    Raises:
        ValueError: without a layer; where layers have other nodes than the first (windows, pooling, stages,
            cross-attention), with their paths; for a share outside of ``[0, 1]``.

    References:
        Abnar, Zuidema (2020), *Quantifying Attention Flow in Transformers*.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from gsp_nonlocal.spectral import attention_map
        >>> layer = nn.TransformerEncoderLayer(8, 2, batch_first=True)
        >>> model = nn.TransformerEncoder(layer, 3).eval()
        >>> with SpectralProbe(model) as probe:
        ...     _ = model(torch.randn(4, 5, 8))
        >>> row = attention_map(rollout(probe), node=0)
        >>> row.shape, bool((row.sum(-1) - 1).abs().max() < 1e-5)
        (torch.Size([4, 5]), True)
    """
    layers = layers_of(probe)
    if not (isinstance(share, int | float) and 0 <= share <= 1) or math.isnan(share):
        raise ValueError(f"share is the part of the attention in each layer, from 0 to 1; got {share}")
    means = [head_mean(trace) for _, trace in layers]
    bound = 1.0 if all(trace.shift.is_row_stochastic for _, trace in layers) else None
    return LayeredShift(means, 1 - share, share, promises=Promises(bound=bound))


def head_mean(trace: Trace) -> ShiftOperator:
    """``S̄ (B, N, N)``, in float32 or better."""
    shift = trace.shift.to(wide_dtype(trace.shift))
    return shift if trace.graphs == 1 else HeadMean(shift, trace.graphs)
