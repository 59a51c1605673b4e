"""Distributions over graph frequency: of the eigenvalues of a graph, of the energy of a signal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from filters.checks import require_integer
from filters.operators.linear import require_real_floating
from filters.operators.ranks import require_whole
from gsp_nonlocal.shifts import ShiftOperator, as_shift
from gsp_nonlocal.shifts.structure import factored, has_closed_spectrum, recognise_symmetry, symmetric_part
from gsp_nonlocal.spectral.krylov import PATIENCE
from gsp_nonlocal.spectral.matrices import finite_product, require_finite
from gsp_nonlocal.spectral.spectrum import Spectrum, spectrum

EXACT_NODES = 1024
"""Up to so many nodes the energy of a signal is found by all eigenvectors."""
_WANTED = "found needs all eigenvectors: spectrum(symmetric_part(shift), eigenvectors=True)"
MIXTURES = 16
"""Of a signal with more channels, so many random mixtures stand for them where eigenvectors are too many."""


@dataclass(frozen=True, eq=False)
class Density:
    r"""A distribution ``Σ_m w_m δ(λ − λ_m)`` over graph frequency, a graph each, in float64.

    Attributes:
        frequencies: ``λ_m (B, M)``.
        weights: ``w_m (B, M)``, at least 0; they sum to 1 (to 0 for a zero signal).

    Example:
        >>> pair = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
        >>> density = signal_density(torch.tensor([[[3.0], [1.0]]]), pair)
        >>> density.mean  # 0.8 · 0 + 0.2 · 2
        tensor([0.4000], dtype=torch.float64)
        >>> density.histogram(torch.tensor([0.0, 1.0, 2.0]))
        tensor([[0.8000, 0.2000]], dtype=torch.float64)
    """

    frequencies: Tensor
    weights: Tensor

    @property
    def mean(self) -> Tensor:
        """``Σ_m w_m λ_m``, ``(B,)``."""
        return (self.weights * self.frequencies).sum(-1)

    def histogram(self, edges: Tensor) -> Tensor:
        """Weight between consecutive ``edges (E + 1,)``, ``(B, E)``; what lies beyond counts at the ends."""
        bins = torch.bucketize(self.frequencies.contiguous(), edges[1:-1].to(self.frequencies), right=True)
        empty = self.weights.new_zeros(len(self.weights), len(edges) - 1)
        return empty.scatter_add(1, bins, self.weights)


@torch.no_grad()
def spectral_density(
    shift: ShiftOperator | Tensor, *, probes: int = 16, steps: int = 64, seed: int = 0
) -> Density:
    r"""``(1/N) Σ_i δ(λ − λ_i)`` of a symmetric shift of any size, from products ``S @ z`` alone.

    Stochastic Lanczos quadrature: ``steps`` of the Lanczos recurrence from each of ``probes`` random vectors
    of unit length; the eigenvalues of the tridiagonal matrix are the frequencies, the squares of their first
    components the weights. Moments up to ``2 steps − 1`` are exact for each vector. Of a shift with factors
    all eigenvalues are taken instead: exact.

    Args:
        shift: a symmetric shift, or a plain tensor ``(B, N, N)`` or ``(N, N)``.
        probes: random vectors a graph; the error falls as ``1/√(probes · N)``.
        steps: products with all of them; the resolution is about ``2 / steps``.
        seed: of the random vectors.

    Returns:
        A :class:`Density` with ``M = probes · min(steps, N)``, or ``M = N`` for factors.

    Raises:
        ValueError: for a shift that is not symmetric, NaN or infinite entries, or a number below 1.

    References:
        Lin, Saad, Yang (2016), *Approximating spectral densities of large matrices*; Ubaru, Chen, Saad
        (2017).

    Example:
        >>> ring = 0.5 * (torch.eye(200).roll(1, 0) + torch.eye(200).roll(-1, 0))
        >>> spectral_density(ring).histogram(torch.tensor([0.0, 1.0, 2.0])).round(decimals=2)
        tensor([[0.5000, 0.5000]], dtype=torch.float64)
    """
    probes, steps = require_integer("probes", probes), require_integer("steps", steps)
    shift = as_shift(shift)
    require_finite(shift)
    if has_closed_spectrum(shift):
        return _of_eigenvalues(_require_symmetric(shift))
    return quadratures(_require_symmetric(shift), [random_signal(shift, probes, seed)], steps)[0]


@torch.no_grad()
def signal_density(
    z: Tensor,
    shift: ShiftOperator | Tensor,
    *,
    steps: int = 64,
    max_nodes: int = EXACT_NODES,
    found: Spectrum | None = None,
) -> Density:
    r"""``Σ_i ‖u_iᵀ z‖² δ(λ − λ_i) / ‖z‖²``: where in frequency the energy of a signal lies.

    ``u_i`` and ``λ_i`` are those of the symmetric part ``½ (S + Sᵀ)``, so that the mean of the distribution
    is the Dirichlet energy of ``z``, and directed graphs have one too. Exact by eigenvectors up to
    ``max_nodes`` nodes, and on factors; beyond, by the Lanczos quadrature that starts from ``z``, where more
    than 16 channels are replaced by 16 random mixtures of them.

    Args:
        z: node signal ``(B, N, C)``, real.
        shift: a shift over ``N`` nodes, or a plain tensor.
        steps: of the Lanczos recurrence.
        max_nodes: most nodes of which all eigenvectors are computed.
        found: the spectrum of ``symmetric_part(shift)`` with its eigenvectors, where it is there already.

    Returns:
        A :class:`Density`; weights are 0 for a zero signal.

    Raises:
        ValueError: for another number of nodes, or NaN or infinite entries.

    References:
        Golub, Meurant (2010), *Matrices, Moments and Quadrature*; Shuman et al. (2013) for the energy.

    Example:
        >>> pair = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
        >>> signal_density(torch.tensor([[[3.0], [1.0]]]), pair).weights  # (2² , 1²) / 5
        tensor([[0.8000, 0.2000]], dtype=torch.float64)
    """
    shift = as_shift(shift)
    require_real_signal(z, shift)
    if not z.isfinite().all():
        raise ValueError(
            f"{int((~z.isfinite()).sum())} of {z.numel()} values of the signal are NaN or infinite"
        )
    require_finite(shift)
    if found is not None:
        return _by_eigenvectors(z.double(), found)
    undirected = symmetric_part(shift)
    if shift.shape[-1] <= max_nodes or factored(undirected) is not None:
        return _by_eigenvectors(z.double(), spectrum(undirected, eigenvectors=True, max_nodes=max_nodes))
    return quadratures(undirected, [mixed(z.double())], steps)[0]


def require_real_signal(z: Tensor, shift: ShiftOperator) -> None:
    """Raise unless ``z (B, N, C)`` is real and on the graphs of ``shift``; either may be a batch of one."""
    require_real_floating(z, "a signal")
    if z.dim() != 3 or z.shape[1] != shift.shape[-1]:
        nodes, shape = shift.shape[-1], tuple(z.shape)
        raise ValueError(
            f"a signal of shape {shape} does not fit a shift of {nodes} nodes: give (B, {nodes}, C)"
        )
    if len({1, len(z), shift.shape[0]}) > 2:
        raise ValueError(
            f"{len(z)} signals do not fit {shift.shape[0]} graphs: give as many, or one of either"
        )


def quadratures(shift: ShiftOperator, signals: Sequence[Tensor], steps: int) -> list[Density]:
    """Where the energy of each signal ``(B, N, C_i)`` lies, by one recurrence on all their columns together.

    Of a random signal that is the density of the eigenvalues. The products of an implicit shift are shared.
    """
    nodes, weights = lanczos_quadrature(shift, torch.cat(list(signals), dim=-1), steps)
    parts = zip(
        *(found.split([z.shape[-1] for z in signals], dim=1) for found in (nodes, weights)), strict=True
    )
    return [_weighted(z, *part) for z, part in zip(signals, parts, strict=True)]


def random_signal(shift: ShiftOperator, channels: int, seed: int = 0) -> Tensor:
    """A signal of white noise in float64: its energy is spread evenly over the eigenvectors."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(*shift.shape[:2], channels, generator=generator, dtype=torch.float64)
    return noise.to(shift.device)


def mixed(z: Tensor) -> Tensor:
    """``z (B, N, C)``, or 16 random mixtures of its channels: in the mean they have the energies of ``z``."""
    channels = z.shape[-1]
    if channels <= MIXTURES:
        return z
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(channels, MIXTURES, generator=generator, dtype=z.dtype) / MIXTURES**0.5
    return z @ mixing.to(z.device)


def lanczos_quadrature(
    shift: ShiftOperator, start: Float[Tensor, "_ N C"], steps: int
) -> tuple[Float[Tensor, "B C J"], Float[Tensor, "B C J"]]:
    """Nodes ``θ`` and weights ``w`` with ``v̂ᵀ p(S) v̂ = Σ w p(θ)`` for each unit column ``v̂ = v / ‖v‖``.

    Exact for polynomials ``p`` up to degree ``2 J − 1``, ``J = min(steps, N)``. The basis is orthogonalised
    in full, twice; a recurrence that ends early leaves nodes of weight 0.
    """
    require_whole(shift.ranks, "Lanczos quadrature", "use a low-rank affinity")
    steps, shift = min(steps, shift.shape[-1]), shift.prepared()
    start = start.expand(max(len(start), shift.shape[0]), -1, -1)
    batch, _, columns = start.shape
    basis = start.new_empty(steps, *start.shape)
    tridiagonal = start.new_zeros(batch, columns, steps, steps)
    vector, _ = _normalised(start, torch.zeros(()))
    for step in tqdm(range(steps), desc="Lanczos", delay=PATIENCE, leave=False):
        basis[step] = vector
        rest = finite_product(shift @ vector.to(shift.device, shift.dtype)).to(start)
        tridiagonal[..., step, step] = (rest * vector).sum(1)
        for _ in range(2):
            seen = basis[: step + 1]
            rest = rest - torch.einsum("jbnc,jbc->bnc", seen, torch.einsum("jbnc,bnc->jbc", seen, rest))
        vector, size = _normalised(rest, tridiagonal.diagonal(dim1=-2, dim2=-1).abs().amax(-1))
        if step + 1 < steps:
            tridiagonal[..., step, step + 1] = tridiagonal[..., step + 1, step] = size
    nodes, vectors = torch.linalg.eigh(tridiagonal)
    return nodes, vectors[..., 0, :].square()


def _normalised(vectors: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Columns of length 1 and their lengths; a column that is rounding beside ``scale (B, C)`` becomes 0."""
    size = vectors.norm(dim=1)
    kept = size > 1e-12 * scale.to(size)
    size = size.where(kept, 0.0)
    return vectors * (kept / size.where(kept, 1.0)).unsqueeze(1), size


def _require_symmetric(shift: ShiftOperator) -> ShiftOperator:
    shift = recognise_symmetry(shift)
    if shift.is_symmetric:
        return shift
    raise ValueError(
        f"the density of frequencies needs a symmetric shift, and {type(shift).__name__} is none: take "
        "symmetric_part(shift), whose Dirichlet energies are the same, or spectrum(shift, k=20)"
    )


def _of_eigenvalues(shift: ShiftOperator) -> Density:
    found = spectrum(shift)
    return Density(found.frequencies, torch.full_like(found.frequencies, 1 / found.frequencies.shape[-1]))


def _by_eigenvectors(z: Tensor, found: Spectrum) -> Density:
    if found.eigenvectors is None or not found.is_complete:
        raise ValueError(_WANTED)
    if found.eigenvectors.is_complex():
        raise ValueError(f"found has complex eigenvectors, of a directed graph; {_WANTED}")
    energy = found.ranks.sum(found.eigenvectors.mT.to(z) @ z).square().sum(-1)
    total = found.ranks.sum(z.square().sum(dim=(1, 2))).unsqueeze(-1)
    rest = (total - energy.sum(-1, keepdim=True)).clamp(min=0.0)  # what no eigenvector holds lies at μ = 0
    share = torch.cat([energy, rest], -1) / total.clamp(min=torch.finfo(torch.float64).tiny)
    paired = found.paired.expand(len(share), -1)
    frequencies = torch.cat([1 - paired, torch.ones_like(rest)], -1)
    keep = -1 if found.paired.shape == found.eigenvalues.shape else None
    return Density(frequencies[:, :keep], share[:, :keep])


def _weighted(z: Tensor, nodes: Float[Tensor, "B C J"], weights: Float[Tensor, "B C J"]) -> Density:
    """The columns' quadratures together, each with its share of the energy of ``z``."""
    energy = z.square().sum(1)
    share = energy / energy.sum(-1, keepdim=True).clamp(min=torch.finfo(z.dtype).tiny)
    return Density(1 - nodes.flatten(1), (share.unsqueeze(-1) * weights).flatten(1))
