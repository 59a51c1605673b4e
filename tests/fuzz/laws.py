"""What holds for every filter on every graph; each law takes a problem and raises a failure."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from tests.fuzz.case import Failure, Outcome
from tests.fuzz.content import content
from tests.fuzz.filter_case import Problem
from tests.fuzz.textbook import size
from tests.fuzz.tolerance import FACTOR, Noise, Truth

Law = Callable[[Problem, str], Outcome]
STEP = 1e-5
"""Relative step of a finite difference in float64: its own error is about 1e-10, and its rounding 1e-11."""


def values(p: Problem, where: str) -> Outcome:
    """``y`` is the textbook's, finite where that is, in the data type of ``z``; inputs stay as they are."""
    inputs = p.inputs
    kept = [one.clone() for one in inputs]
    y = p.call(p.z, p.shift())
    if any(not torch.equal(one, other) for one, other in zip(inputs, kept, strict=True)):
        raise Failure(f"inputs changed ({where})", "an input of the call was changed in place")
    if y.dtype != p.z.dtype:
        raise Failure(f"data type ({where})", f"z is {p.z.dtype}, y is {y.dtype}")
    if p.on_jump():
        return _either_side(p, y, where)
    return compare(y, p.truth(), where)


def _either_side(p: Problem, y: Tensor, where: str) -> Outcome:
    """At a jump the eigenvalues there are all in or all out."""
    found = []
    jumps = [one for one in p.exact.modules() if type(one).__name__ == "IdealLowPass"]
    for side in (2 * p.near_jump(), -2 * p.near_jump()):
        kept = [one.value for one in jumps]
        for one in jumps:
            one.value += side
        found.append(p.truth())
        for one, value in zip(jumps, kept, strict=True):
            one.value = value
    try:
        return compare(y, found[0], where)
    except Failure:
        return compare(y, found[1], f"{where}, at the jump")


def compare(y: Tensor, truth: Truth, where: str) -> Outcome:
    """``y`` against the truth, sample by sample."""
    if not truth.judged.any():
        return Outcome("not judged", "ill-conditioned")
    if y.shape != truth.value.shape:
        raise Failure(f"shape ({where})", f"shape {tuple(y.shape)} for {tuple(truth.value.shape)}")
    y = y.detach().double()
    wrong = ~y.isfinite().all(-1).all(-1) & truth.judged
    if wrong.any():
        raise Failure(
            f"NaN or inf ({where})", f"the truth is finite, up to {float(truth.value.abs().max()):.3g}"
        )
    off = size(y - truth.value)
    bad = (off > truth.allowed) & truth.judged
    if bad.any():
        sample = int((off / truth.allowed * truth.judged).argmax())
        raise Failure(
            f"wrong value ({where})",
            f"off by {off[sample]:.3g} of {size(truth.value)[sample]:.3g}, "
            f"allowed {truth.allowed[sample]:.3g}",
        )
    return Outcome("held")


def gradients(p: Problem, where: str) -> Outcome:
    """``⟨ȳ, dy⟩`` along one direction of the graph, the signal or the parameters, by central differences."""
    leaves = [one.clone().requires_grad_() for one in p.inputs]
    y = p.program(leaves)
    truth = p.truth()  # after the call: a graph that is refused has none
    cotangent = content("random", tuple(y.shape), p.case.seed + 9)
    found = torch.autograd.grad((y * cotangent.to(y.dtype)).sum(), leaves, allow_unused=True)
    grads = [torch.zeros_like(x) if g is None else g for g, x in zip(found, leaves, strict=True)]
    if not bool(truth.judged.all()) or p.on_jump():
        return Outcome("not judged", "ill-conditioned")
    steepest = float((size(cotangent) * truth.magnitude).max())
    lost = [x for g, x in zip(grads, leaves, strict=True) if not g.isfinite().all()]
    if any(_representable(x, steepest) for x in lost) and _are_numbers(p, cotangent):
        raise Failure(f"NaN or inf gradient ({where})", "the value is finite, a gradient is not")
    if lost:
        return Outcome("not judged", "the derivative leaves the data type")
    return _along(p, where, cotangent.to(y.dtype).double(), [g.double() for g in grads], truth)


def _representable(x: Tensor, steepest: float) -> bool:
    """Whether derivatives by numbers of this size are numbers of their type: a power's is ``K y / x``."""
    smallest = x.detach().double().abs()
    smallest = smallest[smallest > 0]
    return not len(smallest) or 100 * steepest / float(smallest.min()) < 1e-4 * torch.finfo(x.dtype).max


def _are_numbers(p: Problem, cotangent: Tensor) -> bool:
    """Whether all derivatives are numbers of their types by far, by those that the library has in float64."""
    double = copy.copy(p)
    double.f, double.case = copy.deepcopy(p.f).double(), replace(p.case, autocast=False)
    leaves = [one.double().requires_grad_() for one in p.inputs]
    grads = torch.autograd.grad((double.program(leaves) * cotangent).sum(), leaves, allow_unused=True)
    return all(
        g is None or bool((g.abs() < 1e-4 * torch.finfo(x.dtype).max).all())
        for g, x in zip(grads, p.inputs, strict=True)
    )


def _along(p: Problem, where: str, cotangent: Tensor, grads: list[Tensor], truth: Truth) -> Outcome:
    exact = [one.detach().double() for one in p.inputs]
    count = len(p.numbers)
    group = (slice(0, count), slice(0, count), slice(count, count + 1), slice(count + 1, None))[
        p.case.seed % 4
    ]
    noise = Noise(1.0, p.case.seed)
    chosen = set(range(len(exact))[group]) - p.graph.constants()
    direction = [noise(x) - x if i in chosen else torch.zeros_like(x) for i, x in enumerate(exact)]
    if p.f.requires_symmetric and p.graph.kind == "plain tensor":  # the formula takes its symmetric part
        direction[0] = 0.5 * (direction[0] + direction[0].mT)
    got = sum(float((g * d).sum()) for g, d in zip(grads, direction, strict=True))
    rounding = sum(float((g * d).abs().sum()) for g, d in zip(grads, direction, strict=True))
    slopes = [_slope(p, exact, direction, cotangent, step) for step in (STEP, 2 * STEP)]
    moved = _slope(p, [Noise(p.eps, 3)(x) for x in exact], direction, cotangent, STEP, Noise(p.eps, 4))
    scale = float((size(cotangent) * truth.magnitude).sum())
    drift = abs(slopes[0] - slopes[1]) + _kink(p, exact, direction, cotangent)
    eps = max(p.eps, torch.finfo(p.dtype).eps, 4e-12 if p.iterates() else 0.0)
    fixed = p.approximation() * 40**2  # Markov's inequality for the interpolant
    allowed = FACTOR * (abs(moved - slopes[0]) * eps / p.eps + eps * (rounding + scale))
    allowed += (
        10 * drift + scale * (1e-15 / STEP + fixed) + FACTOR * torch.finfo(p.compute).tiny * (1 + rounding)
    )
    if not allowed <= 0.1 * (abs(slopes[0]) + scale) or drift > 0.01 * (abs(slopes[0]) + 1e-3 * scale):
        return Outcome("not judged", "no derivative to compare with")
    if abs(got - slopes[0]) > allowed:
        what = ("graph", "graph", "signal", "parameters")[p.case.seed % 4]
        raise Failure(
            f"wrong gradient of the {what} ({where})",
            f"{got:.6g}, right {slopes[0]:.6g}, allowed {allowed:.2g}",
        )
    return Outcome("held")


def _kink(p: Problem, at: list[Tensor], direction: list[Tensor], cotangent: Tensor) -> float:
    """By how much the slopes on both sides differ: at a kink central differences are neither."""
    here, before, after = (
        float(
            (
                p.formula([x + s * STEP * d for x, d in zip(at, direction, strict=True)], Noise())[0]
                * cotangent
            ).sum()
        )
        for s in (0, -1, 1)
    )
    return abs((after - here) - (here - before)) / STEP


def _slope(
    p: Problem,
    at: list[Tensor],
    direction: list[Tensor],
    cotangent: Tensor,
    step: float,
    noise: Noise | None = None,
) -> float:
    sides = []
    for sign in (1, -1):
        again = Noise(noise.eps, 4) if noise else Noise()
        y, _ = p.formula([x + sign * step * d for x, d in zip(at, direction, strict=True)], again)
        sides.append(y)
    return float(((sides[0] - sides[1]) * cotangent).sum() / (2 * step))


def linear(p: Problem, where: str) -> Outcome:
    """``f(2 z − 3 z') = 2 f(z) − 3 f(z')``."""
    shift, other = p.shift(), p.z.flip(1).contiguous()
    combined, y = p.call(2 * p.z - 3 * other, shift).double(), p.call(p.z, shift)
    apart = 2 * y.double() - 3 * p.call(other, shift).double()
    truths = [p.truth(), _with_signal(p, other), _with_signal(p, 2 * p.z - 3 * other)]
    return _close(p, combined, apart, truths, where, y)


def _with_signal(p: Problem, z: Tensor) -> Truth:
    kept, p.z = p.z, z
    try:
        return p.truth()
    finally:
        p.z = kept


def _close(
    p: Problem, one: Tensor, other: Tensor, truths: list[Truth], where: str, y: Tensor | None = None
) -> Outcome:
    """Two results that are one in truth; ``y`` is the case's own result, where it was computed on the way."""
    judged = torch.stack([t.judged for t in truths]).all(0)
    allowed = 8 * torch.stack([t.allowed for t in truths]).sum(0)
    if p.on_jump() or not judged.any():
        return Outcome("not judged", "ill-conditioned")
    off = size(one.detach().double() - other.detach().double())
    if not bool((off <= allowed)[judged].all()):
        raise Failure(
            f"law broken ({where})", f"off by {float(off.max()):.3g}, allowed {float(allowed.max()):.3g}"
        )
    return Outcome("held") if y is None else compare(y, truths[0], where)


def permuted(p: Problem, where: str) -> Outcome:
    """Nodes in another order: the result in that order."""
    order = torch.randperm(p.graph.nodes, generator=torch.Generator().manual_seed(p.case.seed))
    numbers = p.graph.permuted(p.numbers, order)
    if numbers is None:
        return values(p, where)
    y = p.call(p.z, p.shift())
    again = p.call(p.z[:, order], p.graph.build(numbers))
    return _close(p, y[:, order], again, [p.truth()], where, y)


def alone(p: Problem, where: str) -> Outcome:
    """A sample of a batch is what it is alone."""
    shift = p.shift()
    whole = p.call(p.z, shift)
    last = len(whole) - 1
    if isinstance(shift, Tensor):
        graph: object = shift[last] if shift.dim() == 3 and len(shift) > 1 else shift
    else:
        graph = shift.graph(last) if shift.shape[0] > 1 else shift
    single = p.call(p.z[-1:], graph)  # type: ignore[arg-type]
    truth = p.truth()
    picked = Truth(truth.value[-1:], truth.allowed[-1:], truth.judged[-1:], truth.magnitude[-1:])
    _close(p, whole[-1:], single, [picked], where)
    return Outcome("not judged", "ill-conditioned") if p.on_jump() else compare(whole, truth, where)


def again(p: Problem, where: str) -> Outcome:
    """The same bits, in value and gradient, whatever looked at the shift before."""
    leaves = [one.clone().requires_grad_() for one in p.inputs]
    fresh = _value_and_gradient(p, leaves, None)
    for name, look in LOOKS.items():
        seen = _value_and_gradient(p, leaves, look)
        for one, other in zip(fresh, seen, strict=True):
            if not torch.equal(one.nan_to_num(), other.nan_to_num()):
                raise Failure(
                    f"not the same after {name} ({where})", "another value or gradient at the second call"
                )
    return Outcome("not judged", "ill-conditioned") if p.on_jump() else compare(fresh[0], p.truth(), where)


LOOKS: dict[str, Callable[[], torch.autograd.grad_mode.no_grad]] = {
    "a call": torch.enable_grad,  # type: ignore[dict-item]
    "a look under no_grad": torch.no_grad,
    "a look in inference mode": torch.inference_mode,  # type: ignore[dict-item]
}


def _value_and_gradient(p: Problem, leaves: list[Tensor], look: Callable[[], object] | None) -> list[Tensor]:
    shift = p.graph.build(leaves[: len(p.numbers)])
    if look is not None:
        with look():  # type: ignore[attr-defined]
            p.run(leaves, shift)
    y = p.run(leaves, shift)
    if not y.requires_grad:
        return [y]
    grads = torch.autograd.grad(y.sum(), leaves, allow_unused=True)
    return [
        y.detach(),
        *(torch.zeros_like(x) if g is None else g for g, x in zip(grads, leaves, strict=True)),
    ]


LAWS: dict[str, Law] = {
    "values": values,
    "gradients": gradients,
    "linear": linear,
    "permuted": permuted,
    "alone": alone,
    "again": again,
}
"""Laws by the name that a case has."""
