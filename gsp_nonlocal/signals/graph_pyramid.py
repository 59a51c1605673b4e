"""A signal on coarser and coarser graphs, and back."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from filters.checks import require_integer, require_positive
from gsp_nonlocal.shifts import DiagonalShift, ShiftOperator, scaled
from gsp_nonlocal.shifts.structure import has_closed_spectrum
from gsp_nonlocal.signals.denoising import denoise
from gsp_nonlocal.signals.interpolation import interpolate
from gsp_nonlocal.signals.known import undirected
from gsp_nonlocal.signals.kron import kron_reduction
from gsp_nonlocal.spectral.spectrum import spectrum


class Pyramid(NamedTuple):
    """A signal on ``J + 1`` graphs, of which each after the first is a reduction of that before.

    Attributes:
        coarse: the signal on the coarsest graph, ``(B, N_J, C)``.
        errors: of each level, the finest first, what prediction from the next one leaves: ``(B, N_j, C)``.
        kept: of each level the nodes that the next one has, ``(N_{j+1},)``.
        shifts: the graphs, ``J + 1`` of them.

    Example:
        >>> ring = 0.5 * (torch.eye(8).roll(1, 0) + torch.eye(8).roll(-1, 0))
        >>> parts = graph_pyramid(torch.randn(1, 8, 2), ring, levels=2)
        >>> [shift.shape[-1] for shift in parts.shifts], parts.kept[0]
        ([8, 4, 2], tensor([0, 2, 4, 6]))
    """

    coarse: Tensor
    errors: list[Tensor]
    kept: list[Tensor]
    shifts: list[ShiftOperator]


def graph_pyramid(z: Tensor, shift: ShiftOperator | Tensor, levels: int, alpha: float = 2.0) -> Pyramid:
    r"""``c_{j+1} = (H_j c_j)_k`` and ``e_j = c_j − P_j c_{j+1}``, from ``c_0 = z``: a signal level by level.

    Each level keeps the nodes ``k`` where the eigenvector of the greatest ``λ`` has the sign that it has at
    the first node, low-passes by ``H = (I + αL)⁻¹``, and predicts by the harmonic signal ``P`` with the kept
    values (:func:`interpolate`). The next graph is the Kron reduction. :func:`synthesise` gives ``z`` back
    exactly, whatever ``α``.

    Args:
        z: signal ``(B, N, C)``, real.
        shift: one symmetric graph, connected, or a plain tensor.
        levels: ``J``, at least 1.
        alpha: ``α > 0`` of the low-pass ``1 / (1 + α λ)``.

    Returns:
        A :class:`Pyramid`, differentiable in ``z``.

    Raises:
        TypeError: if ``z`` is not real floating-point, ``shift`` is no shift, ``levels`` no integer, or
            ``alpha`` no real number.
        ValueError: if ``z`` does not fit the graph or has NaN, ``levels`` is below 1, or ``alpha`` is not
            positive; for a batch of graphs, a directed or disconnected one; where fewer than two nodes would
            be kept; where the greatest ``λ`` of a low-rank shift has no eigenvector of its own.
        ConvergenceError: if an iteration does not converge.

    References:
        Shuman, Faraji, Vandergheynst (2016), *A Multiscale Pyramid Transform for Graph Signals*. Deviation:
        reduced graphs are not made sparser, and ``L`` is not regularised before the prediction.

    Example:
        >>> ring = torch.eye(8).roll(1, 0) + torch.eye(8).roll(-1, 0)
        >>> z = torch.randn(1, 8, 2)
        >>> parts = graph_pyramid(z, ring / 2, levels=2)
        >>> parts.coarse.shape, torch.allclose(synthesise(parts), z, atol=1e-5)
        (torch.Size([1, 2, 2]), True)
    """
    fine = undirected(shift)
    if fine.shape[0] != 1:
        raise ValueError(f"a pyramid is of one graph, got a batch of {fine.shape[0]}; use shift.graph(index)")
    alpha = require_positive("alpha", alpha)
    errors, kept, shifts = [], [], [fine]
    for _ in range(require_integer("levels", levels)):
        nodes = _largest_eigenvector_nodes(fine)
        smaller = denoise(z, fine, "tikhonov", alpha)[:, nodes]
        errors.append(z - _predicted(smaller, nodes, fine))
        kept.append(nodes)
        z, fine = smaller, kron_reduction(fine, nodes)
        shifts.append(fine)
    return Pyramid(z, errors, kept, shifts)


def synthesise(parts: Pyramid) -> Tensor:
    """``c_j = P_j c_{j+1} + e_j`` down to ``z = c_0``: the signal of a pyramid, ``(B, N, C)``.

    Args:
        parts: a :class:`Pyramid`; its coarse signal and its errors may have been changed, quantised for one.

    Returns:
        ``z (B, N, C)``, differentiable in the coarse signal and the errors.

    Raises:
        TypeError: if ``parts`` is no :class:`Pyramid`.

    References:
        Shuman, Faraji, Vandergheynst (2016), *A Multiscale Pyramid Transform for Graph Signals*.

    Example:
        >>> ring = 0.5 * (torch.eye(8).roll(1, 0) + torch.eye(8).roll(-1, 0))
        >>> parts = graph_pyramid(torch.ones(1, 8, 1), ring, levels=1)
        >>> smooth = parts._replace(errors=[torch.zeros(1, 8, 1)])  # of a constant, prediction is exact
        >>> torch.allclose(synthesise(smooth), torch.ones(1, 8, 1))
        True
    """
    if not isinstance(parts, Pyramid):
        raise TypeError(f"expected a Pyramid, as graph_pyramid gives, got {type(parts).__name__}")
    z = parts.coarse
    levels = zip(parts.errors, parts.kept, parts.shifts, strict=False)
    for error, nodes, shift in reversed(list(levels)):
        z = error + _predicted(z, nodes, shift)
    return z


def _predicted(values: Tensor, nodes: Tensor, shift: ShiftOperator) -> Tensor:
    """The harmonic signal with these values ``(B, K, C)`` at the nodes."""
    size = shift.shape[-1]
    mask = torch.zeros(size, dtype=torch.bool, device=values.device).index_fill(0, nodes, True)
    whole = values.new_zeros(len(values), size, values.shape[-1]).index_copy(1, nodes, values)
    return interpolate(whole, mask, shift)


def _largest_eigenvector_nodes(shift: ShiftOperator) -> Tensor:
    """The nodes where the eigenvector of the greatest ``λ`` has the sign of its first entry that is not 0."""
    vector = _last_eigenvector(shift)
    size = vector.abs()
    leading = vector[int((size > 1e-8 * size.max()).nonzero()[0])]
    nodes = (vector * leading.sign() >= 0).nonzero().flatten()
    if not 2 <= len(nodes) < len(vector):
        raise ValueError(
            f"a graph of {len(vector)} nodes would be reduced to {len(nodes)}, and at least 2 are left; "
            "ask for fewer levels"
        )
    return nodes


def _last_eigenvector(shift: ShiftOperator) -> Tensor:
    """``u (N,)`` of the least ``μ``."""
    if has_closed_spectrum(shift):
        found = spectrum(shift, eigenvectors=True)
        least = int(found.paired[0].argmin())
        if found.exact_zeros and not float(found.paired[0, least]) < 0:
            raise ValueError(
                "no eigenvalue of this low-rank shift is negative: its greatest frequency is 1, of all that "
                "the factors do not span, and no eigenvector of it stands out; choose nodes yourself, "
                "kron_reduction(shift, keep)"
            )
    else:  # by modulus, so that 1 − μ ≥ 0 is searched
        ones = torch.ones(1, shift.shape[-1], 1, dtype=shift.dtype, device=shift.device)
        other = scaled(shift, -ones, ones, is_symmetric=True) + DiagonalShift(ones[..., 0])
        found = spectrum(other, k=1, eigenvectors=True)
        least = 0
    assert found.eigenvectors is not None
    return found.eigenvectors[0, :, least]
