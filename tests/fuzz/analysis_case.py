"""Functions of the analysis against their definitions, on matrices in float64."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from filters import ShiftOperator, as_shift
from gsp_nonlocal.spectral import (
    asymmetry,
    attention_rows,
    departure_from_normality,
    dirichlet_energy,
    distance_to_rank_one,
    effective_rank,
    gft,
    igft,
    row_agreement,
    row_entropy,
    signal_density,
    spectral_density,
    spectral_entropy,
    spectral_gap,
    spectrum,
    symmetric_part,
    total_variation,
)
from tests.fuzz import refusals
from tests.fuzz.case import Failure, Outcome, dtype_of
from tests.fuzz.content import content
from tests.fuzz.filter_case import kind_of
from tests.fuzz.graphs import Graph
from tests.fuzz.laws import compare
from tests.fuzz.settings import surroundings
from tests.fuzz.textbook import eigvals, size
from tests.fuzz.tolerance import Noise, Truth, truth


@dataclass(frozen=True)
class AnalysisCase:
    """A function on a graph, and a signal for those that take one."""

    function: str
    graph: Graph
    channels: int = 2
    content: str = "random"
    scale: float = 1.0
    k: int = 1
    method: str = "auto"
    seed: int = 0
    dtype: str = "float64"
    threads: int = 1


class Function(NamedTuple):
    """The library's result ``(B, …)``, and the definition's; ``symmetric``: of a symmetric shift alone."""

    library: Callable[[ShiftOperator, Tensor, AnalysisCase], Tensor]
    definition: Callable[[Tensor, Tensor, AnalysisCase], Tensor]
    symmetric: bool = False


def _unit(s: Tensor) -> Tensor:
    """``S / ‖S‖_F``, 0 for 0."""
    return s / torch.where(size(s) > 0, size(s), 1.0).view(-1, 1, 1)


def _moduli(s: Tensor) -> Tensor:
    """``|μ|``, descending."""
    symmetric = torch.equal(s, s.mT)
    values = torch.linalg.eigvalsh(s) if symmetric else eigvals(s)
    return values.abs().sort(-1, descending=True).values


def _power_sums(values: Tensor, scale: Tensor) -> Tensor:
    """``Σ μ^p``, ``p = 1 … 4``, of eigenvalues over the norm: well-conditioned for all eigenvalues."""
    values = values / torch.where(scale > 0, scale, 1.0).unsqueeze(-1)
    return torch.stack([(values**p).sum(-1).real for p in range(1, 5)], dim=-1)


def _traces(s: Tensor, z: Tensor, case: AnalysisCase) -> Tensor:
    unit, power, found = _unit(s), _unit(s), []
    for _ in range(4):
        found.append(power.diagonal(dim1=-2, dim2=-1).sum(-1))
        power = power @ unit
    return torch.stack(found, -1)


def _all_sums(shift: ShiftOperator, z: Tensor, case: AnalysisCase) -> Tensor:
    return _power_sums(spectrum(shift).eigenvalues, size(shift.to(torch.float64).to_dense()))


def _shares(s: Tensor) -> Tensor:
    total = s.abs().sum(-1, keepdim=True)
    return s.abs() / torch.where(total > 0, total, 1.0)


def _entropy(p: Tensor) -> Tensor:
    return torch.special.entr(p).sum(-1)


def _cosines(s: Tensor) -> Tensor:
    """Mean cosine of all pairs of rows that are not 0."""
    length = s.norm(dim=-1, keepdim=True)
    unit = s / torch.where(length > 0, length, 1.0)
    count = (length > 0).sum((1, 2)).clamp_min(1)
    return (unit.sum(1).norm(dim=-1) / count) ** 2


def _energy(s: Tensor, z: Tensor) -> Tensor:
    power = (z**2).sum((1, 2))
    return ((z * (z - s @ z)).sum((1, 2))) / torch.where(power > 0, power, 1.0)


def _variation(s: Tensor, z: Tensor) -> Tensor:
    total = z.abs().sum((1, 2))
    return (z - s @ z).abs().sum((1, 2)) / torch.where(total > 0, total, 1.0)


def _gap(s: Tensor) -> Tensor:
    values = torch.linalg.eigvalsh(s) if torch.equal(s, s.mT) else eigvals(s).real
    top = values.sort(-1, descending=True).values
    return top[:, 0] - top[:, min(1, top.shape[-1] - 1)]


def _departure_squared(s: Tensor) -> Tensor:
    unit = _unit(s)
    return (1 - eigvals(unit).abs().square().sum(-1)) * (size(s) > 0)


def _returned(shift: ShiftOperator, z: Tensor, case: AnalysisCase) -> Tensor:
    found = spectrum(symmetric_part(shift), eigenvectors=True, method="dense")
    return igft(gft(z, found), found)


def _bounds(shift: ShiftOperator, z: Tensor, case: AnalysisCase) -> Tensor:
    """Whole weight, and how far the density leaves the spectrum: 1 and 0.

    Of sharp exponents the entries in ``S``'s own type are others than in float64: both spectra count.
    """
    density = spectral_density(shift, seed=case.seed)
    both = shift.to(torch.float64).to_dense(), shift.to_dense().double()
    lam = (1 - torch.cat([torch.linalg.eigvalsh(s) for s in both], dim=-1)).sort(-1).values
    held = density.weights > 1e-12
    low = (lam[:, :1] - density.frequencies).where(held, 0.0).amax(-1).clamp_min(0)
    high = (density.frequencies - lam[:, -1:]).where(held, 0.0).amax(-1).clamp_min(0)
    scale = 1 + lam.abs().amax(-1)
    beyond = torch.maximum(low, high) / scale
    return torch.stack([density.weights.sum(-1), beyond.where(beyond > 1e-5, 0.0)], -1)


FUNCTIONS: dict[str, Function] = {
    "spectrum": Function(
        lambda shift, z, case: spectrum(shift).eigenvalues.real,
        lambda s, z, case: torch.linalg.eigvalsh(0.5 * (s + s.mT)).flip(-1),
        symmetric=True,
    ),
    "greatest eigenvalues": Function(
        lambda shift, z, case: (
            spectrum(shift, case.k, case.method).eigenvalues.abs().sort(-1, descending=True).values  # type: ignore[arg-type]
        ),
        lambda s, z, case: _moduli(s)[:, : case.k],
    ),
    "power sums of the spectrum": Function(_all_sums, _traces),
    "gft and back": Function(_returned, lambda s, z, case: z.expand(max(len(s), len(z)), -1, -1)),
    "spectral_density": Function(
        _bounds,
        lambda s, z, case: torch.tensor([[1.0, 0.0]], dtype=s.dtype).expand(len(s), -1),
        symmetric=True,
    ),
    "signal_density": Function(
        lambda shift, z, case: signal_density(z, shift).mean,
        lambda s, z, case: _energy(s, z),
    ),
    "attention_rows": Function(
        lambda shift, z, case: attention_rows(shift, torch.arange(shift.shape[-1])), lambda s, z, case: s
    ),
    "asymmetry": Function(
        lambda shift, z, case: asymmetry(shift),
        lambda s, z, case: 0.5 * (_unit(s) - _unit(s).mT).norm(dim=(1, 2)),
    ),
    "departure_from_normality": Function(
        lambda shift, z, case: departure_from_normality(shift).square(),
        lambda s, z, case: _departure_squared(s),
    ),
    "distance_to_rank_one": Function(
        lambda shift, z, case: distance_to_rank_one(shift),
        lambda s, z, case: torch.linalg.svdvals(_unit(s))[:, 1:].norm(dim=-1),
    ),
    "effective_rank": Function(
        lambda shift, z, case: effective_rank(spectrum(shift)),
        lambda s, z, case: _entropy(_shares(_moduli(s))).exp() * (_moduli(s)[:, 0] > 0),
        symmetric=True,
    ),
    "spectral_entropy": Function(
        lambda shift, z, case: spectral_entropy(spectrum(shift)),
        lambda s, z, case: _entropy(_shares(_moduli(s))) / math.log(max(s.shape[-1], 2)),
        symmetric=True,
    ),
    "spectral_gap": Function(
        lambda shift, z, case: spectral_gap(spectrum(shift)), lambda s, z, case: _gap(s), symmetric=True
    ),
    "row_entropy": Function(
        lambda shift, z, case: row_entropy(shift),
        lambda s, z, case: _entropy(_shares(s)) / math.log(max(s.shape[-1], 2)),
    ),
    "row_agreement": Function(lambda shift, z, case: row_agreement(shift), lambda s, z, case: _cosines(s)),
    "dirichlet_energy": Function(
        lambda shift, z, case: dirichlet_energy(z, shift), lambda s, z, case: _energy(s, z)
    ),
    "total_variation": Function(
        lambda shift, z, case: total_variation(z, shift), lambda s, z, case: _variation(s, z)
    ),
}
"""Every function of the analysis, once."""

BOUNDED = ("spectrum", "greatest eigenvalues", "attention_rows", "gft and back")
"""Functions whose rounding is a share of the size of ``S`` or ``z``; others are numbers of about 1."""


def check(case: AnalysisCase) -> Outcome:
    """Hold a function to its definition."""
    where = f"{case.function}, {kind_of(case.graph)}"
    dtype, function = dtype_of(case.dtype), FUNCTIONS[case.function]
    numbers = case.graph.inputs(dtype)
    shape = (case.graph.batch, case.graph.nodes, case.channels)
    z = (case.scale * content(case.content, shape, case.seed)).to(dtype)
    with warnings.catch_warnings(), surroundings(case, case.threads):
        warnings.simplefilter("ignore")
        try:
            shift = as_shift(case.graph.build(numbers))
            if function.symmetric and not shift.is_symmetric:
                return Outcome("not judged", "not symmetric")
            found = function.library(shift, z, case)
        except Exception as error:
            said = refusals.reason(error, where)
            if not _is_caused(case, error) and bool(_truth(case, [*numbers, z]).judged.any()):
                raise Failure(f"refused: {said} ({where})", f"a valid case is refused: {error}") from error
            return Outcome("refused", said)
        exact = _truth(case, [*numbers, z])
        found = found.reshape(len(found), -1, 1)
        return compare(found.expand(max(len(exact.value), len(found)), -1, -1), exact, where)


def _is_caused(case: AnalysisCase, error: Exception) -> bool:
    return any(cause in str(error) for cause in ("overflow", "no factors", *refusals.DUE))


def _truth(case: AnalysisCase, inputs: list[Tensor]) -> Truth:
    function, dtype = FUNCTIONS[case.function], dtype_of(case.dtype)

    def formula(values: list[Tensor], noise: Noise) -> tuple[Tensor, Tensor]:
        s = noise(case.graph.matrix(values[:-1]), case.graph.rounding(values[:-1]))
        s = s.expand(max(len(s), case.graph.batch) if case.function in SIGNALS else len(s), -1, -1)
        s = 0.5 * (s + s.mT) if function.symmetric else s
        limit = 1e-4 * torch.finfo(dtype).max
        vanishes = 0 < float(s.abs().max()) < 1e4 * torch.finfo(dtype).tiny  # S is no number of its data type
        if (
            vanishes
            or not s.isfinite().all()
            or s.abs().max() > limit
            or case.graph.exponent(values[:-1]) > limit
            or case.graph.is_lost(values[:-1], torch.finfo(dtype).eps)
        ):
            return torch.full((len(s), 1, 1), torch.inf, dtype=s.dtype), torch.full((len(s),), torch.inf)
        value = function.definition(s, values[-1], case)
        value = value.reshape(len(value), -1, 1)
        bounded = size(s) if case.function in BOUNDED[:3] else size(value)
        rough = 1 + size(s) if case.function in SIGNALS else torch.ones(len(s), dtype=s.dtype)
        return value, bounded if case.function in BOUNDED else torch.maximum(rough, size(value))

    return truth(formula, [one.double() for one in inputs], torch.finfo(dtype).eps, dtype, dtype)


SIGNALS = ("signal_density", "dirichlet_energy", "total_variation", "gft and back")
"""Functions of a signal too."""
