"""Every kind of shift: how the library makes it, and the matrix that it is in a textbook."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from filters import DenseShift, DiagonalShift, ShiftOperator
from gsp_nonlocal.affinity import relu_dot_shift
from gsp_nonlocal.shifts import (
    AttentionShift,
    CrissCrossShift,
    ExponentialShift,
    HingeShift,
    LowRankShift,
    scaled,
)
from tests.fuzz import edges
from tests.fuzz.affinities import affinity_matrix, affinity_rounding, pool, power
from tests.fuzz.content import content
from tests.fuzz.expressions import AFFINITIES, AFFINITY_CHANNELS, affinity_of

Inputs = list[Tensor]


@dataclass(frozen=True)
class Graph:
    """A shift as text: ``kind`` of :data:`KINDS` over ``nodes`` nodes, made of numbers of one ``content``."""

    kind: str
    batch: int = 1
    nodes: int = 5
    rank: int = 2
    content: str = "random"
    scale: float = 1.0
    seed: int = 0
    option: str = ""
    parts: tuple[Graph, ...] = ()

    def inputs(self, dtype: torch.dtype) -> Inputs:
        """The numbers that make it, rounded to ``dtype``: those of its parts first."""
        kind = KINDS[self.kind]
        own = [self.scale * content(self.content, *at) for at in _seeded(kind.shapes(self), self.seed)]
        own = [one.to(dtype) for one in kind.refine(self, own)]
        return [one for part in self.parts for one in part.inputs(dtype)] + own

    def build(self, inputs: Inputs) -> ShiftOperator | Tensor:
        """The shift, by the library."""
        return KINDS[self.kind].build(self, inputs)

    def matrix(self, inputs: Inputs) -> Tensor:
        """``S (B, N, N)``, by the textbook."""
        return KINDS[self.kind].matrix(self, inputs)

    def magnitude(self, inputs: Inputs) -> Tensor:
        """``(B, N, N)``: the size of what each entry of ``S`` is a sum of, in whose units it is rounded."""
        magnitude = KINDS[self.kind].magnitude
        return self.matrix(inputs).abs() if magnitude is None else magnitude(self, inputs)

    def permuted(self, inputs: Inputs, order: Tensor) -> Inputs | None:
        """The numbers of the same graph with its nodes in another order."""
        permute = KINDS[self.kind].permute
        return None if permute is None else permute(self, inputs, order)

    def constants(self) -> set[int]:
        """Which of :meth:`inputs` carry no gradient."""
        found, start = set(), 0
        for part in self.parts:
            found |= {start + i for i in part.constants()}
            start += len(part.inputs(torch.float32))
        return found | {start + i for i in KINDS[self.kind].constants(self)}

    def exponent(self, inputs: Inputs) -> float:
        """The size of the greatest exponent of its weights, which the data type must have, as documented."""
        parts, own = self.split(inputs)
        found = [part.exponent(one) for part, one in zip(self.parts, parts, strict=True)]
        if self.kind in ("attention", "exponential"):
            found.append(float((own[0].abs() @ own[1].abs().mT).amax()))
        if self.kind == "low-rank":  # inner products of factors, which are documented likewise
            left, right, core = (
                own[0].abs(),
                own[min(1, len(own) - 1)].abs(),
                own[2].abs() if len(own) > 2 else None,
            )
            through = right.mT if core is None else core @ right.mT
            found += [float(one.amax()) for one in (right.mT @ left, through, through @ left)]
        if self.kind == "affinity" and any(name in self.option for name in EXPONENTIAL):
            weights = [1.0, *(float(one.abs().amax()) / self.scale for one in own[1:])]
            found.append(100 * (float(own[0].abs().amax()) * max(weights)) ** 2)
        return max(found, default=0.0)

    def rounding(self, inputs: Inputs) -> float:
        """How many units of rounding an entry of ``S`` has: of an exponential, as many as its exponent."""
        parts, _ = self.split(inputs)
        found = [part.rounding(one) for part, one in zip(self.parts, parts, strict=True)]
        if self.kind in ("attention", "exponential"):
            found.append(1 + self.exponent(inputs))
        if self.kind == "affinity":
            affinity, state = _state(self, inputs)
            found.append(affinity_rounding(affinity, inputs[0], state))
        return max(found, default=1.0)

    def is_lost(self, inputs: Inputs, eps: float) -> bool:
        """Whether rounding moves exponents of distances by more than 0.1, as documented."""
        parts, _ = self.split(inputs)
        if any(part.is_lost(one, eps) for part, one in zip(self.parts, parts, strict=True)):
            return True
        return self.kind == "affinity" and self.option.startswith("RBF") and self.rounding(inputs) * eps > 0.1

    def split(self, inputs: Inputs) -> tuple[list[Inputs], Inputs]:
        """The numbers of each part, and its own."""
        found, start = [], 0
        for part in self.parts:
            end = start + len(part.inputs(torch.float32))
            found.append(inputs[start:end])
            start = end
        return found, inputs[start:]


EXPONENTIAL = ("Gaussian", "RBF", "CrissCross", "Pyramid")
"""Affinities whose weights are exponentials of inner products."""


class Kind(NamedTuple):
    """How a kind of shift is made of tensors of these shapes, and what it is."""

    shapes: Callable[[Graph], list[tuple[int, ...]]]
    build: Callable[[Graph, Inputs], ShiftOperator | Tensor]
    matrix: Callable[[Graph, Inputs], Tensor]
    permute: Callable[[Graph, Inputs, Tensor], Inputs] | None = None
    options: tuple[str, ...] = ("",)
    refine: Callable[[Graph, Inputs], Inputs] = lambda g, inputs: inputs
    """To a spectrum of about unit size, before the numbers are rounded to their data type."""
    constants: Callable[[Graph], list[int]] = lambda g: []
    """Which of its numbers carry no gradient, by the library's documentation."""
    magnitude: Callable[[Graph, Inputs], Tensor] | None = None
    """The sizes of what its entries are sums of, where they are greater than the entries."""


def _seeded(shapes: list[tuple[int, ...]], seed: int) -> list[tuple[tuple[int, ...], int]]:
    return [(shape, seed + index) for index, shape in enumerate(shapes)]


def _per_node(g: Graph, inputs: Inputs) -> Inputs:
    return [one / g.nodes for one in inputs]


def _per_root(g: Graph, inputs: Inputs) -> Inputs:
    """Factors by ``√(N R)``; a core stays."""
    return [one / (g.nodes * g.rank) ** 0.5 for one in inputs[:2]] + inputs[2:]


def _features(count: int) -> Callable[[Graph], list[tuple[int, ...]]]:
    return lambda g: [(g.batch, g.nodes, g.rank)] * count


def _rows(g: Graph, inputs: Inputs, order: Tensor) -> Inputs:
    return [one[:, order] for one in inputs]


def _both(g: Graph, inputs: Inputs, order: Tensor) -> Inputs:
    return [one[:, order][:, :, order] for one in inputs]


def _symmetric(g: Graph, inputs: Inputs) -> Tensor:
    """``½ (A + Aᵀ)``, exactly ``A`` where that is symmetric; or ``A``."""
    return inputs[0] if g.option == "general" else 0.5 * (inputs[0] + inputs[0].mT)


def _refined(g: Graph, inputs: Inputs) -> Inputs:
    return _per_node(g, [_symmetric(g, inputs)])


def _relu_dot(g: Graph, inputs: Inputs) -> Tensor:
    query, key = inputs[0].relu().chunk(2, dim=-1)
    weights = 0.5 * (query @ key.mT + key @ query.mT)
    scale = power(weights.sum(-1, keepdim=True), -0.5)
    return scale * weights * scale.mT


def _low_rank(g: Graph, inputs: Inputs) -> ShiftOperator:
    return LowRankShift(*inputs)


def _low_rank_matrix(g: Graph, inputs: Inputs) -> Tensor:
    left, right = inputs[0], inputs[0] if g.option == "one factor" else inputs[1]
    if g.option == "core":
        left = left @ inputs[2]
    return left @ right.mT


def _low_rank_shapes(g: Graph) -> list[tuple[int, ...]]:
    count = 1 if g.option == "one factor" else 2
    core = [(g.batch, g.rank, g.rank)] if g.option == "core" else []
    return [(g.batch, g.nodes, g.rank)] * count + core


def _attention(g: Graph, inputs: Inputs) -> ShiftOperator:
    shift: ShiftOperator = AttentionShift(*inputs, scale=0.7)
    return shift.T if g.option == "transposed" else shift


def _attention_matrix(g: Graph, inputs: Inputs) -> Tensor:
    matrix = torch.softmax(0.7 * inputs[0] @ inputs[1].mT, dim=-1)
    return matrix.mT if g.option == "transposed" else matrix


def _exponential(g: Graph, inputs: Inputs) -> ShiftOperator:
    query, key, row, column = inputs
    if g.option == "symmetric":
        return ExponentialShift(query, query, row[..., :1], row[..., :1], is_symmetric=True)
    return ExponentialShift(query, key, row[..., :1], column[..., :1])


def _exponential_matrix(g: Graph, inputs: Inputs) -> Tensor:
    query, key, row, column = inputs
    if g.option == "symmetric":
        key, column = query, row
    return (query @ key.mT - row[..., :1] - column[..., :1].mT).exp()


def _hinge(g: Graph, inputs: Inputs) -> ShiftOperator:
    return HingeShift(*(one[..., :1] for one in inputs))


def _hinge_matrix(g: Graph, inputs: Inputs) -> Tensor:
    return (inputs[0][..., :1] + inputs[1][..., :1].mT).relu()


def _criss_cross(g: Graph, inputs: Inputs) -> ShiftOperator:
    return CrissCrossShift(*inputs)


def _criss_cross_matrix(g: Graph, inputs: Inputs) -> Tensor:
    """Position ``(h, w)`` from ``(h', w)`` by ``V^w_{hh'}``, from ``(h, w')`` by ``H^h_{ww'}``."""
    height, width = grid(g)
    found = inputs[0].new_zeros(g.batch, height, width, height, width)
    for w in range(width):
        found[:, :, w, :, w] += inputs[0][:, w]
    for h in range(height):
        found[:, h, :, h, :] += inputs[1][:, h]
    return found.reshape(g.batch, g.nodes, g.nodes)


def grid(g: Graph) -> tuple[int, int]:
    """``(H, W)`` with as many positions as nodes."""
    height = max(h for h in (1, 2, 3) if g.nodes % h == 0)
    return height, g.nodes // height


def _criss_cross_shapes(g: Graph) -> list[tuple[int, ...]]:
    height, width = grid(g)
    return [(g.batch, width, height, height), (g.batch, height, width, width)]


def _affinity_shapes(g: Graph) -> list[tuple[int, ...]]:
    parameters = [(1, *value.shape) for value in affinity_of(g.option).parameters()]
    return [(g.batch, g.nodes, AFFINITY_CHANNELS), *parameters]


def _state(g: Graph, inputs: Inputs) -> tuple[Any, dict[str, Tensor]]:
    """The affinity in the data type of its numbers, and its parameters, of unit size at every scale."""
    affinity = affinity_of(g.option).to(inputs[0].dtype)
    names = [name for name, _ in affinity.named_parameters()]
    return affinity, {name: one[0] / g.scale for name, one in zip(names, inputs[1:], strict=True)}


def _affinity(g: Graph, inputs: Inputs) -> ShiftOperator:
    affinity, state = _state(g, inputs)
    found = torch.func.functional_call(affinity, state, (inputs[0], grid(g)))
    assert isinstance(found, ShiftOperator)
    return found


def _affinity_matrix(g: Graph, inputs: Inputs) -> Tensor:
    affinity, state = _state(g, inputs)
    matrix = affinity_matrix(affinity, inputs[0], grid(g), state)
    if getattr(affinity, "sub_sample", None) is None:
        return matrix
    units = torch.eye(g.nodes, dtype=matrix.dtype).unsqueeze(0)
    return matrix @ pool(units, affinity.sub_sample, grid(g))


def _sum(g: Graph, inputs: Inputs) -> ShiftOperator | Tensor:
    parts, _ = g.split(inputs)
    one, other = (part.build(own) for part, own in zip(g.parts, parts, strict=True))
    return one + other


def _sum_matrix(g: Graph, inputs: Inputs) -> Tensor:
    parts, _ = g.split(inputs)
    one, other = (part.matrix(own) for part, own in zip(g.parts, parts, strict=True))
    return one + other


def _sum_magnitude(g: Graph, inputs: Inputs) -> Tensor:
    parts, _ = g.split(inputs)
    one, other = (part.magnitude(own) for part, own in zip(g.parts, parts, strict=True))
    return one + other


def _scaled(g: Graph, inputs: Inputs) -> ShiftOperator:
    (part,), (left, right) = g.split(inputs)
    shift = g.parts[0].build(part)
    assert isinstance(shift, ShiftOperator)
    if g.option == "both":
        return scaled(shift, left, left, is_symmetric=shift.is_symmetric)
    return scaled(shift, left, right)


def _scaled_matrix(g: Graph, inputs: Inputs) -> Tensor:
    (part,), (left, right) = g.split(inputs)
    return left * g.parts[0].matrix(part) * (left if g.option == "both" else right).mT


def _scaled_magnitude(g: Graph, inputs: Inputs) -> Tensor:
    (part,), (left, right) = g.split(inputs)
    return left.abs() * g.parts[0].magnitude(part) * (left if g.option == "both" else right).abs().mT


def _parts_permuted(g: Graph, inputs: Inputs, order: Tensor) -> Inputs | None:
    parts, own = g.split(inputs)
    found = [part.permuted(values, order) for part, values in zip(g.parts, parts, strict=True)]
    if any(one is None for one in found):
        return None
    return [one for part in found if part is not None for one in part] + [one[:, order] for one in own]


def _plain(g: Graph, inputs: Inputs) -> Tensor:
    matrix = _symmetric(g, inputs)
    return matrix[0] if g.batch == 1 else matrix


KINDS: dict[str, Kind] = {
    "dense": Kind(
        lambda g: [(g.batch, g.nodes, g.nodes)],
        lambda g, inputs: DenseShift(_symmetric(g, inputs), is_symmetric=g.option == "symmetric"),
        _symmetric,
        _both,
        ("symmetric", "general"),
        _refined,
    ),
    "plain tensor": Kind(
        lambda g: [(g.batch, g.nodes, g.nodes)], _plain, _symmetric, _both, ("symmetric", "general"), _refined
    ),
    "diagonal": Kind(
        lambda g: [(g.batch, g.nodes)],
        lambda g, inputs: DiagonalShift(inputs[0]),
        lambda g, inputs: torch.diag_embed(inputs[0]),
        _rows,
        refine=lambda g, inputs: [one / 4 for one in inputs],
    ),
    "low-rank": Kind(
        _low_rank_shapes,
        _low_rank,
        _low_rank_matrix,
        lambda g, inputs, order: _rows(g, inputs[:2], order) + inputs[2:],
        ("one factor", "two factors", "core"),
        _per_root,
    ),
    "relu-dot": Kind(
        lambda g: [(g.batch, g.nodes, 2 * g.rank)],
        lambda g, inputs: relu_dot_shift(inputs[0], g.option),  # type: ignore[arg-type]
        _relu_dot,
        _rows,
        ("low_rank", "dense", "auto"),
    ),
    "attention": Kind(_features(2), _attention, _attention_matrix, _rows, ("", "transposed")),
    "exponential": Kind(
        _features(4), _exponential, _exponential_matrix, _rows, ("", "symmetric"), constants=lambda g: [2, 3]
    ),
    "hinge": Kind(_features(2), _hinge, _hinge_matrix, _rows, refine=_per_node),
    "criss-cross": Kind(_criss_cross_shapes, _criss_cross, _criss_cross_matrix, refine=_per_node),
    "sparse": Kind(
        edges.shapes,
        edges.build,
        edges.matrix,
        None,
        edges.OPTIONS,
        constants=edges.constants,
        magnitude=edges.magnitude,
    ),
    "affinity": Kind(_affinity_shapes, _affinity, _affinity_matrix, None, AFFINITIES),
    "sum": Kind(lambda g: [], _sum, _sum_matrix, _parts_permuted, magnitude=_sum_magnitude),
    "scaled": Kind(
        lambda g: [(g.batch, g.nodes, 1)] * 2,
        _scaled,
        _scaled_matrix,
        _parts_permuted,
        ("", "both"),
        magnitude=_scaled_magnitude,
    ),
}
"""Every kind of shift, once."""
