"""Blocks on maps of one to three dimensions, against the dense formula ``x + γ σ(norm(H(S) x W_g))``."""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from gsp_nonlocal import NonlocalBlock
from tests.fuzz import refusals
from tests.fuzz.affinities import affinity_matrix, affinity_rounding, pool
from tests.fuzz.case import Failure, Outcome, dtype_of, twice
from tests.fuzz.content import content
from tests.fuzz.expressions import made
from tests.fuzz.laws import compare
from tests.fuzz.settings import surroundings
from tests.fuzz.textbook import apply, size
from tests.fuzz.tolerance import Noise, truth


@dataclass(frozen=True)
class BlockCase:
    """A block by the text that makes it, and a map."""

    block: str
    channels: int = 4
    spatial: tuple[int, ...] = (3, 5)
    law: str = "values"
    batch: int = 1
    content: str = "random"
    scale: float = 1.0
    seed: int = 0
    dtype: str = "float64"
    layout: str = "contiguous"
    training: bool = False
    autocast: bool = False
    threads: int = 1


FORMATS = {
    "contiguous": lambda x: x.contiguous(),
    "channels-last": lambda x: x.movedim(1, -1).contiguous().movedim(-1, 1),
    "slice": lambda x: torch.stack([x, x], dim=-1)[..., 0],
}


class Problem:
    """The block of a case, its double, and its map."""

    def __init__(self, case: BlockCase) -> None:
        self.case, self.dtype = case, dtype_of(case.dtype)
        self.block = _trained(made(case.block), case.seed).train(case.training).to(self.dtype)
        self.exact = copy.deepcopy(self.block).double()
        shape = (case.batch, prod(case.spatial), case.channels)
        values = case.scale * content(case.content, shape, case.seed)
        self.x = FORMATS[case.layout](values.mT.unflatten(2, case.spatial).to(self.dtype))

    @property
    def eps(self) -> float:
        """Rounding of the narrowest type in which something is computed."""
        return torch.finfo(torch.bfloat16 if self.case.autocast else self.dtype).eps

    def rounding(self) -> float:
        """The same, or the residual at which iterations end, where a resolvent may have no closed form."""
        solves = any(_solves(unit.filter) for unit in self.block.units)
        return max(self.eps, 4e-12) if solves else self.eps

    def inputs(self) -> list[Tensor]:
        """The map and the parameters, in float64."""
        return [self.x.double(), *(p.detach().double() for p in self.block.parameters())]

    def exponents_overflow(self) -> bool:
        """Whether inner products of the features leave the data type: all but SNL's graph need them."""
        return type(self.block.affinity).__name__ != "ReLUDot" and self._products_overflow()

    def weights_overflow(self) -> bool:
        """Whether entries of ``S`` leave the data type, so that a resolvent of it has no answer."""
        unbounded = getattr(self.block.affinity, "normalization", None) in ("none", "mean")
        return self.exponents_overflow() or (unbounded and self._products_overflow())

    def _products_overflow(self) -> bool:
        largest = torch.finfo(torch.promote_types(self.dtype, torch.float32)).max
        return (100 * float(self.x.abs().max())) ** 2 >= 1e-4 * largest

    def normable(self) -> float:
        """What a norm takes: the square of more overflows, as PyTorch's norms do, and CGNL documents."""
        return 1e-2 * torch.finfo(torch.promote_types(self.dtype, torch.float32)).max ** 0.5

    def formula(self, inputs: list[Tensor], noise: Noise) -> tuple[Tensor, Tensor]:
        """``y − x``, as ``(B, N, C)``, and its size."""
        exact = copy.deepcopy(self.exact)
        with torch.no_grad():
            for parameter, value in zip(exact.parameters(), inputs[1:], strict=True):
                parameter.copy_(value)
            x = inputs[0].flatten(2).mT
            y = textbook_block(exact, x, self.case.spatial, noise, self.normable())
        return y - x, size(y - x) + size(x) * 0.1


def _solves(filter: Any) -> bool:
    return any(type(one).__name__ in ("Cayley", "ARMA", "Rational") for one in filter.modules())


def textbook_block(
    block: NonlocalBlock, x: Tensor, spatial: tuple[int, ...], noise: Noise, normable: float
) -> Tensor:
    """The block's output as nodes ``(B, N, C)``; infinite where a norm is given more than ``normable``."""
    for _ in range(block.recurrence):
        s = noise(affinity_matrix(block.affinity, x, spatial), affinity_rounding(block.affinity, x))
        for unit in block.units:
            own = s if unit.affinity is None else s + noise(affinity_matrix(unit.affinity, x, spatial))
            own = noise.of_solve(own) if _solves(unit.filter) else own
            x = x + _update(block, unit, own, x, spatial, noise, normable)
    return x


def _update(
    block: Any, unit: Any, s: Tensor, x: Tensor, spatial: tuple[int, ...], noise: Noise, normable: float
) -> Tensor:
    z = x
    if hasattr(unit.value, "weight"):
        z = x @ unit.value.weight.mT
        z = z if unit.value.bias is None else z + unit.value.bias
        z = noise(z)  # under autocast it is rounded to half precision, and a norm may follow that enlarges it
    kind = getattr(block.affinity, "sub_sample", None)
    if kind == "average":
        s = s @ pool(torch.eye(x.shape[1], dtype=x.dtype).unsqueeze(0), kind, spatial)
    if kind == "max":  # not linear: the one filter that makes sense of it is S z W
        y = s @ pool(z, kind, spatial) @ unit.filter.weight[0]
    else:
        y = apply(unit.filter, s, block.vertices.fold(z))[0]
    if float(y.abs().amax()) > normable:
        return torch.full_like(x, torch.inf)
    normed = _normed(unit.norm, block.vertices.unfold(y, x.shape[1]).mT.contiguous(), noise)
    update = unit.activation(normed).mT
    return update if unit.gate is None else unit.gate * update


def _normed(norm: Any, y: Tensor, noise: Noise) -> Tensor:
    """``norm(y)`` with the rounding of its own mean, ``ε |mean| / deviation`` of the weight.

    Changes of ``y`` do not show it: of two numbers a norm always makes ±1, whatever they are.
    """
    if isinstance(norm, nn.Sequential):
        for one in norm:
            y = _normed(one, y, noise)
        return y
    if isinstance(norm, nn.GroupNorm):
        values, over = y.reshape(y.shape[0], norm.num_groups, -1, y.shape[2]), (2, 3)
    elif isinstance(norm, nn.BatchNorm1d) and norm.training:
        values, over = y, (0, 2)
    else:
        return norm(y)
    mean = values.mean(over, keepdim=True)
    deviation = (values.var(over, unbiased=False, keepdim=True) + norm.eps).sqrt()
    moved = ((noise(mean) - mean) / deviation).expand_as(values).reshape(y.shape)
    return norm(y) + (moved if norm.weight is None else norm.weight.unsqueeze(1) * moved)


def _trained(block: Any, seed: int) -> NonlocalBlock:
    """The block with parameters as after some training: gates of about 1, statistics that are not 0 and 1."""
    assert isinstance(block, NonlocalBlock)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in block.named_parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
            if name.endswith("gate"):
                parameter.fill_(1.3)
    return block


@twice
def check(case: BlockCase) -> Outcome:
    """Hold a block to its law."""
    name = case.block.split("(")[0]
    precision = (
        "half precision" if case.autocast or case.dtype in ("float16", "bfloat16") else "full precision"
    )
    where = f"block {name}, {case.law}, {precision}"
    with warnings.catch_warnings(), surroundings(case, case.threads):
        warnings.simplefilter("ignore")
        try:
            return LAWS[case.law](Problem(case), where)
        except Failure:
            raise
        except Exception as error:
            said = refusals.reason(error, where)
            if "NaN or infinite" in str(error) and Problem(case).weights_overflow():
                return Outcome("refused", said)
            if not any(cause in str(error) for cause in CAUSES):
                raise Failure(f"refused: {said} ({where})", f"a valid case is refused: {error}") from error
            return Outcome("refused", said)


CAUSES = (
    "must divide",
    "one number a channel",
    "smaller than the pooling window",
    "more than 1 value",
    "grid (H, W)",
    "at least two values",
    "GroupNorm",
)
"""What a map may be refused for."""


def _run(p: Problem, block: NonlocalBlock, x: Tensor) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16, enabled=p.case.autocast):
        return block(x)


def _values(p: Problem, where: str) -> Outcome:
    kept = p.x.clone()
    y = _run(p, copy.deepcopy(p.block), p.x)
    if y.dtype != p.dtype and not p.case.autocast:
        raise Failure(f"data type ({where})", f"a map of {p.dtype} gave {y.dtype}")
    if not torch.equal(kept, p.x) or y.shape != p.x.shape:
        raise Failure(
            f"input changed ({where})", "the map is another after the call, or the result has another shape"
        )
    compute = torch.promote_types(p.dtype, torch.float32)
    found = truth(
        p.formula, p.inputs(), p.rounding(), compute, torch.bfloat16 if p.case.autocast else p.dtype
    )
    if p.exponents_overflow():
        return Outcome("not judged", "exponents overflow")
    if type(p.block.affinity).__name__ == "RBF":
        rounded = affinity_rounding(p.exact.affinity, p.x.double().flatten(2).mT)
        if rounded * p.eps > 0.1:
            return Outcome("not judged", "rounding moves exponents")
    rounding = 4 * p.eps * size(p.x.double().flatten(2).mT)  # of the residual's sum
    found = type(found)(found.value, found.allowed + rounding, found.judged, found.magnitude)
    return compare((y.double() - p.x.double()).flatten(2).mT, found, where)


def _gradients(p: Problem, where: str) -> Outcome:
    """Gradients are finite where the value is, and the same after a look without gradients."""
    block = copy.deepcopy(p.block)
    found = [_gradient(p, block, look) for look in (False, True)]
    outcome = _values(p, where)
    if outcome.verdict == "held" and _finite_in_truth(p) and any(not g.isfinite().all() for g in found[0]):
        raise Failure(f"NaN or inf gradient ({where})", "the value is finite, a gradient is not")
    if not p.case.training and any(
        not torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(*found, strict=True)
    ):
        raise Failure(f"not the same after a look ({where})", "another gradient after a call under no_grad")
    return outcome


def _finite_in_truth(p: Problem) -> bool:
    """Whether the gradients are numbers of the data type, by far, in float64.

    The gradient of a softmax is a difference of products of four numbers of the size of the features; what
    rounding leaves of it must be a number too.
    """
    exponential = type(p.block.affinity).__name__ != "ReLUDot"
    if exponential and (100 * float(p.x.abs().max())) ** 4 > 1e-4 * torch.finfo(p.dtype).max:
        return False
    double = copy.copy(p)
    double.x = p.x.double()
    grads = _gradient(double, copy.deepcopy(p.exact), False)
    limit = 1e-3 * torch.finfo(p.dtype).max
    return all(bool((g.abs() < limit).all()) for g in grads)


def _gradient(p: Problem, block: NonlocalBlock, look: bool) -> list[Tensor]:
    x = p.x.clone().requires_grad_()
    if look:
        with torch.no_grad():
            _run(p, block, x)
    y = _run(p, block, x)
    weights = [x, *block.parameters()]
    found = torch.autograd.grad(y.square().sum(), weights, allow_unused=True)
    return [torch.zeros_like(w) if g is None else g for g, w in zip(found, weights, strict=True)]


def _alone(p: Problem, where: str) -> Outcome:
    """In eval mode a sample is what it is alone."""
    block = copy.deepcopy(p.block).eval()
    whole, single = _run(p, block, p.x)[-1:], _run(p, block, p.x[-1:])
    outcome = _values(p, where)
    if outcome.verdict != "held" or p.case.training:
        return outcome
    compute = torch.promote_types(p.dtype, torch.float32)
    found = truth(p.formula, p.inputs(), p.rounding(), compute, p.dtype)
    off = size((whole - single).double().flatten(2).mT)
    if bool((off > 2 * found.allowed[-1:] + 8 * p.eps * size(p.x[-1:].double().flatten(2).mT)).any()):
        raise Failure(f"law broken ({where})", f"off by {float(off):.3g}")
    return outcome


LAWS = {"values": _values, "gradients": _gradients, "alone": _alone}
"""Laws by the name that a case has."""
