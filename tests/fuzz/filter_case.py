"""A filter on a graph: its values, gradients and laws."""

from __future__ import annotations

import copy
import math
import warnings
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from filters import ShiftOperator, SpectralFunction
from tests.fuzz import refusals
from tests.fuzz.case import Failure, Outcome, dtype_of, twice
from tests.fuzz.content import content
from tests.fuzz.expressions import made
from tests.fuzz.graphs import Graph, Inputs
from tests.fuzz.settings import surroundings
from tests.fuzz.textbook import apply, cancellation
from tests.fuzz.tolerance import Noise, Truth, truth


@dataclass(frozen=True)
class FilterCase:
    """``filter`` on ``graph``: text and numbers from which everything is made."""

    filter: str
    graph: Graph
    law: str = "values"
    channels: int = 2
    batch: int = 1
    content: str = "random"
    scale: float = 1.0
    seed: int = 0
    dtype: str = "float64"
    graph_dtype: str = "float64"
    layout: str = "contiguous"
    autocast: bool = False
    threads: int = 1


LAYOUTS = {
    "contiguous": lambda z: z.contiguous(),
    "channel-first": lambda z: z.mT.contiguous().mT,
    "slice": lambda z: torch.stack([z, z], dim=-1).flatten(-2)[..., ::2],
    "expanded": lambda z: z[:1].expand_as(z),
}


class Problem:
    """The program of a case and its formula, on one list of inputs: graph, signal, parameters."""

    def __init__(self, case: FilterCase) -> None:
        self.case, self.graph = case, case.graph
        self.dtype, graph_dtype = dtype_of(case.dtype), dtype_of(case.graph_dtype)
        stored = torch.promote_types(graph_dtype, torch.float32)
        self.compute = torch.promote_types(self.dtype, stored)
        self.eps = max(
            torch.finfo(torch.promote_types(one, torch.float32)).eps for one in (self.dtype, graph_dtype)
        )
        self.f = _disturbed(made(case.filter), case.seed).to(torch.promote_types(self.dtype, torch.float32))
        self.exact = copy.deepcopy(self.f).double()
        z = case.scale * content(case.content, (case.batch, self.graph.nodes, case.channels), case.seed + 50)
        self.z = LAYOUTS[case.layout](z.to(self.dtype))
        self.numbers = self.graph.inputs(graph_dtype)

    @property
    def inputs(self) -> Inputs:
        """Everything that the result depends on."""
        return [*self.numbers, self.z, *(p.detach() for p in self.f.parameters())]

    def shift(self) -> ShiftOperator | Tensor:
        """A new shift of the graph."""
        return self.graph.build(self.numbers)

    def program(self, inputs: Inputs) -> Tensor:
        """The library's result."""
        return self.run(inputs, self.graph.build(inputs[: len(self.numbers)]))

    def run(self, inputs: Inputs, shift: ShiftOperator | Tensor) -> Tensor:
        """The library's result on a shift that is there, under autocast if the case says so."""
        count = len(self.numbers)
        names = [name for name, _ in self.f.named_parameters()]
        state = dict(zip(names, inputs[count + 1 :], strict=True))
        with torch.autocast("cpu", torch.bfloat16, enabled=self.case.autocast):
            return torch.func.functional_call(self.f, state, (inputs[count], shift))

    def call(self, z: Tensor, shift: ShiftOperator | Tensor) -> Tensor:
        """The library's result on another signal."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.case.autocast):
            return self.f(z, shift)

    def formula(self, inputs: Inputs, noise: Noise) -> tuple[Tensor, Tensor]:
        """The textbook's result, and the size of what is summed up."""
        count = len(self.numbers)
        with torch.no_grad():
            for parameter, value in zip(self.exact.parameters(), inputs[count + 1 :], strict=True):
                parameter.copy_(value)
            s = noise(self.graph.matrix(inputs[:count]), self.graph.rounding(inputs[:count]))
            s = noise.of_solve(s) if any(name in self.case.filter for name in FAMILIES["rational"]) else s
            s = s.expand(max(len(s), len(inputs[count])), -1, -1)
            exponent = self.graph.exponent(inputs[:count])
            lost = self.graph.is_lost(inputs[:count], self.eps)
            if lost or not s.isfinite().all() or self.overflows(s) or exponent > self.largest():
                out = self.exact.out_channels or self.case.channels
                return s.new_full((*s.shape[:2], out), torch.inf), s.new_full((len(s),), torch.inf)
            y, magnitude = apply(self.exact, s, inputs[count])
            own = 2e-16 / self.eps * cancellation(self.exact, s, inputs[count])
            return y, magnitude + own

    def largest(self) -> float:
        """What numbers of the data type in which the library computes stay below, by far."""
        return 1e-4 * torch.finfo(self.compute).max

    def overflows(self, s: Tensor) -> bool:
        """Whether powers of the matrix leave the data type in which the library computes."""
        degree = sum(getattr(one, "order", 0) for one in self.f.modules())
        largest = max(1.0, float(s.abs().sum(-1).amax()))
        return degree * math.log(largest) > math.log(torch.finfo(self.compute).max) - 10

    def truth(self) -> Truth:
        """The truth, and how far from it a result may be."""
        eps = max(self.eps, 4e-12) if self.iterates() and self.compute == torch.float64 else self.eps
        found = truth(self.formula, [one.double() for one in self.inputs], eps, self.compute, self.dtype)
        return replace(found, allowed=found.allowed + self.approximation() * found.magnitude)

    def iterates(self) -> bool:
        """Whether the graph has no closed resolvent."""
        return self.graph.kind not in (*CLOSED, "relu-dot")

    def approximation(self) -> float:
        """What fixed responses say that they lose, where a graph has no exact way."""
        if not self.iterates():
            return 0.0
        return sum(one.error for one in self.f.modules() if isinstance(one, SpectralFunction))

    def graph_norm(self) -> Tensor:
        """Greatest ``‖S‖`` of the batch."""
        s = self.graph.matrix([one.double() for one in self.numbers])
        return torch.linalg.matrix_norm(s, 2).max() if bool(s.isfinite().all()) else s.new_tensor(torch.inf)

    def is_stiff(self) -> bool:
        """Whether a resolvent of the filter is close to singular: a zoom beyond 10."""
        zooms = [m.log_zoom.exp().max() for m in self.f.modules() if hasattr(m, "log_zoom")]
        return any(float(zoom) > 10 for zoom in zooms)

    def on_jump(self) -> bool:
        """Whether an eigenvalue is at the jump of a response, to rounding: both sides are right there."""
        cutoffs = [one.value for one in self.f.modules() if type(one).__name__ == "IdealLowPass"]
        if not cutoffs:
            return False
        s = self.graph.matrix([one.double() for one in self.numbers])
        try:
            lam = 1 - torch.linalg.eigvalsh(0.5 * (s + s.mT))
        except torch.linalg.LinAlgError:  # LAPACK gives up on entries of very different size
            return True
        near = self.near_jump()
        return any(bool(((lam - c).abs() <= near).any()) for c in cutoffs)

    def near_jump(self) -> float:
        """Within which distance of a jump an eigenvalue may be on either side, by rounding of the graph."""
        eps = torch.finfo(torch.promote_types(dtype_of(self.case.graph_dtype), torch.float32)).eps
        return float(1e3 * eps * (1 + self.graph_norm()))


CLOSED = ("dense", "plain tensor", "diagonal", "low-rank")
"""Kinds of graphs with closed resolvents and eigenpairs; ``relu-dot`` gives one of them."""


def _disturbed(f: Any, seed: int) -> Any:
    """The filter with parameters as after some training."""
    generator = torch.Generator().manual_seed(seed + 77)
    with torch.no_grad():
        for parameter in f.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return f


@twice
def check(case: FilterCase) -> Outcome:
    """Hold a case to its law.

    Raises:
        Failure: where the law does not hold, or an error is none of ours.
    """
    from tests.fuzz.laws import LAWS

    where = f"{case.law}, {family(case.filter)} on {kind_of(case.graph)}"
    problem = Problem(case)
    with warnings.catch_warnings(), surroundings(case, case.threads):
        warnings.simplefilter("ignore")
        try:
            return LAWS[case.law](problem, where)
        except Failure:
            raise
        except Exception as error:
            said = refusals.reason(error, where)
            if not any(message in str(error) for message in refusals.DUE):
                _require_cause(problem, error, said, where)
            return Outcome("refused", said)


def _require_cause(problem: Problem, error: Exception, said: str, where: str) -> None:
    """A :class:`Failure` where a valid case is refused."""
    shift = _made(problem, error)
    symmetric = isinstance(shift, Tensor) or shift.is_symmetric
    fixed = [m for m in problem.f.modules() if isinstance(m, SpectralFunction)]
    text = str(error)
    found = problem.truth()
    hard = not bool(found.judged.all()) or float(problem.graph_norm()) > 1 + 1e-5
    causes = [
        bool(fixed) and (not symmetric or isinstance(shift, Tensor)) and "symmetric" in text,
        bool(fixed) and hard,
        "converge" in text and (hard or problem.is_stiff()),
        ("NaN" in text or "finite" in text or "singular" in text) and hard,
    ]
    if not any(causes):
        raise Failure(f"refused: {said} ({where})", f"a valid case is refused: {text[:250]}") from error


def _made(problem: Problem, error: Exception) -> ShiftOperator | Tensor:
    """The shift, or a :class:`Failure` where it is the shift that is refused."""
    try:
        return problem.shift()
    except (ValueError, TypeError):
        raise Failure(
            f"refused shift: {kind_of(problem.graph)}", f"a valid shift is refused: {error}"
        ) from error


def family(expression: str) -> str:
    """What a filter is made of, for telling failures apart."""
    for kind, names in FAMILIES.items():
        if any(name in expression for name in names):
            return kind
    return "polynomial"


FAMILIES = {
    "fixed": ("Heat", "Tikhonov", "LowPass", "Hat", "Window", "Wave", "SpectralFunction"),
    "iterated": ("iterations",),
    "rational": ("Cayley", "ARMA", "Rational"),
}


def kind_of(graph: Graph) -> str:
    """The kind of a graph, with what matters of its option."""
    parts = "".join(f" {part.kind}" for part in graph.parts)
    name = graph.option.split("(")[0] if graph.kind == "affinity" else graph.option
    return f"{graph.kind} {name}{parts}".strip()
