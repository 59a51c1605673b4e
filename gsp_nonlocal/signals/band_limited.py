"""Signals of a low band, from some of their values."""

from __future__ import annotations

import torch
from torch import Tensor

from filters.checks import require_integer, require_tensor
from gsp_nonlocal.shifts import DiagonalShift, ShiftOperator
from gsp_nonlocal.shifts.structure import has_closed_spectrum
from gsp_nonlocal.signals.known import known_nodes, known_values, undirected
from gsp_nonlocal.spectral.spectrum import spectrum

DETERMINED = 1e-8
"""Least share of a band's signal that the known nodes hold: its values lose as many digits."""


def sample(z: Tensor, mask: Tensor) -> Tensor:
    """``z_i`` where the mask is true, NaN elsewhere: what :func:`reconstruct` and ``interpolate`` take.

    Args:
        z: signal ``(B, N, C)``, real floating-point.
        mask: ``(N,)`` or ``(B, N)``, boolean.

    Raises:
        TypeError: if ``z`` is not real floating-point or the mask is not boolean.
        ValueError: if shapes do not fit, or the mask names no node.

    References:
        Chen, Varma, Sandryhaila, Kovačević (2015), *Discrete Signal Processing on Graphs: Sampling Theory*.

    Example:
        >>> sample(torch.ones(1, 2, 1), torch.tensor([True, False])).flatten()
        tensor([1., nan])
    """
    if require_tensor("z", z).dim() != 3:
        raise ValueError(f"z has shape (B, N, C), got {tuple(z.shape)}")
    known = known_nodes(mask, z.shape[1])
    return known_values(z, known).where(known, torch.nan)


def reconstruct(values: Tensor, mask: Tensor, shift: ShiftOperator | Tensor, bandwidth: int) -> Tensor:
    r"""``y = U_k c`` with ``c = argmin ‖M (U_k c − z)‖²``: the signal of the ``k`` lowest frequencies.

    ``U_k`` holds the eigenvectors of the ``k`` least ``λ``. A signal of that band comes back exactly from
    nodes that determine it; noise grows by up to ``1 / σ``, the least singular value of ``M U_k``. Where
    ``λ_k = λ_{k+1}``, the band is any ``k`` of the equal ones: choose another ``bandwidth``.

    Args:
        values: ``z (B, N, C)``, real; what stands outside the mask is not read.
        mask: ``(N,)`` or ``(B, N)``, boolean.
        shift: a symmetric shift, or a plain tensor; its spectrum is found (:func:`spectrum`).
        bandwidth: ``k``, from 1 to the number of known nodes.

    Returns:
        ``y (B, N, C)`` in the greater precision of both; differentiable in ``values``.

    Raises:
        TypeError: as :func:`sample`; if ``shift`` is no shift, or ``bandwidth`` no integer.
        ValueError: where the mask cannot determine the band: too few nodes, or ``M U_k`` of a lower rank;
            where the low-rank shift has fewer than ``k`` positive ``μ``; and as ``interpolate``.

    References:
        Pesenson (2008), *Sampling in Paley-Wiener spaces on combinatorial graphs*; Chen, Varma, Sandryhaila,
        Kovačević (2015), *Discrete Signal Processing on Graphs: Sampling Theory*.

    Example:
        >>> ring = torch.eye(6).roll(1, 0) + torch.eye(6).roll(-1, 0)
        >>> z = torch.ones(1, 6, 1)
        >>> mask = torch.tensor([True, False, False, False, False, False])
        >>> reconstruct(sample(z, mask), mask, ring / 2, bandwidth=1).flatten()
        tensor([1., 1., 1., 1., 1., 1.])
    """
    shift = undirected(shift)
    known = known_nodes(mask, shift.shape[-1])
    z = known_values(values, known)
    fewest = int(known.sum(dim=1).min())
    if require_integer("bandwidth", bandwidth) > fewest:
        raise ValueError(
            f"{fewest} known nodes do not determine the {bandwidth} coefficients of this band; know more "
            "nodes, or lower bandwidth"
        )
    basis = _lowest(shift, bandwidth)
    q, r = torch.linalg.qr(_determined(basis * known, fewest))
    found = basis @ torch.linalg.solve_triangular(r, q.mT @ z.double(), upper=True)
    return found.to(torch.promote_types(values.dtype, shift.dtype))


def _lowest(shift: ShiftOperator, bandwidth: int) -> Tensor:
    """``U_k (B, N, k)``, those of the greatest ``μ``."""
    if has_closed_spectrum(shift):
        found = spectrum(shift, eigenvectors=True)
        if found.exact_zeros and bandwidth > int((found.paired > 0).sum(dim=-1).min()):
            positive = int((found.paired > 0).sum(dim=-1).min())
            raise ValueError(
                f"this low-rank shift has {positive} positive eigenvalues, then {found.exact_zeros} equal "
                f"ones of 0, of which a band of {bandwidth} would take some; lower bandwidth to {positive}"
            )
    else:  # by modulus, so that 1 + μ ≥ 0 is searched
        ones = torch.ones(1, shift.shape[-1], dtype=shift.dtype, device=shift.device)
        found = spectrum(shift + DiagonalShift(ones), k=bandwidth, eigenvectors=True)
    assert found.eigenvectors is not None
    return found.eigenvectors[..., :bandwidth]


def _determined(known: Tensor, nodes: int) -> Tensor:
    """``M U_k``, if its columns are independent."""
    sizes = torch.linalg.svdvals(known)
    rank = int((sizes > DETERMINED).sum(dim=-1).min())
    if rank < known.shape[-1]:
        raise ValueError(
            f"{nodes} known nodes determine {rank} of the {known.shape[-1]} coefficients of this band: the "
            f"least singular value is {float(sizes.min()):.1e}; know other nodes, or lower bandwidth"
        )
    return known
