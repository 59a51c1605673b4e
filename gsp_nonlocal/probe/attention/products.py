"""Products of two tensors, as ``q kᵀ`` and as ``A v``: matmul, bmm, baddbmm and einsum."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from string import ascii_letters
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import Parameter

from gsp_nonlocal.probe.attention.lineage import BY_LETTERS, Lineage, Weights, weighted_sum
from gsp_nonlocal.probe.attention.recorded import Attention, Scores, as_it_is

MATMUL = {
    torch.matmul,
    torch.bmm,
    torch.Tensor.matmul,
    torch.Tensor.bmm,
    torch.Tensor.__matmul__,
    torch.Tensor.__rmatmul__,
}


def matmul(lineage: Lineage, one: Tensor, other: Tensor, out: Tensor) -> Attention | None:
    """Note ``out = one @ other`` as scores; the attention, if one of the two is weights."""
    if one.dim() < 2 or other.dim() < 2 or (out.dim() < 3 and (_is_fixed(one) or _is_fixed(other))):
        return None
    found = linear(lineage, one, other)
    if found is None:
        left, right = lineage.of(one, other)
        if left is not None and right is not None:  # as in a matrix function, or a rollout
            lineage.weights[out] = Weights(out.detach(), None, is_mixed=True)
            return None
        if left is not None:
            found = weighted_sum(left, one, other, from_right=False)
        elif right is not None:
            found = replace(weighted_sum(right, other, one.mT, from_right=True), arranged=_turned)
    if found is None or found.factors is None:
        lineage.scores[out] = Scores(
            one.detach(), other.detach().mT, is_data=_is_data(one) and _is_data(other)
        )
    return found


def _turned(product: Tensor) -> Tensor:
    return product.mT


def linear(lineage: Lineage, one: Tensor, other: Tensor) -> Attention | None:
    r"""Linear attention: ``q (kᵀ v)``, or ``(q kᵀ) v`` without a softmax, is ``S v`` with ``S = q kᵀ``.

    Values whose last channel is 1 carry the sums of rows, by which the result is divided afterwards:
    ``S = diag(q kᵀ 1)^{-1} q kᵀ``.

    References:
        Katharopoulos et al. (2020), *Transformers are RNNs*.
    """
    inner, outer, arranged = lineage.scores.get(other), lineage.scores.get(one), as_it_is
    if inner is not None and inner.is_data and inner.bias is None and _is_data(one):
        left, right, value = one.detach() * inner.scale, inner.query.mT, inner.key.mT
    elif outer is not None and outer.is_data and outer.bias is None and _is_data(other):
        left, right, value = outer.query * outer.scale, outer.key, other.detach()
        if outer.query.shape[-1] == other.shape[-1] > other.shape[-2]:  # channels first: (zᵀ k) qᵀ
            left, right, value = value.mT * outer.scale, outer.key.mT, outer.query.mT
            arranged = _turned
    else:
        return None
    if left.shape[-2] != right.shape[-2] or left.shape[-1] >= left.shape[-2]:
        return None
    if value.shape[-1] > 1 and bool((value[..., -1] == 1).all()):
        sums = left @ right.sum(dim=-2).unsqueeze(-1)
        left, value = left / sums, value[..., :-1]
    return Attention(value, factors=(left, right), is_stochastic=False, arranged=arranged)


def _is_data(part: Tensor) -> bool:
    """Whether a tensor belongs to an image: maps of channels are parameters, or have two dimensions."""
    return part.dim() > 2 and not isinstance(part, Parameter)


def _is_fixed(part: Tensor) -> bool:
    """Whether it is a parameter, or a view of one."""
    return isinstance(part, Parameter) or isinstance(part._base, Parameter)


def baddbmm(lineage: Lineage, given: tuple[Any, ...], beta: float, alpha: float, out: Tensor) -> None:
    """Note ``out = beta · bias + alpha · one @ other`` as scores."""
    bias, one, other = (part.detach() for part in given)
    scores = Scores(one, other.mT, float(alpha))
    lineage.scores[out] = scores.biased(beta * bias) if beta else scores


class Einsum(NamedTuple):
    """``"ab,bc->ac"``: the letters of two operands and of the result."""

    one: str
    other: str
    out: str

    @property
    def is_matmul(self) -> bool:
        """Whether it is ``one @ other``."""
        lead, (i, r, c) = self.one[:-2], (*self.one[-2:], self.other[-1])
        return (self.one, self.other, self.out) == (lead + i + r, lead + r + c, lead + i + c) and i != c


def parse(equation: str, *dims: int) -> Einsum | None:
    """The letters, or ``None`` for another number of operands, or repeated letters.

    Args:
        equation: as ``torch.einsum`` takes it; an ellipsis stands for letters that it does not have.
        dims: of the operands.
    """
    given, arrow, out = equation.replace(" ", "").partition("->")
    operands = given.split(",")
    if not arrow or len(operands) != 2 or len(dims) != 2:
        return None
    places = [
        max(0, dim - len(part) + 3) if "." in part else 0 for part, dim in zip(operands, dims, strict=True)
    ]
    free = "".join(letter for letter in ascii_letters if letter not in equation)[: max(places)]
    one, other = (
        part.replace("...", free[len(free) - n :]) for part, n in zip(operands, places, strict=True)
    )
    found = Einsum(one, other, out.replace("...", free))
    return found if all(len(set(part)) == len(part) >= 2 for part in found) else None


def einsum(lineage: Lineage, letters: Einsum, one: Tensor, other: Tensor, out: Tensor) -> Attention | None:
    """As :func:`matmul`, for a product that is written in letters."""
    if letters.is_matmul:
        return matmul(lineage, one, other, out)
    left, right = lineage.of(one, other)
    found = None
    if left is not None:
        found = _weighted(left, one, letters.one, other, letters.other, letters.out)
    elif right is not None:
        found = _weighted(right, other, letters.other, one, letters.one, letters.out)
    if left is not None or right is not None:
        if found is None:
            lineage.unread(BY_LETTERS)
        return found
    scores = _scores(letters, one, other)
    if scores is not None and scores.shape == out.shape:
        lineage.scores[out] = scores
    return None


def _scores(letters: Einsum, one: Tensor, other: Tensor) -> Scores | None:
    """Scores, where the last two letters of the result are one of each operand alone."""
    if len(letters.out) < 3:
        return None
    data = _is_data(one) and _is_data(other)
    one, other = one.detach(), other.detach()
    *lead, i, j = list(letters.out)
    summed = [letter for letter in letters.one if letter in letters.other and letter not in letters.out]
    for first, second, a, b in (
        (letters.one, letters.other, one, other),
        (letters.other, letters.one, other, one),
    ):
        if i in first and i not in second and j in second and j not in first:
            if set(first + second) != {*lead, i, j, *summed}:
                return None
            query, key = _arranged(a, first, lead, i, summed), _arranged(b, second, lead, j, summed)
            return Scores(query, key, is_data=data)
    return None


def _weighted(
    made: Weights, weights: Tensor, own: str, value: Tensor, letters: str, out: str
) -> Attention | None:
    """``A z`` of weights with the letters ``own`` and values with ``letters``."""
    summed = [letter for letter in own if letter in letters and letter not in out]
    alone = [letter for letter in own if letter in out and letter not in letters]
    if len(summed) != 1 or set(own) - set(out) != set(summed):
        return None
    if not alone:
        return _of_one_query(weights, own, value, letters, summed[0])
    i, j = alone[-1], summed[0]
    lead = [letter for letter in own if letter not in (i, j)]
    channels = [letter for letter in letters if letter not in (*lead, j)]
    z = _arranged(value, letters, lead, j, channels)
    arranged = partial(_arranged, letters=out, lead=lead, row=i, last=channels)
    if own == "".join(lead) + i + j:
        return replace(weighted_sum(made, weights, z, from_right=False), arranged=arranged)
    if own == "".join(lead) + j + i:
        return replace(weighted_sum(made, weights, z, from_right=True), arranged=arranged)
    matrix = _arranged(weights, own, lead, i, [j]).detach()
    return Attention(z, matrix=matrix, is_stochastic=False, arranged=arranged)


def _of_one_query(weights: Tensor, own: str, value: Tensor, letters: str, key: str) -> Attention:
    """``A z`` with one row a graph, as where positions are pooled."""
    lead = [letter for letter in own if letter != key]
    channels = [letter for letter in letters if letter not in (*lead, key)]
    row = _arranged(weights, own, lead, key, []).mT.detach()
    return Attention(_arranged(value, letters, lead, key, channels), matrix=row, is_stochastic=False)


def _arranged(part: Tensor, letters: str, lead: list[str], row: str, last: list[str]) -> Tensor:
    """``(…lead, row, ∏ last)``, with 1 for leading letters that the operand lacks."""
    have = [letter for letter in lead if letter in letters]
    part = part.permute(*(letters.index(letter) for letter in (*have, row, *last)))
    part = part.flatten(len(have) + 1) if last else part.unsqueeze(-1)
    for place, letter in enumerate(lead):
        if letter not in letters:
            part = part.unsqueeze(place)
    return part
