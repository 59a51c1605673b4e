"""Which nodes a chosen class comes from, by attention and its gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge

from filters.precision import wide_dtype
from gsp_nonlocal.analysis.model_inputs import Inputs, check_inputs, run_copies
from gsp_nonlocal.attribution.layers import check_layers
from gsp_nonlocal.attribution.target import ClassOrScore, score_of
from gsp_nonlocal.probe import MAX_NODES, CrossTrace, SpectralProbe, Trace, evaluation
from gsp_nonlocal.probe.attention import Attention
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
        Encoder-Decoder Transformers*: its rules for self-attention; those for cross-attention are not here.

    Example:
        >>> layer = nn.TransformerEncoderLayer(8, 2, batch_first=True)
        >>> model = nn.Sequential(layer, nn.Flatten(), nn.Linear(40, 3))
        >>> R = relevance(model, torch.randn(4, 5, 8), target=2)
        >>> R.shape, bool((R.to_dense() >= torch.eye(5)).all())
        (torch.Size([4, 5, 5]), True)
    """
    check_inputs(inputs)
    seen: list[_Seen] = []

    def note(path: str, trace: Trace | CrossTrace, found: Attention, product: Tensor) -> None:
        if isinstance(trace, Trace):
            if not product.requires_grad:  # no weight is before it: the graph begins here
                product.requires_grad_()
            whole = _is_whole(found.arranged(product), trace.signal)
            seen.append(_Seen(path, trace, found.arranged, get_gradient_edge(product), whole))

    probe = SpectralProbe(model, paths, max_nodes=max_nodes, on_product=note)
    with evaluation(model), _differentiable(model), torch.enable_grad():
        with probe:
            output = run_copies(model, inputs)
        check_layers(probe.in_order, probe.crossings)
        _check_products(seen, probe)
        score = score_of(output, target).sum()
    grads = _gradients(score, seen)
    return LayeredShift([_relevant(one, grad) for one, grad in zip(seen, grads, strict=True)], 1.0, 1.0)


@contextmanager
def _differentiable(model: nn.Module) -> Iterator[None]:
    """Weights that are frozen are not, for as long as this."""
    frozen = [
        weight for weight in model.parameters() if weight.is_floating_point() and not weight.requires_grad
    ]
    try:
        for weight in frozen:
            weight.requires_grad_()
        yield
    finally:
        for weight in frozen:
            weight.requires_grad_(False)


class _Seen(NamedTuple):
    """An attention, and where the gradient of its product arrives, whatever is written to it afterwards."""

    path: str
    trace: Trace
    arranged: Callable[[Tensor], Tensor]
    edge: GradientEdge
    is_whole: bool


def _is_whole(product: Tensor, value: Tensor) -> bool:
    """Whether a product has a number for each of the values, and no other."""
    return product.shape[-1] == value.shape[-1] and product.numel() == value.numel()


def _check_products(seen: list[_Seen], probe: SpectralProbe) -> None:
    known = {one.path for one in seen}
    unknown = [path for path, _ in probe.in_order if path not in known]
    unlike = [one.path for one in seen if not one.is_whole]
    for path, why in [
        *((path, "is read by its class, and its weights have no gradient here") for path in unknown),
        *((path, "returns another thing than A v, such as linear attention's two sums") for path in unlike),
    ]:
        raise ValueError(f"{path or 'the model itself'} {why}; leave it out with paths=[...]")


def _gradients(score: Tensor, seen: list[_Seen]) -> list[Tensor]:
    """``∂L/∂o`` of each attention, as its product is."""
    found: Sequence[Tensor | None] = [None] * len(seen)
    if score.requires_grad:
        found = torch.autograd.grad(score, [one.edge for one in seen], allow_unused=True)
    for one, grad in zip(seen, found, strict=True):
        if grad is None:
            raise ValueError(
                f"the score does not depend on {one.path or 'the model itself'} by a gradient: it comes "
                "after the target, or is detached, or runs without gradients; leave it out with paths=[...]"
            )
    return [grad for grad in found if grad is not None]


def _relevant(seen: _Seen, grad: Tensor) -> PositiveGradient:
    trace, gradient = seen.trace, seen.arranged(grad)
    gradient = gradient.reshape(-1, *gradient.shape[-2:])
    side_by_side = windows(trace.shift)
    if side_by_side is not None:
        gradient = side_by_side.from_windows(gradient)
    wide = wide_dtype(trace.shift)  # 1 + Ā leaves no digits to Ā in half precision
    return PositiveGradient(trace.shift.to(wide), gradient.to(wide), trace.signal.to(wide), trace.graphs)
