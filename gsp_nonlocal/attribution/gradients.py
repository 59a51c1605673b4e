"""The attentions of a forward pass, with the gradient of a score by their outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge

from gsp_nonlocal.analysis.model_inputs import Inputs, check_inputs, run_copies
from gsp_nonlocal.attribution.target import ClassOrScore, score_of
from gsp_nonlocal.probe import CrossTrace, SpectralProbe, Trace, evaluation
from gsp_nonlocal.probe.attention import Attention


class Graded(NamedTuple):
    """An attention and ``∂L/∂o (B·G, N, d)``, the gradient of the score by ``o = A v``."""

    path: str
    trace: Trace | CrossTrace
    gradient: Tensor


def graded(
    model: nn.Module,
    inputs: Inputs,
    target: ClassOrScore,
    paths: Sequence[str] | None,
    max_nodes: int,
    check: Callable[[SpectralProbe], None],
) -> list[Graded]:
    """All attentions in the order of the forward pass, by one pass forward and one back.

    Args:
        model: its modes are restored and the gradients of its parameters are not touched.
        inputs: of the model.
        target: what the score is, see :func:`~gsp_nonlocal.attribution.target.score_of`.
        paths: only these.
        max_nodes: of the probe.
        check: raises where the layers are not those that are wanted.

    Raises:
        ValueError: of ``check``; for an attention that returns another thing than ``A v``, or one that the
            score does not depend on by a gradient.
    """
    check_inputs(inputs)
    seen: list[_Seen] = []

    def note(path: str, trace: Trace | CrossTrace, found: Attention, product: Tensor) -> None:
        if not product.requires_grad:  # no weight is before it: the graph begins here
            product.requires_grad_()
        whole = _is_whole(found.arranged(product), trace)
        seen.append(_Seen(path, trace, found.arranged, get_gradient_edge(product), whole))

    probe = SpectralProbe(model, paths, max_nodes=max_nodes, on_product=note)
    with torch.inference_mode(False), evaluation(model), _differentiable(model), torch.enable_grad():
        with probe:
            output = run_copies(model, inputs)
        check(probe)
        kept = {id(trace) for crossings in probe.crossings.values() for trace in crossings}
        seen = [one for one in seen if isinstance(one.trace, Trace) or id(one.trace) in kept]
        _check_products(seen, probe)
        score = score_of(output, target).sum()
    grads = _gradients(score, seen)
    return [Graded(one.path, one.trace, one.along(grad)) for one, grad in zip(seen, grads, strict=True)]


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
    trace: Trace | CrossTrace
    arranged: Callable[[Tensor], Tensor]
    edge: GradientEdge
    is_whole: bool

    def along(self, grad: Tensor) -> Tensor:
        """The gradient by the product, as that of all graphs ``(B·G, N, d)``."""
        gradient = self.arranged(grad)
        return gradient.reshape(-1, *gradient.shape[-2:])


def _is_whole(product: Tensor, trace: Trace | CrossTrace) -> bool:
    """Whether a product has for each target as many numbers as a source has, and no other."""
    targets, sources = (trace.shift if isinstance(trace, Trace) else trace.weights).shape[-2:]
    value = trace.signal
    return product.shape[-1] == value.shape[-1] and product.numel() * sources == value.numel() * targets


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
