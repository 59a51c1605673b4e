"""No float64 call computes in a narrower type, and nothing depends on default types and devices."""

from functools import partial

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import filters
from gsp_nonlocal import SNL
from gsp_nonlocal.affinity import TaylorRBF
from gsp_nonlocal.interop import mmcv, official, timm
from gsp_nonlocal.interop.pyg import SpectralConv
from gsp_nonlocal.nodes import Bias, PointwiseProjection
from tests.cases.affinities import AFFINITIES, GRID, POOLED, combinations
from tests.cases.affinities import build as build_affinity
from tests.cases.affinities import nodes as node_features
from tests.cases.blocks import BLOCKS, open_gates
from tests.cases.filters import FILTERS
from tests.cases.shifts import SHIFTS
from tests.cases.signals import edges, relative, signal
from tests.interop.golden import load
from tests.interop.test_official import BLOCKS as AUTHORS

NARROW = (torch.float32, torch.bfloat16, torch.float16, torch.complex64)


class Narrow(TorchDispatchMode):
    """The operations whose results are narrower than float64."""

    def __init__(self):
        super().__init__()
        self.found = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for value in result if isinstance(result, tuple | list) else (result,):
            if isinstance(value, torch.Tensor) and value.dtype in NARROW and value.numel():
                self.found.add(func.overloadpacket.__name__)
        return result


def assert_wide(call, *inputs):
    """``call`` and its backward pass stay in float64, whatever the default type is."""
    for default in (torch.float32, torch.bfloat16):
        torch.set_default_dtype(default)
        try:
            with Narrow() as narrow:
                y = call()
                if y.requires_grad:
                    y.square().sum().backward()
        finally:
            torch.set_default_dtype(torch.float32)
        assert y.dtype == torch.float64
        assert not narrow.found, narrow.found


def test_the_check_of_wide_calls_can_fail():
    with pytest.raises(AssertionError, match="exp"):
        assert_wide(lambda: signal() * torch.tensor(0.1).exp())


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_in_float64_computes_in_it(name):
    f = FILTERS[name].make().double()
    graphs = ("low-rank", "dense", "diagonal") + (() if "rational" in name else ("sparse",))
    for shift in (SHIFTS[graph]() for graph in graphs):
        assert_wide(lambda shift=shift: f(signal().requires_grad_(), shift))
    assert_wide(lambda: f.response(torch.linspace(0, 2, 7, dtype=torch.float64)))


@pytest.mark.parametrize("graph", SHIFTS)
def test_a_shift_in_float64_computes_in_it(graph):
    shift = SHIFTS[graph]().detach()
    assert_wide(lambda: shift @ signal())
    assert_wide(lambda: shift.T @ signal())
    assert_wide(lambda: shift.solve(signal(), 2.0, 0.5))
    assert_wide(shift.to_dense)


@pytest.mark.parametrize(("name", "symmetrization", "normalization"), list(combinations()))
def test_an_affinity_in_float64_computes_in_it(name, symmetrization, normalization):
    affinity, x = build_affinity(name, symmetrization, normalization), node_features().requires_grad_()
    assert_wide(lambda: affinity(x, GRID) @ node_features())
    assert_wide(lambda: affinity(x, GRID).T @ node_features())


@pytest.mark.parametrize("pool", ["max", "average"])
@pytest.mark.parametrize("name", POOLED)
def test_a_pooled_affinity_in_float64_computes_in_it(name, pool):
    affinity, x = AFFINITIES[name].make(5, 3, sub_sample=pool).double(), node_features().requires_grad_()
    assert_wide(lambda: affinity(x, GRID) @ node_features())


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("training", [True, False])
def test_a_block_in_float64_computes_in_it(name, training):
    block = open_gates(BLOCKS[name].make(8)).double().train(training)
    x = torch.randn(2, 8, 6, 5, dtype=torch.float64, requires_grad=True)
    assert_wide(lambda: block(x))


def test_the_series_of_unit_embeddings_has_its_factor_in_full():
    series, x = TaylorRBF(5, 3, order=0, gamma=0.3, unit_norm=True).double(), node_features()
    found = series(x).to_dense()
    assert relative(found, torch.full_like(found, -0.6).exp()) < 1e-15


@pytest.mark.parametrize("normalization", ["sym", "rw", None])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_convolution_of_float64_signals_computes_in_float64(normalization, weighted):
    places, weights = edges()
    given = weights.float() if weighted else None
    conv = SpectralConv(filters.Cayley(4, 4, zoom=50.0), normalization).double()
    exact = weights.float().double() if weighted else torch.ones_like(weights)
    x = signal()[0]
    assert torch.equal(conv(x, places, given), conv(x, places, exact))
    assert conv(x.float(), places, given).dtype == torch.float32
    with pytest.raises(TypeError, match="int64"):
        conv(x, places, torch.ones(len(weights), dtype=torch.long))


def narrowed(state, dtypes):
    """The state with its tensors in turn in these types, and numbers that need all their bits."""
    torch.manual_seed(0)
    values = {
        k: v + 1e-9 * torch.rand(v.shape).to(v.double()) if v.is_floating_point() else v
        for k, v in state.items()
    }
    return {
        k: v.to(dtypes[i % len(dtypes)]) if v.is_floating_point() else v
        for i, (k, v) in enumerate(values.items())
    }


READERS = {
    **{
        f"official {name}": (
            lambda s, kind=kind, options=options: official.load_block(kind, s, **options),
            f"official_{name}_2x16x6x5",
        )
        for name, (kind, options) in AUTHORS.items()
    },
    "timm": (timm.load_block, "timm_nonlocal_2x16x6x5"),
    **{
        f"mmcv {mode}": (lambda s, mode=mode: mmcv.load_block(mode, s), f"mmcv_{mode}_2x16x6x5")
        for mode in ("gaussian", "embedded_gaussian", "dot_product", "concatenation")
    },
    "network": (official.load_network, "official_preresnet20_snl"),
}


def numbers(tensors):
    """All the magnitudes, sorted: a state in any order, shape and sign."""
    return (
        torch.cat([t.detach().flatten().double().abs() for t in tensors if t.is_floating_point()])
        .sort()
        .values
    )


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "dtypes",
    [
        (torch.float64,),
        (torch.float32,),
        (torch.float16,),
        (torch.float16, torch.float32),
        (torch.float32, torch.float64),
    ],
)
def test_a_state_is_read_bit_by_bit_in_its_widest_type(reader, dtypes):
    read, file = READERS[reader]
    state = narrowed(load(file)[1], dtypes)
    block = read(state)
    widest = torch.promote_types(dtypes[0], dtypes[-1])
    assert {v.dtype for v in block.state_dict().values() if v.is_floating_point()} == {widest}
    unread = ("conv_bn_dropout.", "stages.0.f_query.") if "anl" in reader else ("?",)
    theirs = numbers(v for k, v in state.items() if not k.startswith(unread))
    ours = numbers(
        v for k, v in block.state_dict().items() if not ("cgnl" in reader and k.endswith("filter.weight"))
    )
    assert torch.equal(ours, theirs)


def test_real_modules_of_timm_keep_float64_and_mixed_types():
    from timm.layers import NonLocalAttn

    theirs = NonLocalAttn(16).double().eval()
    x = torch.randn(2, 16, 5, 4, dtype=torch.float64)
    assert relative(timm.convert(theirs)(x), theirs(x)) < 1e-13
    mixed = NonLocalAttn(16).half()
    mixed.norm.float().running_mean.fill_(1 / 3)
    assert torch.equal(timm.convert(mixed).stages[0].norm[1].running_mean, mixed.norm.running_mean)


EVERYTHING = {
    **{f"filter {name}": case.make for name, case in FILTERS.items() if case.terms},
    **{f"block {name}": (lambda make=case.make: make(8)) for name, case in BLOCKS.items()},
    **{f"affinity {name}": (lambda make=case.make: make(5, 3)) for name, case in AFFINITIES.items()},
}


@pytest.mark.parametrize("name", EVERYTHING)
def test_everything_is_made_on_the_default_device_and_in_the_default_type(name):
    with torch.device("meta"):
        module = EVERYTHING[name]()
    assert {p.device.type for p in [*module.parameters(), *module.buffers()]} <= {"meta"}
    torch.set_default_dtype(torch.float64)
    try:
        module = EVERYTHING[name]()
    finally:
        torch.set_default_dtype(torch.float32)
    assert {p.dtype for p in module.parameters()} <= {torch.float64}


PLACED = {
    **{f"block {name}": partial(case.make, 8) for name, case in BLOCKS.items()},
    **{f"affinity {name}": partial(case.make, 5, 3) for name, case in AFFINITIES.items()},
    "projection": partial(PointwiseProjection, 5, 3, bias=True),
    "bias": partial(Bias, 5),
}


def tensors(module):
    """Parameters and buffers by name, but for counters."""
    return {k: v for k, v in module.state_dict().items() if not k.endswith("num_batches_tracked")}


@pytest.mark.parametrize("name", PLACED)
def test_device_and_dtype_are_those_asked_for(name):
    make = PLACED[name]
    for device in ("meta", torch.device("meta")):
        assert {t.device.type for t in make(device=device).state_dict().values()} <= {"meta"}
    for dtype in (torch.float64, torch.bfloat16):
        torch.manual_seed(0)
        module = make(device="cpu", dtype=dtype)
        torch.set_default_dtype(dtype)
        try:
            torch.manual_seed(0)
            expected = tensors(make())
        finally:
            torch.set_default_dtype(torch.float32)
        assert {k: v.dtype for k, v in tensors(module).items()} == dict.fromkeys(expected, dtype)
        assert all(torch.equal(v, expected[k]) for k, v in tensors(module).items())
    assert torch.get_default_dtype() == torch.float32


@pytest.mark.parametrize("name", PLACED)
@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"device": "gpu"}, ValueError, "device 'gpu' is unknown"),
        ({"device": 1.5}, TypeError, "device must be .*got 1.5"),
        ({"device": True}, TypeError, "device must be .*got True"),
        ({"dtype": torch.int64}, TypeError, "dtype must be .*got torch.int64"),
        ({"dtype": torch.complex64}, TypeError, "dtype must be .*got torch.complex64"),
        ({"dtype": "float64"}, TypeError, "dtype must be .*got 'float64'"),
    ],
)
def test_a_device_or_dtype_that_no_module_can_have_is_named(name, given, error, message):
    with pytest.raises(error, match=message):
        PLACED[name](**given)


def test_a_factory_that_fails_leaves_the_default_type_alone():
    with pytest.raises(TypeError, match="norm must make a Module"):
        SNL(8, norm=lambda channels: None, dtype=torch.float64)
    assert torch.get_default_dtype() == torch.float32


@pytest.mark.parametrize("name", PLACED)
def test_what_was_made_without_memory_starts_as_any_other(name):
    """Every module with parameters of its own knows how to set them, as sharded training asks for."""
    module = PLACED[name](device="meta").to_empty(device="cpu")
    for part in module.modules():
        if list(part.parameters(recurse=False)):
            part.reset_parameters()
    assert all(p.isfinite().all() for p in module.parameters())
    if name.startswith("block"):
        x = torch.randn(2, 8, 6, 5)
        assert torch.equal(module(x), x)


@pytest.mark.parametrize("name", [n for n in FILTERS if FILTERS[n].terms and "training" not in n])
def test_parameters_start_at_full_precision(name):
    """Those that are no random numbers, in a filter that was made float64."""
    torch.set_default_dtype(torch.float64)
    try:
        exact = FILTERS[name].make()
    finally:
        torch.set_default_dtype(torch.float32)
    f = FILTERS[name].make().double()
    for module in f.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    drawn = {"weight"}
    for key, value in exact.named_parameters():
        assert key.split(".")[-1] in drawn or torch.equal(f.get_parameter(key), value)
