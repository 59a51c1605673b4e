"""Which nodes a chosen class comes from, by attention and its gradient."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from filters.precision import wide_dtype
from gsp_nonlocal.analysis.model_inputs import Inputs
from gsp_nonlocal.attribution.gradients import Graded, graded
from gsp_nonlocal.attribution.layers import check_layers
from gsp_nonlocal.attribution.target import ClassOrScore
from gsp_nonlocal.probe import MAX_NODES, SpectralProbe, Trace
from gsp_nonlocal.shifts.layered import LayeredShift
from gsp_nonlocal.shifts.positive_gradient import PositiveGradient
from gsp_nonlocal.shifts.structure import windows


def relevance(
    model: nn.Module,
    inputs: Inputs,
    target: ClassOrScore = None,
    *,
    paths: Sequence[str] | None = None,
    max_nodes: int = MAX_NODES,
) -> LayeredShift:
    r"""``R = (I + Ā_L) ⋯ (I + Ā_1)`` with ``Ā = E_h[(∇A ∘ A)⁺]``: what each node did for a score ``L``.

    ``∇A = ∂L/∂A`` is the gradient by the weights, which fused kernels do not show. It is known by that of the
    output ``o = A v`` of each head, ``∂L/∂A_ij = (∂L/∂o_i) · v_j``: one pass forward and one back give
    ``∂L/∂o (N, d)``, and rows of ``∇A`` are formed as they are asked for. Memory is linear in nodes.

    The row of the node that the output is read from is the map, ``attention_map(R, node=0)`` for a class
    token; of a network that averages its nodes, ``(R.T @ ones / N)``.

    Args:
        model: of self-attention, all layers on the same nodes; its modes are restored and the gradients of
            its parameters are not touched. Weights may be frozen.
        inputs: images ``(B, C, *spatial)``, ids of tokens ``(B, N)``, or tensors by keyword.
        target: a class, one for each image, or a function from the output to a number an image, ``(B,)``; by
            default the class that the model finds for each.
        paths: only these attentions; by default all.
        max_nodes: of :class:`~gsp_nonlocal.probe.SpectralProbe`.

    Returns:
        A shift ``(B, N, N)`` in float32 or better, one graph an image.

    Raises:
        TypeError: for inputs or an output of another kind.
        ValueError: for layers on different nodes, cross-attention, a class that is not there, an
            attention that returns another thing than ``A v``, or one that the score does not depend on by a
            gradient.

    References:
        Chefer, Gur, Wolf (2021), *Generic Attention-model Explainability for Interpreting Bi-Modal and
        Encoder-Decoder Transformers*: its rules for self-attention; those for cross-attention are
        :func:`cross_relevance`.

    Example:
        >>> import torch
        >>> layer = nn.TransformerEncoderLayer(8, 2, batch_first=True)
        >>> model = nn.Sequential(layer, nn.Flatten(), nn.Linear(40, 3))
        >>> R = relevance(model, torch.randn(4, 5, 8), target=2)
        >>> R.shape, bool((R.to_dense() >= torch.eye(5)).all())
        (torch.Size([4, 5, 5]), True)
    """

    def check(probe: SpectralProbe) -> None:
        check_layers(probe.in_order, probe.crossings)

    return LayeredShift(
        [positive_gradient(one) for one in graded(model, inputs, target, paths, max_nodes, check)], 1.0, 1.0
    )


def positive_gradient(one: Graded) -> PositiveGradient:
    """``E_h[(∇A ∘ A)⁺]`` of a self-attention, one graph an image."""
    trace, gradient = one.trace, one.gradient
    assert isinstance(trace, Trace)
    side_by_side = windows(trace.shift)
    if side_by_side is not None:
        gradient = side_by_side.from_windows(gradient)
    wide = wide_dtype(trace.shift)  # 1 + Ā leaves no digits to Ā in half precision
    return PositiveGradient(trace.shift.to(wide), gradient.to(wide), trace.signal.to(wide), trace.graphs)
