"""The graph Fourier transform: signals by frequency."""

from __future__ import annotations

import torch
from torch import Tensor

from filters.checks import require_tensor
from filters.operators.linear import factorised
from filters.operators.ranks import require_whole
from gsp_nonlocal.spectral.spectrum import Spectrum

WORST = 1e12
"""Condition of eigenvectors beyond which a transform keeps fewer than four digits."""


@torch.no_grad()
def gft(z: Tensor, found: Spectrum) -> Tensor:
    r"""``ẑ = V⁻¹ z``: coefficients of a signal in the eigenvectors ``V`` of ``S = V diag(μ) V⁻¹``.

    Then ``S z`` has the coefficients ``μ ẑ``, and a filter ``H(S) z`` has ``H(1 − μ) ẑ``. Row ``k`` of ``ẑ``
    belongs to ``found.paired[:, k]``, at the frequency ``1 − found.paired[:, k]``.

    Of a symmetric shift ``V`` is orthonormal and ``ẑ = Vᵀ z``, for any number of eigenvectors. All ``N`` of
    them keep the energy, ``‖ẑ‖ = ‖z‖`` (Parseval). Fewer give the projection on them; what they leave out
    of a low-rank shift lies at ``μ = 0``. Of another shift all ``N`` eigenvectors are needed, since each
    coefficient depends on all; of a low-rank one too, whose factors do not give those of ``μ = 0``.

    Args:
        z: signal ``(B, N, C)``, real or complex.
        found: a spectrum with eigenvectors, of ``B`` graphs or of one.

    Returns:
        ``ẑ (B, K, C)``: float64, or complex128 where ``z`` or the eigenvectors are complex; no gradients.

    Raises:
        TypeError: if ``z`` has integers.
        ValueError: for a spectrum without eigenvectors; for some eigenvectors only, of a shift that is not
            symmetric; where those are no basis (a condition beyond 10¹²); if ``z`` is not ``(B, N, C)``.

    References:
        Sandryhaila, Moura (2013), *Discrete Signal Processing on Graphs*; Shuman, Narang, Frossard, Ortega,
        Vandergheynst (2013), *The Emerging Field of Signal Processing on Graphs*.

    Example:
        >>> from gsp_nonlocal.spectral import spectrum
        >>> pair = spectrum(torch.tensor([[0.0, 1.0], [1.0, 0.0]]), eigenvectors=True)
        >>> gft(torch.ones(1, 2, 1), pair).abs().round(decimals=4)
        tensor([[[1.4142],
                 [0.0000]]], dtype=torch.float64)
    """
    vectors = eigenvectors_of(found)
    is_orthonormal = not vectors.is_complex()
    z, vectors = in_one_type(z, vectors, vectors.shape[-2], "a signal on this graph")
    if is_orthonormal:
        return found.ranks.sum(vectors.mT @ z)
    require_whole(
        found.ranks, "coefficients in eigenvectors that are not orthogonal", "use a symmetric shift"
    )
    _require_basis(vectors)
    return factorised(vectors)(z)


@torch.no_grad()
def igft(coefficients: Tensor, found: Spectrum) -> Tensor:
    r"""``z = V ẑ``: the signal with these coefficients, the inverse of :func:`gft`.

    Of some eigenvectors of a symmetric shift, ``igft(gft(z))`` is the part of ``z`` that they span.

    Args:
        coefficients: ``ẑ (B, K, C)``, real or complex.
        found: the spectrum, with ``K`` eigenvectors, of ``B`` graphs or of one.

    Returns:
        ``z (B, N, C)``: float64, or complex128 where coefficients or eigenvectors are complex; no gradients.
        A real signal comes back from complex coefficients with an imaginary part of rounding: take ``.real``.

    Raises:
        TypeError: if the coefficients are integers.
        ValueError: for a spectrum without eigenvectors; if the coefficients are not ``(B, K, C)``.

    References:
        Sandryhaila, Moura (2013), *Discrete Signal Processing on Graphs*.

    Example:
        >>> from gsp_nonlocal.spectral import spectrum
        >>> found = spectrum(torch.eye(3).roll(1, 0), eigenvectors=True)
        >>> z = torch.tensor([[[1.0], [2.0], [4.0]]])
        >>> igft(gft(z, found), found).real.flatten().round(decimals=6)
        tensor([1., 2., 4.], dtype=torch.float64)
    """
    vectors = eigenvectors_of(found)
    what = "a set of coefficients in these eigenvectors"
    coefficients, vectors = in_one_type(coefficients, vectors, vectors.shape[-1], what)
    return vectors @ coefficients


def eigenvectors_of(found: Spectrum) -> Tensor:
    """``V (B, N, K)``; a ``TypeError`` of what is no spectrum, a ``ValueError`` where it has none."""
    if not isinstance(found, Spectrum):
        raise TypeError(f"expected a Spectrum, as spectrum(shift) gives, got {type(found).__name__}")
    if found.eigenvectors is None:
        raise ValueError("the spectrum has no eigenvectors; ask for them: spectrum(shift, eigenvectors=True)")
    return found.eigenvectors


def in_one_type(z: Tensor, vectors: Tensor, rows: int, what: str) -> tuple[Tensor, Tensor]:
    """Both in one data type, after a check of their shapes."""
    if not (require_tensor(what, z).is_floating_point() or z.is_complex()):
        raise TypeError(
            f"{what} is a floating-point or complex tensor, got {z.dtype}; convert it with .float()"
        )
    if z.dim() != 3 or z.shape[1] != rows:
        raise ValueError(f"{what} has shape (B, {rows}, C), got {tuple(z.shape)}")
    if len(z) != len(vectors) and 1 not in (len(z), len(vectors)):
        raise ValueError(
            f"{len(z)} signals do not fit the spectra of {len(vectors)} graphs; pass one for each"
        )
    dtype = torch.promote_types(z.dtype, vectors.dtype)
    return z.to(dtype), vectors.to(dtype)


def _require_basis(vectors: Tensor) -> None:
    """Raise a ``ValueError`` unless the eigenvectors are a basis, numerically too."""
    nodes, known = vectors.shape[-2:]
    if known < nodes:
        raise ValueError(
            f"these are {known} of {nodes} eigenvectors that are not orthogonal, and a coefficient depends "
            'on all; compute all with spectrum(shift, method="dense", eigenvectors=True)'
        )
    # one by one: cond inverts, and PyTorch's batched LU is wrong on a CPU with several threads
    worst = max((float(torch.linalg.cond(one, 1)) for one in vectors), default=1.0)
    if not worst < WORST:
        raise ValueError(
            f"the eigenvectors are no basis (condition {worst:.0e}): the shift is defective, or close to it; "
            "take its symmetric part, spectrum(symmetric_part(shift), eigenvectors=True)"
        )
