"""Filters of one's own: built in PyTorch's order, of one method each, on any device and of any type."""

import copy
import pickle

import pytest
import torch
from torch import nn

import filters
from filters import Bernstein, Cayley, Chebyshev, Filter, Heat, Monomial, SpectralFunction, as_shift, mix
from filters.operators.signal import materialise
from gsp_nonlocal.shifts import LowRankShift
from gsp_nonlocal.spectral import fit_response
from tests.cases.filters import FAMILIES, FILTERS
from tests.cases.own import Clenshaw, Horner, Squared
from tests.cases.shifts import SHIFTS
from tests.cases.signals import IN, NODES, OUT, features, relative, signal

SCHEMES = {"horner": (Horner, Monomial), "clenshaw": (Clenshaw, Chebyshev)}
LAM = torch.linspace(0, 2, 9, dtype=torch.float64)


class Zoomed(Filter):
    """Parameters and numbers of its own, in PyTorch's order; every method needs them."""

    def __init__(self, in_channels, out_channels, order=2, *, device=None, dtype=None):
        super().__init__(in_channels, out_channels, order=order, terms=3, device=device, dtype=dtype)
        self.begin = 0.7
        self.zoom = nn.Parameter(torch.empty(2, device=device, dtype=dtype))
        self.reset_parameters()

    @property
    def uses_graph(self):
        return bool(self.begin)

    def mixing(self, weight):
        return self.begin * weight

    def reset_parameters(self):
        super().reset_parameters()
        nn.init.constant_(self.zoom, self.begin)

    def terms(self, shift, z):
        yield z
        for h in self.zoom.to(shift.dtype).unbind():
            yield h * shift(z)

    def extra_repr(self):
        return f"{self.begin}"


class Below(Cayley):
    """The same, below a family with parameters and an initialisation of its own."""

    def __init__(self, in_channels, out_channels, order=1):
        super().__init__(in_channels, out_channels, order, zoom=2.0)
        self.gain = nn.Parameter(torch.empty(()))
        self.reset_parameters()

    def reset_parameters(self):
        super().reset_parameters()
        nn.init.constant_(self.gain, 0.25)


class Zero(Filter):
    """An initialisation of its own, and no parameters."""

    def terms(self, shift, z):
        yield z
        yield shift(z)

    def reset_parameters(self):
        nn.init.zeros_(self.weight)


class Offset(Zero):
    """A parameter below that."""

    def __init__(self, in_channels, out_channels):
        super().__init__(in_channels, out_channels)
        self.offset = nn.Parameter(torch.ones(()))


class Ones(Bernstein):
    """Weights set by hand after the family's."""

    def __init__(self, in_channels, out_channels, order=1):
        super().__init__(in_channels, out_channels, order)
        nn.init.ones_(self.weight)


class Bump(SpectralFunction):
    """A fixed response by its own method, with a number of its own."""

    def __init__(self, centre=1.0):
        super().__init__(order=60, name="Bump")
        self.centre = centre

    def gain(self, lam):
        return torch.exp(-8 * (lam - self.centre) ** 2)


class Channels(Filter):
    """Factors of channels, on the signal itself, on products, and before a mixing."""

    def __init__(self, in_channels, out_channels, order=1):
        super().__init__(in_channels, out_channels, order=order, terms=3)
        self.gains = nn.Parameter(torch.linspace(0.5, 2.0, in_channels))

    def terms(self, shift, z):
        yield self.gains * z
        yield shift(z * self.gains) / self.gains - z
        yield self.gains.view(1, 1, -1) * shift(self.gains * shift(z))


OWN = (Channels, Zoomed, Below, Squared, Horner, Clenshaw, Zero, Offset, Ones)


@pytest.mark.parametrize("kind", OWN)
def test_a_filter_of_ones_own_works_everywhere(kind):
    f, shift, z = kind(IN, OUT).double(), SHIFTS["low-rank"](), signal()
    assert relative(f(z, shift), f(z, shift.to_dense())) < 1e-11
    assert relative((f @ kind(IN, IN).double())(z, shift), torch.zeros_like(f(z, shift))) >= 0
    assert f.response(LAM).shape == (9, IN, OUT)
    assert torch.equal(pickle.loads(pickle.dumps(f))(z, shift), f(z, shift))
    names = list(f.state_dict())
    f.reset_parameters()
    assert list(f.state_dict()) == names


def test_parameters_begin_as_reset_parameters_says():
    assert Zoomed(2, 2).zoom.tolist() == pytest.approx([0.7, 0.7])
    assert (float(Below(2, 2).gain), float(Below(2, 2).zoom)) == pytest.approx((0.25, 2.0))
    assert not Zero(2, 2).weight.any()
    assert not Offset(2, 2).weight.any()
    assert (Ones(2, 2).weight == 1).all()
    assert Squared(2, 2).weight.abs().min() > 0


@pytest.mark.parametrize("name", [*FAMILIES, "own"])
def test_weights_are_drawn_once(name):
    """So that a seed gives the same network, whatever stands behind a filter."""
    make = FAMILIES[name][0] if name in FAMILIES else Zoomed
    torch.manual_seed(3)
    f = make(IN, OUT, order=3)
    after = torch.rand(())
    again = copy.deepcopy(f)
    torch.manual_seed(3)
    again.reset_parameters()
    assert torch.equal(torch.rand(()), after)
    assert all(torch.equal(p, q) for p, q in zip(f.parameters(), again.parameters(), strict=True))


def test_a_response_of_ones_own_is_read_when_it_is_needed():
    f = Bump(0.5)
    assert f.error < 1e-6
    assert relative(f.response(LAM).flatten(), torch.exp(-8 * (LAM - 0.5) ** 2)) < 1e-12
    with pytest.raises(TypeError, match=r"SpectralFunction has no response: pass g\(lam\)"):
        SpectralFunction()


@pytest.mark.parametrize("graph", SHIFTS)
@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize("order", [0, 1, 2, 5])
def test_a_scheme_that_interleaves_weights_equals_its_terms(name, order, graph):
    kind, family = SCHEMES[name]
    scheme, known = kind(IN, OUT, order=order).double(), family(IN, OUT, order=order).double()
    scheme.load_state_dict(known.state_dict())
    found = []
    for f in (scheme, known):
        z = signal().requires_grad_()
        y = f(z, SHIFTS[graph]())
        y.square().sum().backward()
        found.append((y, z.grad, f.weight.grad, f.response(LAM)))
    for one, other in zip(*found, strict=True):
        assert relative(one, other) < 1e-11
    g = family(OUT, 2, order=2).double()
    z, shift = signal(), SHIFTS[graph]()
    assert relative((g @ scheme)(z, shift), g(known(z, shift), shift)) < 1e-9


def test_a_scheme_is_designed_from_a_response():
    designed = [kind(1, 1, order=8).double() for kind in SCHEMES["clenshaw"]]
    fits = [fit_response(f, lambda lam: torch.exp(-lam)) for f in designed]
    assert fits[0].max_error == pytest.approx(fits[1].max_error, rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", [*FAMILIES, "own"])
def test_parameters_are_of_the_type_and_on_the_device_asked_for(name, dtype):
    make = FAMILIES[name][0] if name in FAMILIES else Zoomed
    f = make(IN, OUT, order=2, dtype=dtype, device="cpu")
    assert {p.dtype for p in f.parameters()} == {dtype}
    assert f(signal().to(dtype), SHIFTS["dense"]().to(dtype)).dtype == dtype
    on_meta = make(IN, OUT, order=2, dtype=dtype, device=torch.device("meta"))
    assert {(p.device.type, p.dtype) for p in on_meta.parameters()} == {("meta", dtype)}
    assert [p.shape for p in on_meta.parameters()] == [p.shape for p in f.parameters()]
    torch.manual_seed(1)
    real = on_meta.to_empty(device="cpu")
    real.reset_parameters()
    torch.manual_seed(1)
    wanted = make(IN, OUT, order=2, dtype=dtype)
    assert all(torch.equal(p, q) for p, q in zip(real.parameters(), wanted.parameters(), strict=True))


@pytest.mark.parametrize("name", FILTERS)
def test_every_filter_is_made_under_the_meta_device(name):
    with torch.device("meta"):
        f = FILTERS[name].make()
    assert {p.device.type for p in f.parameters()} <= {"meta"}
    z, matrix = torch.empty(2, NODES, IN, device="meta"), torch.empty(2, NODES, NODES, device="meta")
    if not f.requires_symmetric:
        assert f(z, matrix).shape == (2, NODES, OUT if f.out_channels == OUT else IN)


def lazy():
    return SHIFTS["low-rank"]().signal(signal())


@pytest.mark.parametrize("wrap", ["row", "number", "complex"])
def test_a_tensor_of_factors_acts_on_channels_as_on_a_tensor(wrap):
    """Of a lazy signal too, in the signal itself as in what the graph made of it; gradients included."""
    shift, z = SHIFTS["low-rank"](), signal()
    gains = {
        "row": torch.linspace(0.5, 2.0, IN, dtype=torch.float64).view(1, 1, IN),
        "number": torch.tensor([[2.5]], dtype=torch.float64),
        "complex": torch.linspace(0.5, 2.0, IN, dtype=torch.float64) * (1 + 2j),
    }[wrap].requires_grad_()

    def applied(shift, z):
        y = shift(gains * z - 0.5 * shift(z)) * gains
        return mix((y * gains).real, torch.ones(IN, 2, dtype=torch.float64))

    found, asked = materialise(applied(shift, shift.signal(z))), applied(as_shift(shift.to_dense()), z)
    assert relative(found, asked) < 1e-12
    slopes = [torch.autograd.grad(y.square().sum(), gains, retain_graph=True)[0] for y in (found, asked)]
    assert relative(*slopes) < 1e-11


def test_a_signal_of_one_channel_takes_the_channels_of_its_factors():
    shift, factors = SHIFTS["low-rank"](), torch.linspace(0.5, 2.0, 3, dtype=torch.float64)
    z = signal()[..., :1]
    lazy_z, dense = shift.signal(z), as_shift(shift.to_dense())

    def spread(shift, x):
        return (x + x * factors) * factors + shift(x) - shift(factors * x)

    assert relative(materialise(spread(shift, lazy_z)), spread(dense, z)) < 1e-12


class Neither(Filter):
    pass


class Property(Filter):
    """Written for an earlier version."""

    @property
    def num_terms(self):
        return 1

    def terms(self, shift, z):
        yield z


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Neither(2, 2), TypeError, r"Neither is no filter yet: write terms.* or evaluate"),
        (lambda: Property(2, 2), TypeError, r"Property overrides num_terms.*terms=…"),
        (lambda: Zoomed(2, 2, dtype=torch.int64), TypeError, "floating-point type.*torch.int64"),
        (lambda: Chebyshev(2, 2, dtype=torch.complex64), TypeError, "floating-point type.*complex64"),
        (lambda: Chebyshev(2, 2, dtype="float32"), TypeError, "floating-point type.*'float32'"),
        (lambda: list(Horner(2, 2).terms(None, None)), NotImplementedError, "Horner has no terms.*evaluate"),
        (lambda: lazy() * torch.ones(1, 1, 1, IN), TypeError, r"got \(1, 1, 1, 4\)"),
        (
            lambda: (x := lazy()) + mix(x, torch.ones(IN, 3).double()),
            ValueError,
            "signals of 4 and 3 channels",
        ),
        (lambda: lazy() + 1.0, TypeError, "only signals are added to a signal, got float"),
        (lambda: lazy() - torch.ones(1, 20, 4), TypeError, "only signals are added to a signal, got Tensor"),
        (lambda: lazy() * lazy(), TypeError, r"one factor a channel, \(4,\), got LowRankSignal"),
        (
            lambda: lazy() * torch.ones(NODES, 1),
            TypeError,
            rf"got \({NODES}, 1\): a matrix is mix\(signal, W\)",
        ),
        (lambda: torch.ones(IN, IN) * lazy(), TypeError, r"got \(4, 4\): a matrix is mix\(signal, W\)"),
        (
            lambda: SHIFTS["dense"]()(SHIFTS["low-rank"]().signal(signal())),
            TypeError,
            r"takes tensors, got LowRankSignal.*\.to_dense\(\)",
        ),
        (
            lambda: LowRankShift(features())(LowRankShift(features()).signal(signal())),
            ValueError,
            "on the shift they were made from",
        ),
    ],
)
def test_what_cannot_be_a_filter_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_every_registered_family_has_a_row():
    named = {filters.registry.get(name) for name in filters.registry.names()}
    assert named <= {type(case.make()) for case in FILTERS.values()}


def test_heat_under_another_default_device_is_heat():
    with torch.device("meta"):
        f = Heat(0.5)
    assert f.error == Heat(0.5).error
