"""The fuzzer can fail: broken implementations, put in place of the right ones, are found."""

import sys

import pytest
import torch

from filters import Cayley, DenseShift, Diffusion
from filters.polynomial import PolynomialFilter
from gsp_nonlocal.nodes import PointwiseProjection
from gsp_nonlocal.shifts import AttentionShift, LowRankShift, SparseShift
from gsp_nonlocal.spectral import measures
from tests.fuzz import analysis_case, block_case, filter_case, promise_case
from tests.fuzz.case import Failure, Outcome
from tests.fuzz.draw import analysis_cases, block_cases, filter_cases, promise_cases
from tests.fuzz.engine import Tally, first_failure

MOST = 300
"""Examples within which each fault must be found."""


def wrong_sign(patch):
    patch.setattr(Diffusion, "terms", lambda self, shift, z: iter([z - shift(z)]))


def transposed_attention(patch):
    right = AttentionShift.apply
    patch.setattr(
        AttentionShift, "apply", lambda self, z: right(AttentionShift(self.key, self.query, self.scale), z)
    )


def no_guard(patch):
    """``d^{-1/2}`` infinite at an isolated node, wherever the library has the name."""
    for name, module in list(sys.modules.items()):
        if name.startswith("gsp_nonlocal") and hasattr(module, "inverse_sqrt_degree"):
            patch.setattr(module, "inverse_sqrt_degree", torch.rsqrt)


def kept_gram(patch):
    """``core rightᵀ left`` kept with whatever graph it was first made."""
    right, kept = LowRankShift.gram.fget, "_kept_gram"

    def gram(self):
        if kept not in self.__dict__:
            object.__setattr__(self, kept, right(self))
        return self.__dict__[kept]

    patch.setattr(LowRankShift, "gram", property(gram))


def false_promise(patch):
    patch.setattr(DenseShift, "is_symmetric", property(lambda self: True))


def changed_input(patch):
    right = DenseShift.__call__
    patch.setattr(
        DenseShift, "__call__", lambda self, z: right(self, z.mul_(1.5) if not z.requires_grad else z)
    )


def late_recurrence(patch):
    right = PolynomialFilter.terms

    def terms(self, shift, z):
        for k, term in enumerate(right(self, shift, z)):
            yield term if k < 3 else 1.001 * term

    patch.setattr(PolynomialFilter, "terms", terms)


def lost_zoom(patch):
    patch.setattr(Cayley, "zoom", property(lambda self: self.log_zoom.exp().detach()))


def lost_loops(patch):
    right = SparseShift.__call__

    def propagate(self, z):
        y = right(self, z)
        return y - torch.diagonal(self.to_dense(), dim1=1, dim2=2).unsqueeze(-1) * z

    patch.setattr(SparseShift, "__call__", propagate)


def forgotten_bias(patch):
    patch.setattr(PointwiseProjection, "forward", lambda self, nodes: nodes @ self.weight.mT)


def wrong_definition(patch):
    patch.setattr(analysis_case, "asymmetry", lambda shift: 2 * measures.asymmetry(shift))


CASES = {
    "wrong sign": (wrong_sign, filter_cases(), filter_case.check),
    "transposed attention": (transposed_attention, filter_cases(kinds=("attention",)), filter_case.check),
    "no guard of isolated nodes": (
        no_guard,
        filter_cases(kinds=("relu-dot",), laws=("values",)),
        filter_case.check,
    ),
    "kept Gram matrix": (
        kept_gram,
        filter_cases(kinds=("low-rank",), laws=("again",), family="Chebyshev"),
        filter_case.check,
    ),
    "wrong third term": (late_recurrence, filter_cases(), filter_case.check),
    "zoom without gradient": (
        lost_zoom,
        filter_cases(laws=("gradients",), family="Cayley"),
        filter_case.check,
    ),
    "lost self-loops": (lost_loops, filter_cases(kinds=("sparse",)), filter_case.check),
    "input changed": (changed_input, filter_cases(kinds=("dense",)), filter_case.check),
    "false promise": (false_promise, promise_cases(), promise_case.check),
    "bias forgotten": (forgotten_bias, block_cases(), block_case.check),
    "wrong definition": (wrong_definition, analysis_cases(), analysis_case.check),
}
"""The fault, where the fuzzer is made to look (everywhere, where nothing is said), and what it asks."""


@pytest.mark.parametrize("name", CASES)
def test_a_broken_implementation_is_found(name, monkeypatch):
    """A failure of a kind that the right implementation does not have, on the same examples up to there."""
    mutation, strategy, check = CASES[name]

    def is_new(case):
        with monkeypatch.context() as patch:
            mutation(patch)
            try:
                return check(case)
            except Failure as failure:
                broken = failure
        try:
            check(case)
        except Failure:
            return Outcome("not judged", "fails without the mutation too")
        raise broken from None

    tally = Tally()
    first_failure(name, strategy, is_new, MOST, 3, tally)
    assert tally.failures, f"not found in {tally.examples} examples"
