"""Calls that ask for what does not exist: a refusal that names value and remedy, or a right result."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from types import ModuleType

import torch

from gsp_nonlocal import shifts
from gsp_nonlocal import spectral as analysis
from tests.fuzz import refusals
from tests.fuzz.case import Failure, Outcome
from tests.fuzz.expressions import namespace
from tests.fuzz.settings import surroundings


@dataclass(frozen=True)
class BadCase:
    """A program with a wrong value at ``{}``."""

    program: str
    value: str

    @property
    def source(self) -> str:
        """The program with its value."""
        return self.program.replace("{}", self.value)


NUMBERS = (
    "0",
    "-1",
    "1.5",
    "2.5",
    "True",
    "None",
    "'1'",
    "nan",
    "inf",
    "-inf",
    "1e39",
    "1e-39",
    "1e400",
    "10**9",
)
"""What is given where a number is due."""

CALLED = "(torch.ones(1, 4, 2), DenseShift(torch.eye(4) / 2, is_symmetric=True))"
RATES = tuple(number for number in NUMBERS if number != "10**9")
PROGRAMS: dict[str, tuple[str, ...]] = {
    **{
        f"{name}(2, 2, {option}={{}}){CALLED}": RATES
        for name, option in (
            ("Chebyshev", "order"),
            ("Monomial", "restart"),
            ("Cayley", "zoom"),
            ("Cayley", "order"),
            ("ARMA", "iterations"),
            ("ARMA", "order"),
            ("Rational", "poles"),
            ("Jacobi", "a"),
            ("Jacobi", "b"),
        )
    },
    **{f"{name}({{}}){CALLED}": RATES for name in ("Heat", "Tikhonov", "IdealLowPass", "MexicanHat")},
    f"({{}} * Identity(2)){CALLED}": tuple(
        n for n in RATES if n not in ("None", "'1'")
    ),  # Python's own words
    "Chebyshev(2, 2)(torch.ones({}), DenseShift(torch.eye(4)))": (
        "0, 4, 2",
        "1, 0, 2",
        "1, 4, 0",
        "4, 2",
        "2, 4, 3",
        "1, 5, 2",
    ),
    "Cayley(2, 2)(torch.ones({0}), DenseShift(torch.eye(4)))".replace("{0}", "{}"): ("0, 4, 2", "1, 3, 2"),
    "ARMA(2, 2)(torch.ones({}), LowRankShift(torch.ones(1, 4, 2) / 8))": ("0, 4, 2", "1, 3, 2"),
    "Chebyshev(2, 2)(torch.ones(1, 0, 2), {})": (
        "DenseShift(torch.ones(1, 0, 0))",
        "LowRankShift(torch.ones(1, 0, 2))",
        "AttentionShift(torch.ones(1, 0, 2), torch.ones(1, 0, 2))",
        "DiagonalShift(torch.ones(1, 0))",
        "HingeShift(torch.ones(1, 0, 1), torch.ones(1, 0, 1))",
    ),
    "DenseShift(torch.eye(3)) + {}": (
        "DenseShift(torch.eye(2))",
        "DenseShift(torch.eye(3).half())",
        "DenseShift(torch.ones(2, 3, 3)) + DenseShift(torch.ones(3, 3, 3))",
        "1",
        "torch.eye(3)",
        "None",
    ),
    "AttentionShift(torch.ones(2, 3, 1), torch.ones(2, 3, 1)) + {}": (
        "DiagonalShift(torch.ones(3, 3))",
        "LowRankShift(torch.ones(2, 3, 1).double())",
        "LowRankShift(torch.ones(3, 3, 1))",
        "LowRankShift(torch.ones(1, 4, 1))",
    ),
    "LowRankShift(torch.ones(2, 3, 1)) + {}": (
        "LowRankShift(torch.ones(3, 3, 1))",
        "LowRankShift(torch.ones(2, 4, 1))",
    ),
    "ExponentialShift(torch.ones(1, 3, 2), torch.ones(1, 3, 2), row={})(torch.ones(1, 3, 1))": (
        "torch.ones(1, 4, 1)",
        "torch.ones(1, 3, 2)",
        "torch.ones(3)",
        "torch.ones(2, 3, 1)",
    ),
    "ScaledShift(DenseShift(torch.eye(3)), {}, torch.ones(1, 3, 1))(torch.ones(1, 3, 1))": (
        "torch.ones(1, 4, 1)",
        "torch.ones(3)",
        "1.0",
        "torch.ones(1, 3, 1).double()",
        "torch.ones(1, 3, 1).long()",
    ),
    "AttentionShift(torch.ones(1, 3, 2), {})(torch.ones(1, 3, 1))": (
        "torch.ones(1, 3, 3)",
        "torch.ones(1, 3, 2).double()",
        "torch.ones(1, 3, 2).long()",
    ),
    "SparseShift.from_edge_index(torch.tensor([[0, 1], [1, 0]]), {})": (
        "torch.tensor([-1.0, 1.0])",
        "torch.tensor([nan, 1.0])",
        "torch.ones(3)",
        "torch.ones(2).long()",
        "torch.ones(2, 1)",
    ),
    "SparseShift.from_edge_index(torch.tensor([[0, 1], [1, 0]]), normalization=None, lambda_max={})": NUMBERS,
    "SparseShift.from_edge_index(torch.tensor([[0, 1], [1, 0]]), num_nodes={})": RATES,
    "spectrum(torch.eye(4), {})": NUMBERS,
    "spectrum({})": (
        "torch.ones(0, 0)",
        "torch.ones(0, 3, 3)",
        "torch.ones(3, 2)",
        "torch.eye(3) * nan",
        "None",
    ),
    "spectral_density(torch.eye(4), probes={})": RATES,
    "spectral_density(torch.eye(4), steps={})": RATES,
    "attention_rows(torch.eye(4), {})": (
        "torch.tensor([4])",
        "torch.tensor([-1])",
        "torch.tensor([0.5])",
        "1",
        "None",
    ),
    "dirichlet_energy({}, torch.eye(4))": (
        "torch.ones(1, 3, 1)",
        "torch.ones(4)",
        "torch.ones(1, 4, 1).long()",
        "None",
    ),
    "signal_density({}, torch.eye(4))": (
        "torch.ones(1, 3, 1)",
        "torch.ones(1, 4, 1) * nan",
        "torch.ones(0, 4, 1)",
    ),
    "NonlocalBlock({})(torch.ones(1, 4, 3, 3))": RATES,
    "SNL(4, stages={})(torch.ones(1, 4, 3, 3))": RATES,
    "SNL(4, order={})(torch.ones(1, 4, 3, 3))": RATES,
    "CGNL(4, groups={})(torch.ones(1, 4, 3, 3))": RATES,
    "CGNL(4, gamma={})(torch.ones(1, 4, 3, 3))": RATES,
    "GC(4, {})(torch.ones(1, 4, 3, 3))": RATES,
    "ANL(4, sizes={})(torch.ones(1, 4, 3, 3))": ("()", "(0,)", "(-1,)", "(1.5,)", "3", "None"),
    "DNL(4, scale={})(torch.ones(1, 4, 3, 3))": RATES,
    "SNL(4)({})": (
        "torch.ones(1, 4)",
        "torch.ones(0, 4, 3)",
        "torch.ones(1, 4, 0)",
        "torch.ones(1, 3, 3)",
        "torch.ones(1, 4, 3).long()",
        "None",
    ),
    "Cayley(2, 2)(torch.ones(1, 4, 2), {})": tuple(
        f"{kind.format(n='nan')}"
        for kind in (
            "DenseShift(torch.eye(4) * {n})",
            "AttentionShift(torch.ones(1, 4, 1) * {n}, torch.ones(1, 4, 1))",
            "DiagonalShift(torch.ones(4) * {n})",
            "LowRankShift(torch.ones(1, 4, 1) * {n})",
        )
    ),
    "DenseShift(torch.eye(3).to({0})).solve(torch.ones(1, 3, 1).to({0}), 1.0, 0.5)".replace("{0}", "{}"): (
        "torch.half",
        "torch.bfloat16",
        "torch.long",
        "torch.complex64",
    ),
    "AttentionShift(torch.ones(1, 3, 1), torch.ones(1, 3, 1)).solve(torch.ones(1, 3, 1).to({}), 1.0, 0.5)": (
        "torch.half",
        "torch.bfloat16",
        "torch.long",
    ),
}
"""Programs, and the values that are put in."""

LAZY = ("Analysis", "analyze", "plot_response", "write_analyses")
"""Names that draw in matplotlib."""


def _public(module: ModuleType) -> dict[str, object]:
    return {name: getattr(module, name) for name in module.__all__ if name not in LAZY}


def check(case: BadCase) -> Outcome:
    """Run the program: it is refused in our own words, or every number of its result is finite."""
    where = case.program
    names = {**namespace(), **_public(shifts), **_public(analysis), "nan": float("nan"), "inf": float("inf")}
    with warnings.catch_warnings(), surroundings(case, 1):
        warnings.simplefilter("ignore")
        try:
            with torch.no_grad():
                found = eval(case.source, names)
        except Exception as error:
            return Outcome("refused", refusals.reason(error, where))
    if isinstance(found, torch.Tensor) and not found.isfinite().all() and "nan" not in case.value:
        raise Failure(f"NaN or inf in {where}", f"no error, and the result is not finite: {case.source}")
    return Outcome("held")
