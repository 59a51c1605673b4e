"""Which nodes of two sets a chosen score comes from: encoders and decoders, two modalities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from filters.precision import wide_dtype
from gsp_nonlocal.analysis.model_inputs import Inputs
from gsp_nonlocal.attribution.gradients import Graded, graded
from gsp_nonlocal.attribution.layers import check_windows, images_of, named
from gsp_nonlocal.attribution.relevance import positive_gradient
from gsp_nonlocal.attribution.target import ClassOrScore
from gsp_nonlocal.probe import MAX_NODES, CrossTrace, SpectralProbe, Trace

MOST_NUMBERS = 2**31
"""Most numbers of all matrices of a result."""

_ROWS = 2**22  # weights of heads that exist at once


class CrossRelevance(NamedTuple):
    """What the nodes of two sets did for a score: row ``i`` of a matrix is a map of what node ``i`` got.

    Attributes:
        targets: ``R_tt (B, N, N)``.
        from_sources: ``R_ts (B, N, M)``, what targets got from sources.
        from_targets: ``R_st (B, M, N)``; 0 where no source gathers from targets, as in an encoder.
        sources: ``R_ss (B, M, M)``.

    Example:
        >>> class Pooling(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        ...     def forward(self, x):  # two nodes gather from all
        ...         return self.attention(x[:, :2], x, x)[0][:, 0]
        >>> found = cross_relevance(Pooling(), torch.randn(1, 5, 8), target=2)
        >>> [tuple(part.shape) for part in found]
        [(1, 2, 2), (1, 2, 5), (1, 5, 2), (1, 5, 5)]
    """

    targets: Tensor
    from_sources: Tensor
    from_targets: Tensor
    sources: Tensor


def cross_relevance(
    model: nn.Module,
    inputs: Inputs,
    target: ClassOrScore = None,
    *,
    paths: Sequence[str] | None = None,
    max_nodes: int = MAX_NODES,
) -> CrossRelevance:
    r"""Gradient × attention over two sets of nodes, ``N`` targets ``t`` and ``M`` sources ``s``.

    With ``Ā = E_h[(∇A ∘ A)⁺]`` as in :func:`relevance`, ``R_tt = I``, ``R_ss = I`` and the others 0 at first,
    layer after layer

    ==============================  =======================================================================
    layer                           adds
    ==============================  =======================================================================
    self-attention of ``t``         ``Ā R_tt`` to ``R_tt``, ``Ā R_ts`` to ``R_ts``
    ``t`` gathers from ``s``        ``R̄_ttᵀ Ā R̄_ss`` to ``R_ts``, ``Ā R_st`` to ``R_tt``
    ==============================  =======================================================================

    and the same with ``t`` and ``s`` exchanged. ``R̄ = I + D⁻¹ (R − I)`` with the row sums ``D`` of ``R − I``;
    where a sum is 0, the row is that of ``I``. Targets are what gathers in the first cross-attention: the
    queries of a decoder. The row of the node that the score is read from is the map, of a detector
    ``from_sources[:, query]``.

    Matrices of ``(N + M)²`` numbers an image are formed.

    Args:
        model: of attentions on two sets of nodes of different sizes; its modes are restored.
        inputs: see :func:`relevance`.
        target: see there; of a decoder mostly a function, such as
            ``lambda output: output.logits[:, query, label]``.
        paths: only these attentions; by default all.
        max_nodes: of :class:`~gsp_nonlocal.probe.SpectralProbe`.

    Returns:
        A :class:`CrossRelevance`, in float32 or better.

    Raises:
        TypeError: for inputs or an output of another kind.
        ValueError: without cross-attention, for sets of nodes that are not two, or of one size, which are not
            told apart; for windows whose place is not known, and matrices that are too large; as of
            :func:`relevance`.

    References:
        Chefer, Gur, Wolf (2021), *Generic Attention-model Explainability for Interpreting Bi-Modal and
        Encoder-Decoder Transformers*, equations 5 to 11. Deviation: two cross-attentions side by side, of
        two modalities in each other, are taken one after the other.

    Example:
        >>> class Reader(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.layer = nn.TransformerDecoderLayer(8, 2, 16, batch_first=True)
        ...         self.head = nn.Linear(8, 3)
        ...     def forward(self, x):  # three nodes gather from all
        ...         return self.head(self.layer(x[:, :3], x)[:, 0])
        >>> found = cross_relevance(Reader(), torch.randn(4, 7, 8), target=2)
        >>> found.from_sources.shape, bool((found.from_sources >= 0).all())
        (torch.Size([4, 3, 7]), True)
    """
    layers = graded(model, inputs, target, paths, max_nodes, _check_sets)
    sizes = next(_ends(one.trace) for one in layers if isinstance(one.trace, CrossTrace))
    found = _at_first(layers, sizes)
    for one in layers:
        _add(found, _positive(one))
    return CrossRelevance(*(found[here, there] for here in sizes for there in sizes))


Parts = dict[tuple[int, int], Tensor]
"""Matrices by the sizes of both sets."""


def _at_first(layers: Sequence[Graded], sizes: Sequence[int]) -> Parts:
    """Each node by itself, in the widest type of a layer."""
    images, device = images_of(layers[0].trace), layers[0].gradient.device
    dtype = wide_dtype(*(one.gradient for one in layers))
    found = {(n, m): torch.zeros(images, n, m, dtype=dtype, device=device) for n in sizes for m in sizes}
    for size in sizes:
        found[size, size] += torch.eye(size, dtype=dtype, device=device)
    return found


def _add(found: Parts, weights: Tensor) -> None:
    """What one layer with these ``Ā (B, n, m)`` adds."""
    here, there = weights.shape[1:]
    weights = weights.to(found[here, here].dtype)
    if here == there:
        for other in {size for size, _ in found}:
            found[here, other] = found[here, other] + weights @ found[here, other]
        return
    across = _shares(found[here, here]).mT @ (weights @ _shares(found[there, there]))
    found[here, here] = found[here, here] + weights @ found[there, here]
    found[here, there] = found[here, there] + across


def _shares(relevance: Tensor) -> Tensor:
    """``I + D⁻¹ (R − I)``."""
    eye = torch.eye(relevance.shape[-1], dtype=relevance.dtype, device=relevance.device)
    gained = relevance - eye
    sums = gained.sum(-1, keepdim=True)
    return eye + gained / sums.where(sums > 0, 1.0)


def _positive(one: Graded) -> Tensor:
    """``Ā = E_h[(∇A ∘ A)⁺] (B, n, m)``."""
    if isinstance(one.trace, Trace):
        return positive_gradient(one).to_dense()
    weights, gradient, value = one.trace.weights, one.gradient, one.trace.signal
    wide = wide_dtype(gradient)
    gradient, value = gradient.to(wide), value.to(wide)
    count, targets, sources = weights.shape
    nodes = torch.arange(targets, device=gradient.device)
    parts = [
        (weights.rows(part).to(wide) * (gradient[:, part] @ value.mT)).clamp(min=0)
        for part in nodes.split(max(1, _ROWS // (count * sources)))
    ]
    return torch.cat([part.unflatten(0, (-1, one.trace.graphs)).mean(dim=1) for part in parts], dim=1)


def _check_sets(probe: SpectralProbe) -> None:
    """Raise unless all layers are on two sets of nodes that are told apart by their sizes."""
    crossings = [(path, trace) for path, traces in probe.crossings.items() for trace in traces]
    if not crossings:
        raise ValueError(
            "no attention between sets of nodes of different sizes was read; use relevance(model, inputs); "
            "for sets of one size, pass inputs that give them different ones"
        )
    for path, crossing in crossings:
        nodes, sources = _ends(crossing)
        if nodes == sources:
            raise ValueError(
                f"{named(path)} joins two sets of {nodes} nodes each, which are not told apart; pass inputs "
                "that give them different sizes"
            )
    layers: list[tuple[str, Trace | CrossTrace]] = [*crossings, *probe.in_order]
    check_windows(layers)
    path, first = crossings[0]
    nodes, sources = _ends(first)
    for other, trace in layers:
        if not set(_ends(trace)) <= {nodes, sources} or images_of(trace) != images_of(first):
            raise ValueError(
                f"{named(path)} joins {sources} nodes to {nodes}, of {images_of(first)} images, and "
                f"{named(other)} {_ends(trace)[1]} to {_ends(trace)[0]}, of {images_of(trace)}; choose "
                "layers of two sets of nodes with paths=[...]"
            )
    _check_size(images_of(first), nodes + sources)


def _ends(trace: Trace | CrossTrace) -> tuple[int, int]:
    """How many nodes gather, and from how many."""
    nodes, sources = (trace.shift if isinstance(trace, Trace) else trace.weights).shape[-2:]
    return nodes, sources


def _check_size(images: int, nodes: int) -> None:
    numbers = images * nodes**2
    if numbers > MOST_NUMBERS:
        raise ValueError(
            f"relevance among {nodes} nodes of {images} images takes {numbers:,} numbers, and at most "
            f"{MOST_NUMBERS:,} are formed; pass fewer or smaller inputs"
        )
