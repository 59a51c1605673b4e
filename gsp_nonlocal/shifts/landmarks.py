"""Rough leading eigenvectors of a large graph of exponential weights, from a sample of its nodes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from filters.operators.shift import ShiftOperator
from gsp_nonlocal.shifts.attention import AttentionShift
from gsp_nonlocal.shifts.exponential_shift import ExponentialShift
from gsp_nonlocal.shifts.implicit import SumShift
from gsp_nonlocal.shifts.scaled import ScaledShift

LANDMARKS = 4096
"""Nodes of a sample."""

ROWS = 4096
"""Rows of weights that exist at once."""

POWER_STEPS = 6
"""Steps of a subspace iteration on the sample."""

SampledWeights = Callable[[Tensor, Tensor], Tensor]
"""About ``N / m`` times ``S`` at some rows ``(n,)`` and ``m`` columns."""


def landmark_vectors(shift: ShiftOperator, count: int, generator: torch.Generator) -> Tensor | None:
    r"""About the ``count`` leading eigenvectors ``u ≈ S_{:,L} u_L`` of one graph, ``(N, count)``.

    ``u_L`` are those of the sample ``L`` of the nodes alone. Nothing is promised of them: they are where an
    iteration may start. ``N · |L|`` weights are computed, a part of one product.

    Args:
        shift: ``(1, N, N)``.
        count: of vectors.
        generator: draws the sample.

    Returns:
        Columns of length 1; ``None`` for a shift that is not made of exponential weights.

    References:
        Williams, Seeger (2001), *Using the Nyström method to speed up kernel machines*.
    """
    weights = _weights(shift)
    nodes = shift.shape[-1]
    if weights is None:
        return None
    chosen = torch.randperm(nodes, generator=generator)[:LANDMARKS].to(shift.device)
    small = weights(chosen, chosen)
    basis = torch.randn(len(chosen), min(count, len(chosen)), generator=generator).to(small)
    for _ in range(POWER_STEPS):
        basis = torch.linalg.qr(small @ basis).Q
    places = torch.arange(nodes, device=shift.device).split(ROWS)
    return torch.nn.functional.normalize(torch.cat([weights(rows, chosen) @ basis for rows in places]), dim=0)


def _weights(shift: ShiftOperator) -> SampledWeights | None:
    if type(shift) is AttentionShift:
        query, key = shift.scale * shift.query[0], shift.key[0]
        return lambda rows, chosen: torch.softmax(query[rows] @ key[chosen].mT, dim=-1)
    if type(shift) is ExponentialShift:
        return _exponential(shift)
    if type(shift) is ScaledShift:
        inner, left, right = _weights(shift.inner), shift.left[0], shift.right[0]
        return inner and (lambda rows, chosen: left[rows] * inner(rows, chosen) * right[chosen].mT)
    if type(shift) is SumShift:
        terms = [_weights(term) for term in shift.terms]
        known = [term for term in terms if term is not None]
        if len(known) == len(terms):
            return lambda rows, chosen: torch.stack([term(rows, chosen) for term in known]).sum(0)
    return None


def _exponential(shift: ExponentialShift) -> SampledWeights:
    query, key, row, column = shift.query[0], shift.key[0], shift.row[0], shift.column[0]

    def weights(rows: Tensor, chosen: Tensor) -> Tensor:
        exponents = query[rows] @ key[chosen].mT - row[rows] - column[chosen].mT
        return len(key) / len(chosen) * exponents.clamp(max=shift.ceiling).exp()

    return weights
