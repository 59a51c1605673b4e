"""How the eigenvalues of a graph are spread."""

from __future__ import annotations

from math import log

import torch
from torch import Tensor

from gsp_nonlocal.spectral.spectrum import Spectrum


def spectral_gap(found: Spectrum, *, absolute: bool = False) -> Tensor:
    r"""``Re μ_1 − Re μ_2 = Re λ_2 − Re λ_1``: how well the graph hangs together.

    0 where the graph falls into parts. On a directed graph the real parts are what bounds the conductance
    between parts, and what ``exp(−t L)`` decays with. A walk in steps decays with the moduli instead:
    ``absolute`` gives ``|μ|_1 − |μ|_2``, each sorted on its own, which is 0 on two-sided and periodic graphs
    too.

    Args:
        found: the spectrum of a shift. Of an incomplete one, ``k`` must be great enough for the two
            eigenvalues to be sure.
        absolute: moduli instead of real parts.

    Returns:
        ``(B,)`` in float64, non-negative; 0 for a graph of one node. At most 2 for a normalised shift, at
        most 1 with ``absolute``.

    Raises:
        TypeError: if ``found`` is no :class:`Spectrum`.
        ValueError: if an eigenvalue that was left out may be the second one, or if the spectrum is not
            certified.

    References:
        Levin, Peres (2017), *Markov Chains and Mixing Times*, 12.2, for both gaps; Mehta, Schulman (2020),
        *Edge Expansion and Spectral Gap of Nonnegative Matrices*, for real parts on directed graphs.

    Example:
        >>> from gsp_nonlocal.spectral import spectrum
        >>> spectral_gap(spectrum(torch.full((4, 4), 0.25))).round(decimals=6)
        tensor([1.], dtype=torch.float64)
        >>> cycle = spectrum(torch.eye(4).roll(1, 0))
        >>> [round(spectral_gap(cycle, absolute=absolute).item(), 6) for absolute in (False, True)]
        [1.0, 0.0]
    """
    _require_spectrum(found)
    values = found.eigenvalues.abs() if absolute else found.eigenvalues.real
    top = values.sort(dim=-1, descending=True).values
    if not found.is_certified:
        raise ValueError(
            f"the {top.shape[-1]} eigenvalues known are not sure to be the greatest, repeated "
            "ones may be missing; "
            'compute all, for example with spectrum(shift, method="dense")'
        )
    if not found.is_complete:
        _require_second(top, found.eigenvalues.abs().amin(dim=-1))
    return top[:, 0] - top[:, min(1, top.shape[-1] - 1)]


def effective_rank(found: Spectrum) -> Tensor:
    r"""``exp(−Σ p ln p)`` with ``p = |μ| / Σ|μ|``: how many eigenvalues carry the graph.

    The scale of ``S`` does not matter.

    Args:
        found: the spectrum of a shift, all of it.

    Returns:
        ``(B,)`` in float64: between 1 (all nodes share one pattern) and ``N``; 0 where all eigenvalues are 0,
        as in a graph without edges.

    Raises:
        TypeError: if ``found`` is no :class:`Spectrum`.
        ValueError: if the spectrum is not complete.

    References:
        Roy, Vetterli (2007), *The Effective Rank*.

    Deviations:
        The reference takes singular values; those of a symmetric shift are ``|μ|``. On a directed graph
        without cycles all ``μ`` are 0 but for rounding, and the number says nothing.

    Example:
        >>> from gsp_nonlocal.spectral import spectrum
        >>> effective_rank(spectrum(torch.eye(5))).round(decimals=6)
        tensor([5.], dtype=torch.float64)
    """
    total, entropy = _total_and_entropy(found)
    return torch.where(total > 0, entropy.exp(), 0.0)


def spectral_entropy(found: Spectrum) -> Tensor:
    r"""``−Σ p ln p / ln N`` with ``p = |μ| / Σ|μ|``: :func:`effective_rank`, comparable between sizes.

    Args:
        found: the spectrum of a shift, all of it.

    Returns:
        ``(B,)`` in float64, in ``[0, 1]``: 0 where one eigenvalue carries the graph, 1 where all ``N`` have
        one modulus; 0 where all are 0, and for a graph of one node.

    Raises:
        TypeError: if ``found`` is no :class:`Spectrum`.
        ValueError: if the spectrum is not complete.

    References:
        Roy, Vetterli (2007), *The Effective Rank*, for the entropy of shares.

    Example:
        >>> from gsp_nonlocal.spectral import spectrum
        >>> spectral_entropy(spectrum(torch.diag(torch.tensor([1.0, -1.0, 0.0, 0.0])))).round(decimals=6)
        tensor([0.5000], dtype=torch.float64)
    """
    _require_spectrum(found)
    nodes = found.eigenvalues.shape[-1]
    return (_total_and_entropy(found)[1] / log(max(nodes, 2))).clamp(0, 1)


def _total_and_entropy(found: Spectrum) -> tuple[Tensor, Tensor]:
    """``Σ |μ|`` and ``−Σ p ln p``, each ``(B,)``."""
    _require_spectrum(found)
    if not found.is_complete:
        raise ValueError(
            f"only {found.eigenvalues.shape[-1]} eigenvalues are known, and this measure needs all of them; "
            "compute them with spectrum(shift), without k"
        )
    size = found.eigenvalues.abs()
    total = size.sum(dim=-1, keepdim=True)
    share = size / total.masked_fill(total == 0, 1.0)
    return total[:, 0], torch.special.entr(share).sum(dim=-1)


def _require_spectrum(found: object) -> None:
    if not isinstance(found, Spectrum):
        raise TypeError(f"expected a Spectrum, got {type(found).__name__}; spectrum(shift) computes it")


def _require_second(top: Tensor, least: Tensor) -> None:
    """Raise a ``ValueError`` unless the second of ``top`` is beyond every eigenvalue left out."""
    known = top.shape[-1]
    if known < 2 or (top[:, 1] < (1 - 1e-6) * least).any():
        raise ValueError(
            f"the {known} eigenvalues of greatest modulus do not tell which one is the second; ask spectrum "
            f"for more, for example k={4 * known}"
        )
