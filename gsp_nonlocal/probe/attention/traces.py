"""An attention as a graph, or as a join of two sets of nodes."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from filters import DenseShift, ShiftOperator
from filters.operators.promises import PromiseKeywords, Promises
from gsp_nonlocal.probe.attention.cuts import find_windows
from gsp_nonlocal.probe.attention.recorded import Attention, Scores
from gsp_nonlocal.probe.trace import CrossTrace, Trace
from gsp_nonlocal.shifts import AttentionShift, LowRankShift
from gsp_nonlocal.shifts.attention import SOFTMAX
from gsp_nonlocal.shifts.biadjacency import AttentionBiadjacency, DenseBiadjacency, Exponents
from gsp_nonlocal.shifts.masked_attention import MaskedAttentionShift
from gsp_nonlocal.shifts.windows import WindowShift
from gsp_nonlocal.spectral.layout import Layout


def trace_of(found: Attention, images: int, recent: Iterable[Tensor] = ()) -> Trace | CrossTrace:
    """The graphs ``(B·G, N, N)`` of an attention over ``images`` images, or what joins ``M`` nodes to ``N``.

    Leading dimensions are images first, then windows and heads. Tensors are copied: what a model writes to
    afterwards stays as it was seen. Windows whose tokens are found on one of the ``recent`` maps are one
    graph of that map.
    """
    shape = found.shape
    lead, (nodes, sources) = shape[:-2], shape[-2:]
    value = _flat(found.value, lead)
    graphs = _graphs(lead, images)
    apart = lead[:-1].numel() * graphs // lead.numel() if len(lead) > 1 else 1
    if nodes != sources or found.two_sets:
        return CrossTrace(_join(found, lead), value, graphs, apart)
    shift = _shift(found, lead)
    windows = None if found.source is None else find_windows(found.source, images, recent)
    if windows is None or lead[0] != len(windows.places) * images:
        return Trace(shift, value, apply_shift, Layout((nodes,)), graphs, windows=apart)
    heads = lead.numel() // lead[0]
    whole = WindowShift(shift, windows.places, heads)
    return Trace(whole, whole.from_windows(value), apply_shift, Layout(windows.spatial), heads)


def apply_shift(z: Tensor, shift: ShiftOperator) -> Tensor:
    """``S z``."""
    return shift @ z


def _shift(found: Attention, lead: torch.Size) -> ShiftOperator:
    if found.factors is not None:
        left, right = (_flat(part, lead) for part in found.factors)
        return LowRankShift(left, right, **_promised(_rows_sum(left, right)))
    if found.scores is None:
        return DenseShift(_flat(found.matrix, lead), **_promised(_sums(found)))
    exponents = exponents_of(found.scores, lead)
    if exponents.is_plain:
        return AttentionShift(exponents.query, exponents.key, exponents.scale)
    return MaskedAttentionShift(exponents)


def _join(found: Attention, lead: torch.Size) -> AttentionBiadjacency | DenseBiadjacency:
    if found.scores is None:
        return DenseBiadjacency(_flat(found.matrix, lead))
    return AttentionBiadjacency(exponents_of(found.scores, lead))


def _promised(sums: bool) -> PromiseKeywords:
    """What is known of weights whose rows sum to 1, or may not."""
    return (SOFTMAX if sums else Promises()).keywords()


def _sums(found: Attention) -> bool:
    """Whether the matrix keeps the promises of a softmax, by its numbers where it was mixed."""
    if found.is_stochastic or found.matrix is None:
        return found.is_stochastic
    sums, room = (
        found.matrix.double().sum(-1),
        10 * torch.finfo(found.matrix.dtype).eps * found.matrix.shape[-1],
    )
    return bool((found.matrix >= 0).all()) and bool(((sums - 1).abs() < room).all())


def _rows_sum(left: Tensor, right: Tensor) -> bool:
    """Whether ``left · rightᵀ`` is sure to be row-stochastic: no negative factor, and rows that sum to 1."""
    sums = left.double() @ right.double().sum(dim=1).unsqueeze(-1)
    room = 10 * torch.finfo(left.dtype).eps * right.shape[1]
    return bool((left >= 0).all() and (right >= 0).all()) and bool(((sums - 1).abs() < room).all())


def exponents_of(scores: Scores, lead: torch.Size) -> Exponents:
    """Scores with all leading dimensions in one, and their mask apart from what they add."""
    query, key = (_flat(part, lead) for part in (scores.query, scores.key))
    bias, hidden, causal = None, None, scores.is_causal
    if scores.bias is not None:
        bias, hidden = _mask(_broad(scores.bias, lead))
        if hidden is not None and not causal and _is_later(hidden, query.shape[1], key.shape[1]):
            hidden, causal = None, True
    return Exponents(query, key, scores.scale, bias, hidden, causal)


def _mask(added: Tensor) -> tuple[Tensor | None, Tensor | None]:
    """What is added, and 1 where an edge is left out; each ``None`` where it does nothing.

    Below half of the least number of its data type an exponent is left out, but in a row that has no other.
    """
    least = torch.finfo(added.dtype).min / 2
    if float(added.amin()) > least:
        return added.clone(), None
    out = added <= least
    out = out & ~(out & added.isfinite()).all(dim=-1, keepdim=True)
    rest = added.masked_fill(out, 0.0)
    return (rest.clone() if bool(rest.any()) else None), (out.to(added.dtype) if bool(out.any()) else None)


def _is_later(hidden: Tensor, nodes: int, sources: int) -> bool:
    """Whether exactly the later nodes are left out, in all graphs."""
    if nodes != sources or hidden.shape[-2:] != (nodes, nodes):
        return False
    later = torch.ones(nodes, nodes, dtype=torch.bool, device=hidden.device).triu(1)
    return bool(((hidden > 0.5) == later).all())


def _broad(added: Tensor, lead: torch.Size) -> Tensor:
    """A mask as ``(1 or B·G, ·, ·)``: repeated over heads only where images differ."""
    added = added if added.dim() >= 2 else added.view(1, -1)
    own = added.shape[:-2]
    if own.numel() == 1:
        return added.reshape(1, *added.shape[-2:])
    return _flat(added, lead)


def _flat(part: Tensor | None, lead: torch.Size) -> Tensor:
    """``(∏ lead, ·, ·)`` of a tensor that is broadcast over ``lead``; a copy."""
    assert part is not None
    ends = part.shape[-2:]
    if part.shape[:-2] != lead:
        part = part.expand(*lead, *ends)
    return part.detach().clone(memory_format=torch.contiguous_format).view(lead.numel(), *ends)


def _graphs(lead: torch.Size, images: int) -> int:
    """How many graphs an image has: images come first among the leading dimensions."""
    first = lead[0] if lead else 1
    if images < 1 or first % images:
        images = first if len(lead) > 1 else 1
    return lead.numel() // images
