"""What a shift promises is true: by eigenvalues and sums of rows in float64, after every operation."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from filters import ShiftOperator, as_shift
from gsp_nonlocal.spectral import symmetric_part
from tests.fuzz import refusals
from tests.fuzz.case import Failure, Outcome, dtype_of
from tests.fuzz.filter_case import kind_of
from tests.fuzz.graphs import Graph
from tests.fuzz.settings import surroundings
from tests.fuzz.textbook import eigvals
from tests.fuzz.tolerance import FACTOR, Noise


@dataclass(frozen=True)
class PromiseCase:
    """A graph, and an operation on it."""

    graph: Graph
    operation: str = "itself"
    dtype: str = "float64"


Operation = tuple[Callable[[ShiftOperator], ShiftOperator], Callable[[Tensor], Tensor]]
OPERATIONS: dict[str, Operation] = {
    "itself": (lambda s: s, lambda m: m),
    "transpose": (lambda s: s.T, lambda m: m.mT),
    "transpose twice": (lambda s: s.T.T, lambda m: m),
    "sum with itself": (lambda s: s + s, lambda m: 2 * m),
    "sum with transpose": (lambda s: s + s.T, lambda m: m + m.mT),
    "graph": (lambda s: s.graph(s.shape[0] - 1), lambda m: m[-1:]),
    "float64": (lambda s: s.to(torch.float64), lambda m: m),
    "detach": (lambda s: s.detach(), lambda m: m),
    "copy": (copy.deepcopy, lambda m: m),
    "pickle": (lambda s: pickle.loads(pickle.dumps(s)), lambda m: m),
    "symmetric part": (symmetric_part, lambda m: 0.5 * (m + m.mT)),
    "pickled transpose": (lambda s: pickle.loads(pickle.dumps(s.T)), lambda m: m.mT),
}
"""What one does with a shift, and with its matrix."""


def check(case: PromiseCase) -> Outcome:
    """Hold the shift after the operation to its matrix and its promises."""
    where = f"promises, {case.operation}, {kind_of(case.graph)}"
    inputs = case.graph.inputs(dtype_of(case.dtype))
    with warnings.catch_warnings(), surroundings(case, 1):
        warnings.simplefilter("ignore")
        try:
            made, matrix = OPERATIONS[case.operation]
            shift = made(as_shift(case.graph.build(inputs)))
            return _verified(case, shift, matrix, where)
        except Failure:
            raise
        except Exception as error:
            said = refusals.reason(error, where)
            if any(message in str(error) for message in refusals.DUE):
                return Outcome("refused", said)
            raise Failure(f"refused: {said} ({where})", f"a valid operation is refused: {error}") from error


def _verified(
    case: PromiseCase, shift: ShiftOperator, matrix: Callable[[Tensor], Tensor], where: str
) -> Outcome:
    dtype = torch.promote_types(dtype_of(case.dtype), torch.float32)
    eps = torch.finfo(dtype).eps
    inputs = [one.double() for one in case.graph.inputs(dtype_of(case.dtype))]
    exact = matrix(case.graph.matrix(inputs))
    moved, rounding = torch.zeros_like(exact), case.graph.rounding(inputs)
    for seed in (1, 2):
        noise = Noise(eps, seed)
        moved = torch.maximum(
            moved, (matrix(noise(case.graph.matrix([noise(x) for x in inputs]), rounding)) - exact).abs()
        )
    limit = 1e-4 * torch.finfo(dtype).max
    if not exact.isfinite().all() or exact.abs().max() > limit or case.graph.exponent(inputs) > limit:
        return Outcome("not judged", "overflow")
    if case.graph.is_lost(inputs, eps):
        return Outcome("not judged", "exponents lost to rounding")
    if shift.shape != exact.shape:
        raise Failure(f"shape ({where})", f"{tuple(shift.shape)} for {tuple(exact.shape)}")
    size = matrix(case.graph.magnitude(inputs)).amax(-1, keepdim=True)
    allowed = FACTOR * (moved.amax(-1, keepdim=True) + eps * size)
    allowed = allowed + 1e4 * torch.finfo(dtype).tiny
    if bool((allowed.amax(-2) > 0.1 * exact.abs().amax((-1, -2), keepdim=True).amax(-2) + 1e-30).any()):
        return Outcome("not judged", "ill-conditioned")
    found = shift.to_dense().double()
    if not found.isfinite().all():
        raise Failure(f"NaN or inf ({where})", "the matrix is finite in truth")
    if bool(((found - exact).abs() > torch.maximum(allowed, allowed.mT)).any()):
        raise Failure(f"wrong matrix ({where})", f"off by {float((found - exact).abs().max()):.3g}")
    _require_true(shift, exact, allowed, where)
    return Outcome("held")


def _require_true(shift: ShiftOperator, exact: Tensor, allowed: Tensor, where: str) -> None:
    """The promises of ``shift``, of the matrix that it is in truth."""
    slack = torch.maximum(allowed, allowed.mT)
    if shift.is_symmetric and bool(((exact - exact.mT).abs() > slack).any()):
        raise Failure(f"not symmetric ({where})", f"off by {float((exact - exact.mT).abs().max()):.3g}")
    if shift.is_row_stochastic:
        sums, room = exact.sum(-1), allowed.squeeze(-1) * exact.shape[-1]
        bad = (sums.abs() > room) & ((sums - 1).abs() > room)
        if bool(bad.any()) or bool((exact < -slack).any()):
            raise Failure(f"not row-stochastic ({where})", f"rows sum to {sums.flatten()[:4].tolist()}")
    if shift.spectral_bound is not None:
        greatest = _radius(exact)
        if greatest > shift.spectral_bound * (1 + float(allowed.max()) * exact.shape[-1]) + float(
            allowed.max()
        ):
            raise Failure(
                f"beyond its bound ({where})", f"|μ| = {greatest:.9g}, promised {shift.spectral_bound:.9g}"
            )


def _radius(exact: Tensor) -> float:
    """Greatest ``|μ|``: 0 of a matrix whose powers vanish, where eigenvalues are rounding alone."""
    if torch.equal(exact, exact.mT):
        return float(torch.linalg.eigvalsh(exact).abs().max())
    scale = exact.abs().amax().clamp_min(1e-300)
    power = exact / scale
    for _ in range(6):
        power = power @ power
        size = power.abs().amax().clamp_min(1e-300)
        if float(size) < 1e-100:
            return 0.0
    trace = eigvals(exact / scale).abs().max()
    return float(trace * scale) if float(trace) > 1e-6 else 0.0
