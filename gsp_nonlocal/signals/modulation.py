"""Signals moved by frequency, and what of each frequency there is about each node."""

from __future__ import annotations

import torch
from torch import Tensor

from filters import SpectralFunction
from filters.checks import require_integer, require_tensor
from filters.operators.ranks import require_whole
from gsp_nonlocal.spectral.fourier import eigenvectors_of, in_one_type
from gsp_nonlocal.spectral.spectrum import Spectrum

_SMALL = 1e-12  # share of the greatest atom's energy below which nothing is known about a node


def modulate(z: Tensor, frequency: int, found: Spectrum) -> Tensor:
    r"""``M_k z = √N u_k ⊙ z``: a signal times the eigenvector of a frequency.

    On a ring that moves a signal's frequencies, as a product of waves does; on other graphs as far as
    eigenvectors are waves. ``u_0`` of a combinatorial Laplacian is constant, and ``M_0 z = ± z``. The sign
    of ``u_k`` is free, and where ``λ_k`` is not single, it is one of many: so is the result.

    Args:
        z: signal ``(B, N, C)``.
        frequency: ``k``, a column of ``found.eigenvectors``, at ``λ_k = 1 − found.paired[:, k]``; ascending.
        found: the spectrum of a symmetric shift, with eigenvectors, of ``B`` graphs or of one.

    Returns:
        ``(B, N, C)``, float64 or complex128; differentiable in ``z``.

    Raises:
        TypeError: if ``z`` has integers, ``found`` is no spectrum, or ``frequency`` no integer.
        ValueError: if there is no such eigenvector, or none at all, if the shift is directed, or ``z`` does
            not fit.

    References:
        Shuman, Ricaud, Vandergheynst (2016), *Vertex-frequency analysis on graphs*.

    Example:
        >>> from gsp_nonlocal.spectral import spectrum
        >>> found = spectrum(torch.tensor([[0.0, 1.0], [1.0, 0.0]]), eigenvectors=True)
        >>> modulate(torch.tensor([[[3.0], [5.0]]]), 1, found).abs().flatten().round(decimals=6)
        tensor([3., 5.], dtype=torch.float64)
    """
    z, vectors = in_one_type(z, _waves(found), found.eigenvalues.shape[-1], "a signal on this graph")
    known = vectors.shape[-1]
    if require_integer("frequency", frequency, 0, "frequencies count from 0") >= known:
        raise ValueError(
            f"frequency must be from 0 to {known - 1}, as there are eigenvectors, got {frequency}"
        )
    return vectors.shape[1] ** 0.5 * vectors[..., frequency, None] * z


def windowed_gft(z: Tensor, window: SpectralFunction, found: Spectrum) -> Tensor:
    r"""``Z_ik = ⟨z, M_k T_i g⟩ = N (g(L) (u_k ⊙ z))_i``: a signal by node and frequency.

    The Fourier transform (:func:`gsp_nonlocal.spectral.gft`) of the signal about each node ``i``, through
    the window ``T_i g = √N g(L) δ_i`` of :func:`localise`, times ``√N``. Of all ``N`` eigenvectors the
    energy is ``Σ_ik Z_ik² = N Σ_n ‖T_n g‖² z_n²``, and :func:`windowed_igft` gives the signal back. The
    sign of ``Z_·k`` is that of ``u_k``, which is free. (Atoms ``T_i M_k g``, modulated first, would
    depend on the signs of all eigenvectors, ``M_k g`` being a sum of them.)

    Args:
        z: signal ``(B, N, C)``.
        window: ``g``, a fixed response such as ``Heat(50.0)``; the narrower, the wider about the nodes.
        found: the spectrum of a symmetric shift, with its ``K`` eigenvectors, of ``B`` graphs or of one.

    Returns:
        ``(B, N, K, C)``, float64 or complex128; differentiable in ``z``.

    Raises:
        TypeError: if ``z`` has integers, ``found`` is no spectrum, ``window`` no :class:`SpectralFunction`.
        ValueError: if ``found`` has no eigenvectors, or not those that ``g(L)`` needs; if the shift is
            directed, or ``z`` does not fit.

    References:
        Shuman, Ricaud, Vandergheynst (2016), *Vertex-frequency analysis on graphs*. As PyGSP's
        ``Modulation``, which localises first, too.

    Example:
        >>> from filters import Heat
        >>> from gsp_nonlocal.spectral import spectrum
        >>> ring = torch.eye(8).roll(1, 0) + torch.eye(8).roll(-1, 0)
        >>> found, z = spectrum(ring / 2, eigenvectors=True), torch.randn(1, 8, 1)
        >>> parts = windowed_gft(z, Heat(3.0), found)
        >>> parts.shape, torch.allclose(windowed_igft(parts, Heat(3.0), found), z.double())
        (torch.Size([1, 8, 8, 1]), True)
    """
    basis = _waves(found)
    _require_function(window, found)
    z, vectors = in_one_type(z, basis, found.eigenvalues.shape[-1], "a signal on this graph")
    waves = vectors.unsqueeze(-1) * z.unsqueeze(2)
    return vectors.shape[1] * _filtered(waves.flatten(2), window, found).view_as(waves)


def windowed_igft(coefficients: Tensor, window: SpectralFunction, found: Spectrum) -> Tensor:
    r"""``z_n = Σ_k u_k(n) (g(L) Z_·k)_n / ‖T_n g‖²``: the signal of :func:`windowed_gft`.

    Of coefficients that were changed it is ``Σ_ik Z_ik M_k T_i g`` by the energy of the atoms at each node.

    Args:
        coefficients: ``Z (B, N, N, C)``.
        window: ``g``, as before.
        found: the spectrum, with all ``N`` eigenvectors.

    Returns:
        ``z (B, N, C)``, float64 or complex128; differentiable in the coefficients.

    Raises:
        TypeError: as :func:`windowed_gft`.
        ValueError: as :func:`windowed_gft`; where eigenvectors are left out, or the window is 0 about a node.

    References:
        Shuman, Ricaud, Vandergheynst (2016), *Vertex-frequency analysis on graphs*.

    Example:
        >>> from filters import Heat
        >>> from gsp_nonlocal.spectral import spectrum
        >>> found = spectrum(torch.tensor([[0.0, 1.0], [1.0, 0.0]]), eigenvectors=True)
        >>> z = torch.tensor([[[3.0], [5.0]]])
        >>> windowed_igft(windowed_gft(z, Heat(1.0), found), Heat(1.0), found).flatten().round(decimals=6)
        tensor([3., 5.], dtype=torch.float64)
    """
    vectors = _waves(found)
    _require_function(window, found)
    nodes, known = vectors.shape[1:]
    if known < nodes:
        raise ValueError(
            f"these are {known} of {nodes} eigenvectors, and the signal needs all; compute them with "
            'spectrum(shift, method="dense", eigenvectors=True)'
        )
    if require_tensor("coefficients", coefficients).dim() != 4 or coefficients.shape[1:3] != (nodes, nodes):
        raise ValueError(f"coefficients have shape (B, {nodes}, {nodes}, C), got {tuple(coefficients.shape)}")
    flat, vectors = in_one_type(coefficients.flatten(2), vectors, nodes, "coefficients")
    filtered = _filtered(flat, window, found).unflatten(2, (nodes, -1))
    return (vectors.unsqueeze(-1) * filtered).sum(dim=2) / _atom_energies(window, found)


def _waves(found: Spectrum) -> Tensor:
    """``U (B, N, K)`` of a symmetric shift."""
    vectors = eigenvectors_of(found)
    if vectors.is_complex():
        raise ValueError(
            "the shift is directed, and its eigenvectors are no orthonormal waves; take the spectrum of "
            "symmetric_part(shift)"
        )
    require_whole(found.ranks, "a signal by node and frequency", "use filters")
    return vectors


def _require_function(window: SpectralFunction, found: Spectrum) -> None:
    if not isinstance(window, SpectralFunction):
        raise TypeError(f"window is a SpectralFunction such as Heat(5.0), got {type(window).__name__}")
    if not found.is_complete:
        raise ValueError(
            f"the spectrum has {found.paired.shape[-1]} eigenvalues that were asked for, and a window is "
            "made of all; compute them with spectrum(shift, eigenvectors=True)"
        )


def _filtered(x: Tensor, window: SpectralFunction, found: Spectrum) -> Tensor:
    """``g(L) x = U (g(Λ) − g(1)) Uᵀ x + g(1) x``, where ``λ = 1`` is all that is left out."""
    vectors = _waves(found).to(x.dtype)
    rest = _rest(window, found)
    gains = (window.gain(1 - found.paired) - rest).unsqueeze(-1)
    return vectors @ (gains * (vectors.mT @ x)) + rest * x


def _atom_energies(window: SpectralFunction, found: Spectrum) -> Tensor:
    """``‖T_n g‖² (B, N, 1)`` where all eigenvectors are known."""
    gains = window.gain(1 - found.paired).square().unsqueeze(-1)
    energies = found.paired.shape[-1] * (_waves(found).square() @ gains)
    if not bool((energies > _SMALL * energies.amax(dim=1, keepdim=True)).all()):
        raise ValueError(
            f"the window {window} is 0 about node {int(energies.min(dim=1).indices[0, 0])}: what stood there "
            "is lost; choose one that is not 0 on the spectrum, such as Heat()"
        )
    return energies


def _rest(window: SpectralFunction, found: Spectrum) -> Tensor:
    """``g(1)`` where eigenvectors of ``λ = 1`` are left out, else 0."""
    one = found.paired.new_ones(1)
    return window.gain(one) if found.exact_zeros else torch.zeros_like(one)
