"""Numbers that sum up a graph and a signal on it."""

from __future__ import annotations

import torch
from torch import Tensor

from gsp_nonlocal.shifts import ShiftOperator, as_shift
from gsp_nonlocal.spectral.spectrum import Spectrum


def dirichlet_energy(z: Tensor, shift: ShiftOperator | Tensor) -> Tensor:
    r"""``tr(zᵀ L z) / tr(zᵀ z)``, ``L = I − S``: the mean graph frequency of a signal, in ``[0, 2]``.

    0: the signal is as smooth as the graph allows; 2: it alternates along every edge. A zero signal
    has energy 0. (For ``S`` that is not symmetric its symmetric part counts.)

    Args:
        z: node signal ``(B, N, C)``, real.
        shift: a shift over ``N`` nodes, or a plain tensor.

    Returns:
        ``(B,)``, in the data type of ``z``; differentiable.

    References:
        Chung (1997), *Spectral Graph Theory*, 1.2; Cai, Wang (2020) for its use against over-smoothing.

    Example:
        >>> pair = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
        >>> dirichlet_energy(torch.tensor([[[1.0], [1.0]], [[1.0], [-1.0]]]), pair)
        tensor([0., 2.])
    """
    shift = as_shift(shift).to(z.dtype)
    power = z.square().sum(dim=(-2, -1))
    rough = (z * (z - shift @ z)).sum(dim=(-2, -1))
    return rough / power.masked_fill(power == 0, 1.0)


def spectral_gap(found: Spectrum) -> Tensor:
    r"""``λ_2 − λ_1 = μ_1 − μ_2``: how well the graph hangs together; 0 where it falls into parts.

    Args:
        found: the spectrum of a shift; of a complex one the real parts count.

    Returns:
        ``(B,)`` in float64; 0 for a graph of one node.

    Example:
        >>> from gsp_nonlocal.spectral import spectrum
        >>> spectral_gap(spectrum(torch.full((4, 4), 0.25))).round(decimals=6)
        tensor([1.], dtype=torch.float64)
    """
    values = found.eigenvalues.real
    return values[:, 0] - values[:, min(1, values.shape[-1] - 1)]


def effective_rank(found: Spectrum) -> Tensor:
    r"""``exp(−Σ p ln p)`` with ``p = |μ| / Σ|μ|``: how many eigenvalues carry the graph.

    Between 1 (all nodes share one pattern) and ``N``; 0 for a graph without edges.

    Args:
        found: the spectrum of a shift.

    Returns:
        ``(B,)`` in float64.

    References:
        Roy, Vetterli (2007), on singular values; those of a symmetric shift are ``|μ|``.

    Example:
        >>> from gsp_nonlocal.spectral import spectrum
        >>> effective_rank(spectrum(torch.eye(5))).round(decimals=6)
        tensor([5.], dtype=torch.float64)
    """
    size = found.paired.abs()
    total = size.sum(dim=-1, keepdim=True)
    share = size / total.masked_fill(total == 0, 1.0)
    return torch.where(total[:, 0] > 0, torch.special.entr(share).sum(dim=-1).exp(), 0.0)
