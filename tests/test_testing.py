"""Every law of ``gsp_nonlocal.testing`` can fail: for each one a part that breaks it."""

import re
from dataclasses import replace

import pytest
import torch
from torch import nn

from filters import Chebyshev, DenseShift
from gsp_nonlocal import SNL, LowRankShift
from gsp_nonlocal.affinity import Affinity
from gsp_nonlocal.probe import Trace, register_reader
from gsp_nonlocal.spectral import Layout
from gsp_nonlocal.testing import check_affinity, check_block, check_filter, check_reader, check_shift
from gsp_nonlocal.testing.affinity_laws import AFFINITY_LAWS
from gsp_nonlocal.testing.block_laws import BLOCK_LAWS
from gsp_nonlocal.testing.filter_laws import FILTER_LAWS, FILTER_LAWS_ON_A_SHIFT
from gsp_nonlocal.testing.reader_laws import READER_LAWS
from gsp_nonlocal.testing.shift_laws import SHIFT_LAWS


def name_of(law):
    return law.__name__.lstrip("_")


def breaks(part, law, check, *args, **kwargs):
    """Assert that the check names the law, the part and a number or an error."""
    text = law.__doc__.partition("\n")[0]
    with pytest.raises(AssertionError) as raised:
        check(part, *args, **kwargs)
    told = [line for line in str(raised.value).splitlines() if f"breaks the law '{text}'" in line]
    assert told, raised.value
    assert type(part).__name__ in told[0]
    assert re.search(r"is [\d.e+-]+|is nan|Error", told[0])


# filters


class Broken(Chebyshev):
    """A filter whose output is spoilt."""

    def forward(self, z, shift):
        return self.spoil(super().forward(z, shift), shift)


def spoilt(of):
    return type("Spoilt", (Broken,), {"spoil": lambda self, y, s: of(self, y, s)})(3, 2)


def count(f, y, s):
    f.weight.data += 1
    return y


FILTERS = {
    "dense_form": lambda f, y, s: y * (2 if isinstance(s, DenseShift) else 1),
    "linear": lambda f, y, s: y + 1,
    "eigenbasis": lambda f, y, s: y.roll(1, dims=1),
    "repeatable": count,
    "permuted": lambda f, y, s: y * torch.linspace(1, 2, y.shape[1]).to(y)[:, None],
    "apart": lambda f, y, s: y - y.mean(0),
    "plain": lambda f, y, s: y * (2 if isinstance(s, torch.Tensor) else 1),
    "differentiable": lambda f, y, s: y.detach() + 0 * y,
}


@pytest.mark.parametrize("law", [*FILTER_LAWS_ON_A_SHIFT, *FILTER_LAWS])
def test_a_broken_filter_is_caught(law):
    breaks(spoilt(FILTERS[name_of(law)]), law, check_filter)


# shifts


class Wrong(DenseShift):
    """A dense shift, of which one thing after another is wrong."""

    @property
    def T(self):
        return self if self.wrong == "T" else super().T

    def resolvent(self, a, b):
        right = super().resolvent(a, b)
        return (lambda z: 2 * right(z)) if self.wrong == "resolvent" else right

    def signal(self, z):
        return 2 * z if self.wrong == "signal" else z

    def graph(self, index):
        return self if self.wrong == "graph" else super().graph(index)

    def mapped(self, function, promises=None):
        return DenseShift(function(self.matrix), is_symmetric=self.is_symmetric)  # the others are lost

    def __add__(self, other):
        return self if self.wrong == "add" else super().__add__(other)

    def eigenpairs(self):
        eigenvalues, basis = torch.linalg.eigh(self.matrix)
        return (2 * eigenvalues, basis) if self.wrong == "eigenpairs" else (eigenvalues, basis)

    def __call__(self, z):
        if self.wrong == "call":
            self.matrix.mul_(2)
        return super().__call__(z)


SHIFTS = {
    "promises_kept": "bound",
    "applied": "T",
    "solved": "resolvent",
    "lazy": "signal",
    "graphs": "graph",
    "copied": "mapped",
    "derived": "add",
    "decomposed": "eigenpairs",
    "repeatable": "call",
}


@pytest.mark.parametrize("law", SHIFT_LAWS)
def test_a_broken_shift_is_caught(law):
    matrix = torch.randn(2, 5, 5, dtype=torch.float64)
    if SHIFTS[name_of(law)] != "T":
        matrix = matrix + matrix.mT
    bound = 1e-3 if SHIFTS[name_of(law)] == "bound" else 100.0
    wrong = Wrong(matrix, is_symmetric=SHIFTS[name_of(law)] != "T", spectral_bound=bound)
    wrong.wrong = SHIFTS[name_of(law)]
    breaks(wrong, law, check_shift)


# affinities


class Mean(Affinity):
    """``1/N``, but for what is wrong."""

    formula = "1/N"
    is_symmetric = True

    def __init__(self, wrong=""):
        super().__init__()
        self.wrong, self.calls = wrong, 0
        self.scale = nn.Parameter(torch.ones(()))

    @property
    def equation(self):
        return "S" if not self.wrong else super().equation

    def forward(self, nodes, spatial=None):
        self.calls += 1
        return DenseShift(self.matrix(nodes), **self.promises.keywords())

    def matrix(self, x):
        ones = self.scale * torch.ones(len(x), x.shape[1], x.shape[1]).to(x) / x.shape[1]
        ramp = torch.linspace(1, 2, x.shape[1]).to(x)[:, None]
        return {
            "directed": lambda: ones * ramp,
            "single": lambda: ones * (2 if x.dtype == torch.float32 else 1),
            "arranged": lambda: ones * ramp * ramp.mT,
            "batch": lambda: ones * x.mean(),
            "detached": lambda: ones.detach() * self.scale.detach() + 0 * self.scale * x.sum() + 0 * ones,
            "calls": lambda: ones * self.calls,
        }.get(self.wrong, lambda: ones)()


class Misdescribed(Mean):
    """Says something else at every look."""

    @property
    def equation(self):
        self.calls += 1
        return f"S {self.calls}"


AFFINITIES = {
    "promised": Mean("directed"),
    "described": Misdescribed(),
    "single": Mean("single"),
    "permuted": Mean("arranged"),
    "apart": Mean("batch"),
    "differentiable": Mean("detached"),
    "repeatable": Mean("calls"),
}


@pytest.mark.parametrize("law", AFFINITY_LAWS)
def test_a_broken_affinity_is_caught(law):
    breaks(AFFINITIES[name_of(law)], law, check_affinity, 3)


# blocks


class Bad(SNL):
    """A block whose output is spoilt, or that says what is not so."""

    wrong, copies = "", 0

    def forward(self, x):
        y = super().forward(x)
        ramp = torch.linspace(1, 2, y[0, 0].numel()).to(y).view(1, 1, *y.shape[2:])
        return {
            "shape": lambda: y.flatten(2)[..., None],
            "open": lambda: y + 1,
            "dead": lambda: y.detach() + 0 * x.sum(),
            "batch": lambda: y + y.mean(0),
            "arranged": lambda: y * ramp,
            "layout": lambda: y * (2 if y.dim() == 4 and not x.is_contiguous() else 1),
            "pickle": lambda: y * (1 + self.copies),
            "random": lambda: y + torch.randn_like(y),
        }.get(self.wrong, lambda: y)()

    def describe(self):
        said = super().describe()
        return replace(said, symmetric="no") if self.wrong == "described" else said

    def __setstate__(self, state):
        super().__setstate__(state)
        self.copies += 1


class Swallowing(SNL):
    """A block that takes any argument and hears none."""

    def __init__(self, channels, **ignored):
        super().__init__(channels)


BLOCKS = {
    "shaped": "shape",
    "closed": "open",
    "learning": "dead",
    "apart": "batch",
    "anywhere": "arranged",
    "layouts": "layout",
    "described": "described",
    "copied": "pickle",
    "repeatable": "random",
    "placed": "swallowing",
}


@pytest.mark.parametrize("law", BLOCK_LAWS)
def test_a_broken_block_is_caught(law):
    bad = Swallowing(4) if BLOCKS[name_of(law)] == "swallowing" else Bad(4)
    bad.wrong = BLOCKS[name_of(law)]
    breaks(bad, law, check_block)


# readers


class Average(nn.Module):
    """Every position gets the mean of all."""

    def __init__(self, wrong=""):
        super().__init__()
        self.wrong = wrong
        self.gain = nn.Parameter(torch.ones(()))

    def forward(self, x):
        return self.gain * x.mean(dim=1, keepdim=True).expand_as(x)


def read_average(module, call):
    x = call.argument(0, "x")
    ones = torch.ones_like(x[..., :1])
    if module.wrong == "weights":
        module.gain.data.add_(1)
    factor = 2 if module.wrong == "factor" else 1
    nodes = x.shape[1] + (module.wrong == "layout")
    shift = LowRankShift(factor * module.gain.detach() * ones / x.shape[1], ones)
    yield Trace(shift, x, lambda z, s: s @ z, Layout((nodes,)))


READERS = {"unseen": "weights", "true": "factor", "sound": "layout"}


@pytest.mark.parametrize("law", READER_LAWS)
def test_a_broken_reader_is_caught(law):
    register_reader(Average, read_average)
    x, output = torch.randn(2, 5, 3), lambda module, trace: trace.filtered
    check_reader(Average(), x, output=output)
    breaks(Average(READERS[name_of(law)]), law, check_reader, x, output=output)
