"""Filters and signals by node and frequency."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from filters import SpectralFunction, WaveletFrame, frames
from filters.checks import require_integer
from filters.operators.shift import require_signal
from gsp_nonlocal.shifts import ShiftOperator
from gsp_nonlocal.signals.known import undirected
from gsp_nonlocal.spectral.spectrum import Spectrum, spectrum


def localise(filter: SpectralFunction, node: int | Sequence[int], shift: ShiftOperator | Tensor) -> Tensor:
    r"""``T_i g = √N g(L) δ_i``: the filter's response to an impulse at node ``i``.

    With the factor ``√N`` as in its source: on a ring, where eigenvectors are of constant modulus, the atom
    of ``g = 1`` has the energy ``N``, and ``Σ_i ‖T_i g‖² = N Σ_k g(λ_k)²`` on any graph.

    Args:
        filter: a fixed response ``g``, as ``Heat(5.0)``.
        node: ``i``, or several nodes.
        shift: a symmetric shift over ``N`` nodes, or a plain tensor.

    Returns:
        ``(B, N, K)`` in the data type of the shift: a channel a node, ``K = 1`` for one.

    Raises:
        TypeError: if ``filter`` is no :class:`SpectralFunction`, or a node is no integer.
        ValueError: if there is no such node, or the shift is directed.

    References:
        Shuman, Ricaud, Vandergheynst (2016), *Vertex-frequency analysis on graphs*. As PyGSP's ``localize``.

    Example:
        >>> from filters import Heat
        >>> localise(Heat(1.0), [0, 1], torch.zeros(2, 2)).diagonal(dim1=1, dim2=2)
        tensor([[0.5203, 0.5203]])
    """
    if not isinstance(filter, SpectralFunction):
        raise TypeError(f"filter is a SpectralFunction such as Heat(5.0), got {type(filter).__name__}")
    shift = undirected(shift)
    chosen = list(node) if isinstance(node, Sequence) else [node]
    size = shift.shape[-1]
    places = [require_integer("node", one, 0, "nodes count from 0") for one in chosen]
    if not places or max(places) >= size:
        raise ValueError(f"node must be from 0 to {size - 1}, got {chosen}")
    impulses = torch.zeros(shift.shape[0], size, len(places), dtype=shift.dtype, device=shift.device)
    impulses[:, places, range(len(places))] = size**0.5
    return filter(impulses, shift)


def spectrogram(z: Tensor, shift: ShiftOperator | Tensor, bands: WaveletFrame | int = 20) -> Tensor:
    r"""``E_ij = (g_j(L) z)_i²``: the energy of a signal at node ``i`` in band ``j``.

    By default bands are Gaussian windows ``g_j(λ) = exp(−J (λ − λ_j)² / 4)`` at ``J`` frequencies ``λ_j``
    spread evenly over ``[0, 2]``. Of a tight frame of bound ``A`` the energies of all nodes and bands sum to
    ``A ‖z‖²``: ``bands=itersine(20)``.

    Args:
        z: signal ``(B, N, C)``, real.
        shift: a symmetric shift, or a plain tensor.
        bands: any bank of responses, or ``J``, at least 2, for Gaussian windows.

    Returns:
        ``(B, N, J, C)``, differentiable in ``z`` and the shift.

    Raises:
        TypeError: if ``bands`` is neither a frame nor an integer, or ``z`` is no floating-point tensor.
        ValueError: if ``z`` does not fit the shift, or that is directed; for fewer than 2 bands.

    References:
        Shuman, Ricaud, Vandergheynst (2016), *Vertex-frequency analysis on graphs*: ``|⟨z, g_{i,j}⟩|²`` with
        translates of a window. Deviation: windows are moved along ``λ``, not by products with eigenvectors,
        which need all of them.

    Example:
        >>> from filters.wavelets import itersine
        >>> z, shift = torch.randn(1, 6, 1), torch.full((6, 6), 1 / 6)
        >>> energies = spectrogram(z, shift, itersine(5))
        >>> energies.shape, torch.allclose(energies.sum(), z.square().sum())
        (torch.Size([1, 6, 5, 1]), True)
    """
    shift, frame = undirected(shift), _frame(bands)
    require_signal(z, shift)
    return frame(z, shift).square()


def atom_energies(shift: ShiftOperator | Tensor, bands: WaveletFrame | int = 100) -> Tensor:
    r"""``E_ij = ‖g_j(L) δ_i‖² = Σ_k g_j(λ_k)² U_ik²``: how much of band ``j`` there is about node ``i``.

    Exact, from the eigenvectors; of a low-rank shift ``N R (R + J)`` operations; what its factors
    do not span has the frequency 1.

    Args:
        shift: a symmetric shift, or a plain tensor; up to 4096 nodes where it has no factors.
        bands: as of :func:`spectrogram`.

    Returns:
        ``(B, N, J)``, float64, without gradients.

    Raises:
        TypeError: if ``bands`` is neither a frame nor an integer.
        ValueError: if the shift is directed, or too large; for fewer than 2 bands.

    References:
        Shuman, Ricaud, Vandergheynst (2016). As PyGSP's ``compute_spectrogram``.

    Example:
        >>> atom_energies(torch.zeros(3, 3), 5).squeeze(0)[0]
        tensor([0.0821, 0.5353, 1.0000, 0.5353, 0.0821], dtype=torch.float64)
    """
    frame = _frame(bands)
    found = spectrum(undirected(shift), eigenvectors=True)
    responses = [band for band in frame.bands if isinstance(band, SpectralFunction)]
    return torch.stack([_energies(band, found) for band in responses], dim=-1)


def _energies(band: SpectralFunction, found: Spectrum) -> Tensor:
    assert found.eigenvectors is not None
    weights = found.eigenvectors.square()
    energy = (weights @ band.gain(1 - found.paired).square().unsqueeze(-1)).squeeze(-1)
    if not found.exact_zeros:
        return energy
    return energy + (1 - weights.sum(dim=-1)) * band.gain(energy.new_ones(1)).square()


def _frame(bands: WaveletFrame | int) -> WaveletFrame:
    if isinstance(bands, WaveletFrame):
        return bands
    count = require_integer("bands", bands, 2)
    window = SpectralFunction(partial(_gaussian, width=count), name=f"exp(−{count} λ²/4)")
    return frames.gabor(window, [2 * j / (count - 1) for j in range(count)])


def _gaussian(lam: Tensor, width: float) -> Tensor:
    return torch.exp(-width * (lam / 2).square())
