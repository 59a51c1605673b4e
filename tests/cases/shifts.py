"""The table of shifts: every kind, once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from filters import DenseShift, DiagonalShift, ShiftOperator
from filters.operators.promises import Promises
from gsp_nonlocal.affinity import (
    Affinity,
    CrissCross,
    EmbeddedGaussian,
    GlobalContext,
    PyramidAttention,
    relu_dot_shift,
)
from gsp_nonlocal.affinity.normalization import normalise_exponential
from gsp_nonlocal.shifts import (
    AttentionShift,
    HingeShift,
    LowRankShift,
    MaskedAttentionShift,
    SparseShift,
    scaled,
)
from gsp_nonlocal.shifts.biadjacency import Exponents
from gsp_nonlocal.shifts.head_mean import HeadMean
from gsp_nonlocal.shifts.layered import LayeredShift
from gsp_nonlocal.shifts.windows import WindowShift
from tests.cases.signals import (
    GRID,
    IN,
    NODES,
    channel_first,
    edges,
    embeddings,
    features,
    hinges,
    isolated,
    signal,
)


def of_affinity(make: Callable[[int, int], Affinity]) -> ShiftOperator:
    """The shift that an affinity with fixed random weights gives on a grid."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        affinity = make(IN, 3).double()
    return affinity(signal(seed=5), GRID)


def halved(shift: ShiftOperator) -> ShiftOperator:
    """``½ S``, with its promises."""
    bound = None if shift.spectral_bound is None else shift.spectral_bound / 2
    return scaled(shift, *constants(0.5), is_symmetric=shift.is_symmetric, spectral_bound=bound)


def constants(left: float) -> tuple[Tensor, Tensor]:
    """Two constant diagonals ``(1, N, 1)``, the second of ones."""
    ones = torch.ones(1, NODES, 1, dtype=torch.float64)
    return left * ones, ones


def masked() -> ShiftOperator:
    """Attention with a bias an edge, hidden edges, and a node without one in one of the graphs."""
    query, key = embeddings()
    hidden = (features(seed=7)[..., :1] + features(seed=8)[..., :1].mT < 0.3).double()
    hidden[0, 2] = 1
    return MaskedAttentionShift(
        Exponents(query, key, 0.5, signal(seed=9)[:1, :, :1] @ signal(seed=10)[:1, :, :1].mT, hidden)
    )


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
    "attention, causal": lambda: MaskedAttentionShift(Exponents(*embeddings(), is_causal=True)),
    "attention, masked and biased": masked,
    "windows of attention": lambda: WindowShift(
        AttentionShift(*(part.flatten(0, 1).unflatten(0, (-1, 4)) for part in embeddings())),
        torch.arange(NODES).view(3, 4).roll(1).flip(1),
    ),
    "mean of heads": lambda: HeadMean(
        AttentionShift(signal(3, batch=4, seed=1), signal(3, batch=4, seed=2)), 2
    ),
    "mean of heads, one image": lambda: HeadMean(AttentionShift(*embeddings()), 2),
    "cascade": lambda: LayeredShift(
        [AttentionShift(*embeddings()), AttentionShift(*embeddings()[::-1], scale=0.7)],
        0.5,
        0.5,
        promises=Promises(bound=1.0),
    ),
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
