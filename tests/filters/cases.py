"""The case tables: every filter family, and every kind of shift, once."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from scipy import special
from torch import Tensor

from filters import (
    ARMA,
    Aggregation,
    Bernstein,
    Cayley,
    Chebyshev,
    ChebyshevInterpolation,
    DenseShift,
    DiagonalShift,
    Diffusion,
    Filter,
    GraphFilter,
    Heat,
    IdealLowPass,
    Identity,
    Jacobi,
    Legendre,
    MexicanHat,
    Monomial,
    Rational,
    ShiftOperator,
    SpectralFunction,
    Tikhonov,
)
from gsp_nonlocal.affinity import (
    Affinity,
    CrissCross,
    EmbeddedGaussian,
    GlobalContext,
    PyramidAttention,
    relu_dot_shift,
)
from gsp_nonlocal.affinity.normalization import normalise_exponential
from gsp_nonlocal.shifts import AttentionShift, HingeShift, LowRankShift, SparseShift, scaled

NODES, IN, OUT, BATCH = 12, 4, 5, 2
GRID = (3, 4)


class FilterCase(NamedTuple):
    """``scalar(λ)`` are the exact responses of the terms; ``None`` where the case is a composition."""

    make: Callable[[], GraphFilter]
    terms: Callable[[Tensor], list[Tensor]] | None


def chebyshev_terms(order: int) -> Callable[[Tensor], list[Tensor]]:
    """``T_k(1 − λ) = cos(k arccos(1 − λ))``, independent of the recurrence."""
    return lambda lam: [torch.cos(k * torch.arccos((1 - lam).clamp(-1, 1))) for k in range(order + 1)]


def interpolation_terms(order: int) -> Callable[[Tensor], list[Tensor]]:
    """Lagrange's polynomials at ``x_j = cos((j + ½) π / (K + 1))``, as products."""
    nodes = [math.cos((j + 0.5) * math.pi / (order + 1)) for j in range(order + 1)]

    def lagrange(x: Tensor, j: int) -> Tensor:
        others = [(x - node) / (nodes[j] - node) for i, node in enumerate(nodes) if i != j]
        return math.prod(others, start=torch.ones_like(x))

    return lambda lam: [lagrange(1 - lam, j) for j in range(order + 1)]


def bernstein_terms(order: int) -> Callable[[Tensor], list[Tensor]]:
    """``b_k(λ) = 2^{−K} binom(K, k) (2 − λ)^{K−k} λ^k``."""
    binomials = [math.comb(order, k) / 2**order for k in range(order + 1)]
    return lambda lam: [c * (2 - lam) ** (order - k) * lam**k for k, c in enumerate(binomials)]


def cayley_terms(order: int, zooms: tuple[float, ...] = (1.0,)) -> Callable[[Tensor], list[Tensor]]:
    """Powers of ``(hλ − i) / (hλ + i)``."""

    def powers(lam: Tensor, h: float) -> list[Tensor]:
        transform = (h * lam - 1j) / (h * lam + 1j)
        return [part for j in range(1, order + 1) for part in ((transform**j).real, (transform**j).imag)]

    return lambda lam: [torch.ones_like(lam), *(term for h in zooms for term in powers(lam, h))]


def arma_terms(order: int, steps: int | None = None) -> Callable[[Tensor], list[Tensor]]:
    """``1 / (1 − ψ μ)``, or the first terms of its geometric series."""
    poles = torch.linspace(0.75, -0.75, order).tolist() if order > 1 else [0.5]
    if steps is None:
        return lambda lam: [1 / (1 - psi * (1 - lam)) for psi in poles]
    return lambda lam: [sum((psi * (1 - lam)) ** t for t in range(steps + 1)) for psi in poles]


def rational_terms(order: int, poles: int = 1) -> Callable[[Tensor], list[Tensor]]:
    """``T_k(μ) / Π_j (1 + ((λ − u_j) / v_j)²)``."""
    width = 0.05 + math.log(2)

    def gain(lam: Tensor) -> Tensor:
        peaks = [1 / (1 + ((lam - 2 * (j + 0.5) / poles) / width) ** 2) for j in range(poles)]
        return math.prod(peaks)

    return lambda lam: [gain(lam) * term for term in chebyshev_terms(order)(lam)]


def powers_of_mu(order: int) -> Callable[[Tensor], list[Tensor]]:
    return lambda lam: [(1 - lam) ** k for k in range(order + 1)]


def orthogonal(
    function: Callable[..., object], order: int, *numbers: float
) -> Callable[[Tensor], list[Tensor]]:
    """SciPy's ``eval_legendre``, ``eval_jacobi``."""
    return lambda lam: [torch.as_tensor(function(k, *numbers, (1 - lam).numpy())) for k in range(order + 1)]


ORDERS = (1, 2, 5)
Terms = Callable[[int], Callable[[Tensor], list[Tensor]]]
FAMILIES: dict[str, tuple[type[Filter], Terms]] = {
    "chebyshev": (Chebyshev, chebyshev_terms),
    "interpolation": (ChebyshevInterpolation, interpolation_terms),
    "monomial": (Monomial, powers_of_mu),
    "bernstein": (Bernstein, bernstein_terms),
    "jacobi": (Jacobi, lambda order: orthogonal(special.eval_jacobi, order, 1.0, 1.0)),
    "legendre": (Legendre, lambda order: orthogonal(special.eval_legendre, order)),
    "cayley": (Cayley, cayley_terms),
    "arma": (ARMA, arma_terms),
    "rational": (Rational, rational_terms),
    "aggregation": (Aggregation, lambda order: lambda lam: [(1 - lam) ** order]),
    "diffusion": (Diffusion, lambda order: lambda lam: [(-lam) ** order]),
}
"""Every family with an order: its class, and the exact responses of its terms by order."""

VARIANTS: dict[str, FilterCase] = {
    "chebyshev-0": FilterCase(lambda: Chebyshev(IN, OUT, order=0), chebyshev_terms(0)),
    "bernstein-3, non-negative": FilterCase(
        lambda: Bernstein(IN, OUT, order=3, nonnegative=True), bernstein_terms(3)
    ),
    "jacobi-4, uneven": FilterCase(
        lambda: Jacobi(IN, OUT, order=4, a=-0.5, b=2.0), orthogonal(special.eval_jacobi, 4, -0.5, 2.0)
    ),
    "cayley-2, two zooms": FilterCase(
        lambda: Cayley(IN, OUT, order=2, zoom=(0.3, 7.0)), cayley_terms(2, (0.3, 7.0))
    ),
    "cayley-0": FilterCase(lambda: Cayley(IN, OUT, order=0), lambda lam: [torch.ones_like(lam)]),
    "arma-2, 6 iterations": FilterCase(lambda: ARMA(IN, OUT, order=2, iterations=6), arma_terms(2, 6)),
    "rational-2, three poles": FilterCase(lambda: Rational(IN, OUT, order=2, poles=3), rational_terms(2, 3)),
}
FIXED: dict[str, tuple[SpectralFunction, Callable[[Tensor], Tensor]]] = {
    "heat": (Heat(0.7), lambda lam: torch.exp(-0.7 * lam)),
    "tikhonov": (Tikhonov(2.0), lambda lam: 1 / (1 + 2.0 * lam)),
    "low-pass": (IdealLowPass(0.95), lambda lam: (lam <= 0.95).to(lam)),
    "mexican hat": (MexicanHat(3.0), lambda lam: math.e * 3 * lam * torch.exp(-3 * lam)),
    "function": (SpectralFunction(lambda lam: torch.cos(3 * lam)), lambda lam: torch.cos(3 * lam)),
}
COMPOSITIONS: dict[str, Callable[[], GraphFilter]] = {
    "sum": lambda: Chebyshev(IN, OUT, order=2) + Diffusion(IN, OUT),
    "difference": lambda: Chebyshev(IN, OUT, order=2) - Diffusion(IN, OUT),
    "cascade": lambda: Chebyshev(IN, OUT, order=2) @ Cayley(IN, IN, order=3),
    "scaled": lambda: -0.5 * Chebyshev(IN, OUT, order=3),
    "zero, then a filter": lambda: Chebyshev(IN, OUT, order=0) @ (0.0 * Identity(IN)),
    "residual": lambda: Identity(IN) + ARMA(IN, IN, order=2) @ Identity(),
    "nested": lambda: (
        Aggregation(IN, OUT) @ (Identity(IN) + 2 * Chebyshev(IN, IN)) + Chebyshev(IN, OUT, order=4)
    ),
    "fixed and learned": lambda: Chebyshev(IN, OUT) @ Heat(0.5) + Aggregation(IN, OUT),
}
FILTERS: dict[str, FilterCase] = {
    **{
        f"{name}-{order}": FilterCase(partial(family, IN, OUT, order=order), terms(order))
        for name, (family, terms) in FAMILIES.items()
        for order in ORDERS
    },
    **VARIANTS,
    **{name: FilterCase(lambda f=f: f @ Identity(IN), None) for name, (f, _) in FIXED.items()},
    **{name: FilterCase(make, None) for name, make in COMPOSITIONS.items()},
}


def features(batch: int = BATCH, nodes: int = NODES, rank: int = 6, seed: int = 0) -> Tensor:
    """Non-negative ``[q, k]``, with zeros, as a ReLU leaves them."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, nodes, rank, generator=generator, dtype=torch.float64).relu()


def isolated() -> Tensor:
    """Features in which nodes 0 and 5 have no edge."""
    values = features()
    values[:, [0, 5]] = 0
    return values


def channel_first(values: Tensor) -> Tensor:
    """The same numbers in the memory layout of a feature map."""
    return values.mT.contiguous().mT


def edges(seed: int = 4) -> tuple[Tensor, Tensor]:
    """An undirected, weighted graph: ``edge_index (2, E)`` and weights; the last node is isolated."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(NODES, NODES, generator=generator, dtype=torch.float64)
    kept = torch.rand(NODES, NODES, generator=generator).triu(1) > 0.7
    kept[:, -1] = False
    upper = kept.nonzero().T
    return torch.cat([upper, upper.flip(0)], dim=1), weights[kept].repeat(2)


def embeddings(rank: int = 3) -> tuple[Tensor, Tensor]:
    """Signed ``q`` and ``k``."""
    return signal(rank, seed=11), signal(rank, seed=12)


def of_affinity(make: Callable[[int, int], Affinity]) -> ShiftOperator:
    """The shift that an affinity with fixed random weights gives on a grid."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        affinity = make(IN, 3).double()
    return affinity(signal(seed=5), GRID)


def hinges() -> tuple[Tensor, Tensor]:
    """``u`` and ``v`` with ties."""
    return signal(1, seed=11).round(decimals=1), signal(1, seed=12).round(decimals=1)


def halved(shift: ShiftOperator) -> ShiftOperator:
    """``½ S``, with its promises."""
    bound = None if shift.spectral_bound is None else shift.spectral_bound / 2
    return scaled(shift, *constants(0.5), is_symmetric=shift.is_symmetric, spectral_bound=bound)


def constants(left: float) -> tuple[Tensor, Tensor]:
    """Two constant diagonals ``(1, N, 1)``, the second of ones."""
    ones = torch.ones(1, NODES, 1, dtype=torch.float64)
    return left * ones, ones


CLOSED = ("low-rank", "dense", "diagonal", "sum of", "pyramid")
"""How the names of those graphs begin whose resolvents are closed; on others a filter iterates."""

SHIFTS: dict[str, Callable[[], ShiftOperator]] = {
    "low-rank": lambda: relu_dot_shift(features(), "low_rank"),
    "low-rank, channel-first": lambda: relu_dot_shift(channel_first(features()), "low_rank"),
    "low-rank, isolated nodes": lambda: relu_dot_shift(isolated(), "low_rank"),
    "low-rank, more columns than nodes": lambda: relu_dot_shift(features(rank=32), "low_rank"),
    "low-rank, odd rank, no core": lambda: LowRankShift(features(rank=5) / 6),
    "low-rank, batch of one": lambda: relu_dot_shift(features(batch=1), "low_rank"),
    "low-rank, not symmetric": lambda: LowRankShift(features(seed=1) / 9, features(seed=2) / 9),
    "dense": lambda: relu_dot_shift(features(), "dense"),
    "dense, batch of one": lambda: relu_dot_shift(features(batch=1), "dense"),
    "sparse": lambda: SparseShift.from_edge_index(*edges(), NODES),
    "sparse, random walk": lambda: SparseShift.from_edge_index(*edges(), NODES, "rw"),
    "sparse, not normalised": lambda: SparseShift.from_edge_index(*edges(), NODES, None),
    "diagonal": lambda: DiagonalShift(torch.linspace(-1, 1, NODES, dtype=torch.float64)),
    "sum of low-rank": lambda: relu_dot_shift(features(), "low_rank") + LowRankShift(features(seed=3) / 20),
    "attention": lambda: AttentionShift(*embeddings(), scale=0.7),
    "attention, channel-first": lambda: AttentionShift(*map(channel_first, embeddings())),
    "attention, transposed": lambda: AttentionShift(*embeddings()).T,
    "exponential, symmetric": lambda: normalise_exponential(*embeddings(), "average", "symmetric"),
    "exponential, averaged walk": lambda: normalise_exponential(*embeddings(), "average", "random_walk"),
    "hinge": lambda: scaled(HingeShift(*hinges()), *constants(1 / NODES)),
    "criss-cross": lambda: of_affinity(CrissCross),
    "criss-cross, symmetric": lambda: of_affinity(
        partial(CrissCross, symmetrization="average", normalization="symmetric")
    ),
    "pooled attention": lambda: of_affinity(partial(EmbeddedGaussian, sub_sample="average")),
    "pyramid": lambda: of_affinity(partial(PyramidAttention, sizes=(1, 2))),
    "sum, attention and context": lambda: (
        halved(AttentionShift(*embeddings())) + halved(of_affinity(GlobalContext))
    ),
    "sum, low-rank and sparse": lambda: (
        halved(relu_dot_shift(features(), "low_rank")) + halved(SparseShift.from_edge_index(*edges(), NODES))
    ),
    "sum of kinds": lambda: (
        relu_dot_shift(features(), "low_rank")
        + DenseShift(0.1 * torch.eye(NODES, dtype=torch.float64), is_symmetric=True)
    ),
}


LARGE_NODES, LARGE_RANK = 170, 160
"""Beyond 151, from where PyTorch's batched factorisation is wrong with several threads."""
LARGE: dict[str, Callable[[], ShiftOperator]] = {
    "low-rank": lambda: relu_dot_shift(features(3, LARGE_NODES, LARGE_RANK), "low_rank"),
    "low-rank, not symmetric": lambda: LowRankShift(
        features(3, LARGE_NODES, LARGE_RANK, seed=1) / 1e4, features(3, LARGE_NODES, LARGE_RANK, seed=2)
    ),
    "dense": lambda: relu_dot_shift(features(3, LARGE_NODES), "dense"),
    "attention": lambda: AttentionShift(signal(3, LARGE_NODES, 3), signal(3, LARGE_NODES, 3, seed=1)),
}
"""Batches of graphs of that size, or with factors of that rank."""


def signal(channels: int = IN, nodes: int = NODES, batch: int = BATCH, seed: int = 7) -> Tensor:
    """A random node signal ``(B, N, C)`` in float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, nodes, channels, generator=generator, dtype=torch.float64)


def relative(value: Tensor, reference: Tensor) -> float:
    """``‖value − reference‖ / ‖reference‖``."""
    return ((value - reference).norm() / reference.norm().clamp_min(1e-30)).item()
