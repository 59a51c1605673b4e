"""The case table of affinities: every one, with its weights as its equation reads."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from math import factorial
from typing import NamedTuple

import torch
from torch import Tensor

from gsp_nonlocal.affinity import (
    RBF,
    Affinity,
    Concatenation,
    CrissCross,
    DotProduct,
    DoubleSoftmax,
    EmbeddedGaussian,
    Gaussian,
    GlobalContext,
    PairwiseAffinity,
    PyramidAttention,
    ReLUDot,
    TaylorRBF,
)

BATCH, CHANNELS, INNER, GRID = 2, 5, 3, (4, 6)
NODES = GRID[0] * GRID[1]
SYMMETRIZATIONS = ("none", "average")
NORMALIZATIONS = ("none", "mean", "random_walk", "symmetric")


class AffinityCase(NamedTuple):
    """``make(channels, inner_channels)``, and if it is pairwise its dense ``weights(affinity, nodes)``;
    ``arranged``: it knows where a position is on the map."""

    make: Callable[..., Affinity]
    weights: Callable[..., Tensor] | None = None
    arranged: bool = False

    @property
    def kind(self) -> type[Affinity]:
        """The class."""
        return self.make.func if isinstance(self.make, partial) else self.make

    @property
    def is_pairwise(self) -> bool:
        """Whether it takes a symmetrisation and a normalisation."""
        return issubclass(self.kind, PairwiseAffinity)

    @property
    def pools(self) -> bool:
        """Whether it takes ``sub_sample``."""
        return self.is_pairwise and self.kind.pooled is not PairwiseAffinity.pooled

    @property
    def embeds(self) -> bool:
        """Whether it has a width of its own."""
        return inspect.signature(self.kind).parameters["inner_channels"].default is inspect.Parameter.empty


def relu_dot(affinity, nodes):
    q, k = affinity.embeddings(nodes)
    return q.relu() @ k.relu().mT


def exponential(affinity, nodes):
    q, k = affinity.embeddings(nodes)
    return torch.exp(affinity.scale * q @ k.mT)


def rbf(affinity, nodes):
    q, k = affinity.embeddings(nodes)
    return torch.exp(-affinity.gamma * torch.cdist(q, k).square())


def taylor(affinity, nodes):
    q, k = affinity.embeddings(nodes)
    beta = torch.exp(-affinity.gamma * (q.square().sum(-1, keepdim=True) + k.square().sum(-1)[:, None]))
    x = 2 * affinity.gamma * q @ k.mT
    return beta * sum(x**p / factorial(p) for p in range(affinity.order + 1))


def concatenation(affinity, nodes):
    q, k = affinity.embeddings(nodes)
    pairs = torch.cat(torch.broadcast_tensors(q[:, :, None], k[:, None]), dim=-1)
    return (pairs @ affinity.weight).relu()


def double_softmax(affinity, nodes):
    q, k = affinity.embeddings(nodes)
    return q.softmax(-1) @ k.softmax(-2).mT


def criss_cross(affinity, nodes):
    q, k = affinity.embeddings(nodes)
    rows, columns = (index.flatten() for index in torch.meshgrid(*map(torch.arange, GRID), indexing="ij"))
    joined = (rows[:, None] == rows) | (columns[:, None] == columns)
    return torch.exp(q @ k.mT) * joined


def dot_product(affinity, nodes):
    q, k = affinity.embeddings(nodes)
    return q @ k.mT


AFFINITIES: dict[str, AffinityCase] = {
    "relu_dot": AffinityCase(ReLUDot, relu_dot),
    "relu_dot, low-rank": AffinityCase(partial(ReLUDot, form="low_rank"), relu_dot),
    "dot_product": AffinityCase(DotProduct, dot_product),
    "double_softmax": AffinityCase(DoubleSoftmax, double_softmax),
    "taylor_rbf": AffinityCase(partial(TaylorRBF, order=3, gamma=0.3), taylor),
    "concatenation": AffinityCase(Concatenation, concatenation),
    "gaussian": AffinityCase(partial(Gaussian, scale=None), exponential),
    "embedded_gaussian": AffinityCase(EmbeddedGaussian, exponential),
    "embedded_gaussian, whitened": AffinityCase(partial(EmbeddedGaussian, whiten=True), exponential),
    "rbf": AffinityCase(RBF, rbf),
    "criss_cross": AffinityCase(CrissCross, criss_cross, arranged=True),
    "global_context": AffinityCase(GlobalContext),
    "pyramid": AffinityCase(partial(PyramidAttention, sizes=(1, 2)), arranged=True),
}
PAIRWISE = [name for name, case in AFFINITIES.items() if case.is_pairwise]
FIXED = [name for name in AFFINITIES if name not in PAIRWISE]
POOLED = [name for name, case in AFFINITIES.items() if case.pools]
EXPONENTIAL = [name for name, case in AFFINITIES.items() if case.make(CHANNELS, INNER).time == "N²"]
"""They meet every pair of positions, in chunks."""
VANISHING = [
    name
    for name in PAIRWISE
    if name not in EXPONENTIAL and set(NORMALIZATIONS) == set(AFFINITIES[name].kind.normalizations)
]
"""Their weights are not negative, and may all be 0."""


def combinations() -> Iterator[tuple[str, str | None, str | None]]:
    """Every affinity with every pair of choices that it takes."""
    for name, symmetrization, normalization in product(PAIRWISE, SYMMETRIZATIONS, NORMALIZATIONS):
        if normalization in AFFINITIES[name].kind.normalizations:
            yield name, symmetrization, normalization
    yield from ((name, None, None) for name in FIXED)


def build(name: str, symmetrization: str | None = None, normalization: str | None = None) -> Affinity:
    """The affinity in float64, with the same weights at each call."""
    torch.manual_seed(0)
    given = {"symmetrization": symmetrization, "normalization": normalization}
    choices = {choice: value for choice, value in given.items() if value is not None}
    return AFFINITIES[name].make(CHANNELS, INNER, **choices).double()


def nodes(scale: float = 1.0) -> Tensor:
    """Node features on ``GRID``."""
    generator = torch.Generator().manual_seed(1)
    return scale * torch.randn(BATCH, NODES, CHANNELS, generator=generator, dtype=torch.float64)
