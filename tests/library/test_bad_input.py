"""Every public constructor and call with what it cannot take: errors that name it. Empty batches, copies."""

import copy
import inspect
import pickle
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch_geometric.data import Data

import filters
from filters import (
    ARMA,
    Cayley,
    Chebyshev,
    DenseShift,
    Heat,
    Identity,
    Jacobi,
    Monomial,
    Rational,
    WaveletFrame,
)
from gsp_nonlocal import NonlocalBlock, insert_blocks, inserted_blocks
from gsp_nonlocal import affinity as affinities
from gsp_nonlocal.affinity import PyramidAttention, TaylorRBF, relu_dot_shift
from gsp_nonlocal.attribution import blurred, mean_color
from gsp_nonlocal.blocks import ANL, CC, CGNL, GC, NL, SNL, describe_all
from gsp_nonlocal.interop import mmcv, official, timm
from gsp_nonlocal.interop.pyg import PyGFilter, SpectralConv, from_data, to_data
from gsp_nonlocal.models import PreActBottleneck, PreActUnit, PreResNet
from gsp_nonlocal.nodes import Bias, PointwiseProjection, PositionsAndChannels
from gsp_nonlocal.probe import evaluation
from gsp_nonlocal.shifts import (
    AttentionShift,
    CrissCrossShift,
    ExponentialShift,
    HingeShift,
    LowRankShift,
    Pool,
    PooledShift,
    ScaledShift,
    SumShift,
    scaled,
)
from gsp_nonlocal.shifts.attention import attention_products
from gsp_nonlocal.shifts.neighbours import nearest_edges
from gsp_nonlocal.signals import graph_pyramid
from tests.cases.affinities import AFFINITIES
from tests.cases.blocks import BLOCKS
from tests.cases.filters import FILTERS
from tests.cases.shifts import SHIFTS
from tests.cases.signals import IN, NODES, OUT, relative, signal
from tests.interop.golden import load

NAN, INF = float("nan"), float("inf")
NO_INTEGERS = (1.5, 2.0, True, False, "3", None, NAN, (2,), torch.ones(2))
TOO_SMALL = (0, -1)
NO_NUMBERS = (
    True,
    "1",
    None,
    NAN,
    INF,
    -INF,
    1e39,
    10**400,
    (1.0,),
    torch.ones(2),
    torch.ones((), requires_grad=True),
)

INTEGERS = {
    **{
        f"{name}, {what}": (lambda v, family=family, at=at: family(*(v if i == at else 2 for i in range(3))))
        for name, family in ((n, filters.registry.get(n)) for n in filters.registry.names())
        for at, what in enumerate(("in_channels", "out_channels"))
    },
    "arma, order": lambda v: ARMA(2, 2, v),
    "rational, poles": lambda v: Rational(2, 2, poles=v),
    "itersine, bands": filters.itersine,
    "projection, in": lambda v: PointwiseProjection(v, 2),
    "projection, out": lambda v: PointwiseProjection(2, v),
    "bias": Bias,
    "groups": PositionsAndChannels,
    "block, channels": lambda v: NonlocalBlock(v, 2),
    "block, stages": lambda v: NonlocalBlock(4, 2, stages=v),
    "block, recurrence": lambda v: NonlocalBlock(4, 2, recurrence=v),
    "cgnl, groups": lambda v: CGNL(4, groups=v),
    "cc, recurrence": lambda v: CC(8, recurrence=v),
    "pyramid, a level": lambda v: PyramidAttention(4, 2, sizes=(2, v)),
    "pyg, neighbours": lambda v: PyGFilter(conv(), neighbours=v),
    "nearest edges": lambda v: nearest_edges(SHIFTS["dense"](), v),
    "pool, a side": lambda v: Pool("max", (4, v)),
    "network, classes": lambda v: PreResNet(20, v),
    "network, channels": lambda v: PreResNet(20, 10, v),
    **{
        f"{name}, {what}": (lambda v, m=case.make, at=at: m(*(v if i == at else 2 for i in range(2))))
        for name, case in AFFINITIES.items()
        for at, what in enumerate(("channels", "inner_channels"))
        if (list(case.make(2, 2).parameters()) if at == 0 else case.embeds)
    },
}
"""Calls with one integer of at least 1."""
ORDERS = {
    **{
        f"{name}, order": partial(filters.registry.get(name), 2, 2)
        for name in filters.registry.names()
        if name != "arma"
    },
    "arma, iterations": lambda v: ARMA(2, 2, iterations=v),
    "taylor, order": lambda v: TaylorRBF(4, 2, order=v),
    "cgnl, order": lambda v: CGNL(4, order=v),
    "snl, order": lambda v: SNL(4, order=v),
    "heat, order": lambda v: Heat(order=v),
}
"""Calls with one integer of at least 0."""
POSITIVES = {
    "cayley, zoom": lambda v: Cayley(2, 2, zoom=v),
    "cayley, one of the zooms": lambda v: Cayley(2, 2, zoom=(1.0, v)),
    "heat": Heat,
    "tikhonov": filters.Tikhonov,
    "low-pass": filters.IdealLowPass,
    "mexican hat": filters.MexicanHat,
    "taylor, gamma": lambda v: TaylorRBF(4, 2, gamma=v),
    "rbf, gamma": lambda v: affinities.RBF(4, 2, gamma=v),
    "cgnl, gamma": lambda v: CGNL(4, gamma=v),
}
NUMBERS = {
    "jacobi, a": lambda v: Jacobi(2, 2, a=v),
    "jacobi, b": lambda v: Jacobi(2, 2, b=v),
    "monomial, restart": lambda v: Monomial(2, 2, restart=v),
    "gaussian, scale": lambda v: affinities.EmbeddedGaussian(4, 2, scale=v),
    "attention, scale": lambda v: AttentionShift(signal(), signal(), v),
    "a filter's factor": lambda v: filters.base.Scaled(Chebyshev(2, 2), v),
}
FLAGS = {
    "bernstein": lambda v: filters.Bernstein(2, 2, nonnegative=v),
    "taylor": lambda v: TaylorRBF(4, 2, unit_norm=v),
    "gaussian": lambda v: affinities.EmbeddedGaussian(4, 2, whiten=v),
    "affinity": lambda v: affinities.DotProduct(4, 2, bias=v),
    "gate": lambda v: NonlocalBlock(4, gate=v),
    "gate of a named block": lambda v: CGNL(4, gate=v),
}


def conv():
    from torch_geometric.nn import GCNConv

    return GCNConv(2, 2)


def optional(table):
    """Calls in which ``None`` has a meaning."""
    return [n for n in table if n in ("arma, iterations", "gaussian, scale", "rbf, gamma")]


def cases(table, values):
    return [(n, v) for n in table for v in values if not (v is None and n in optional(table))]


@pytest.mark.parametrize(
    ("table", "name", "value"),
    [
        *(("INTEGERS", n, v) for n, v in cases(INTEGERS, (*NO_INTEGERS, *TOO_SMALL))),
        *(("ORDERS", n, v) for n, v in cases(ORDERS, (*NO_INTEGERS, -1))),
        *(("POSITIVES", n, v) for n, v in cases(POSITIVES, (*NO_NUMBERS, 0, -1.0, -0.0)) if v != (1.0,)),
        *(
            ("NUMBERS", n, v)
            for n, v in cases(NUMBERS, NO_NUMBERS)
            if not (n == "attention, scale" and isinstance(v, torch.Tensor))
        ),
        *(("FLAGS", n, v) for n, v in cases(FLAGS, (1, 0, 1.0, "yes", NAN, None))),
    ],
    ids=str,
)
def test_a_setting_of_the_wrong_kind_is_refused_by_name(table, name, value):
    with pytest.raises((TypeError, ValueError)) as caught:
        globals()[table][name](value)
    raised_in = caught.traceback[-1].path
    assert "filters" in str(raised_in) or "gsp_nonlocal" in str(raised_in)
    assert len(str(caught.value)) > 20


@pytest.mark.parametrize("name", INTEGERS)
def test_integers_of_numpy_are_integers(name):
    least = {"cgnl, groups": 2, "pool, a side": 2, "itersine, bands": 2}.get(name, 1)
    assert INTEGERS[name](np.int64(least)) is not None


@pytest.mark.parametrize("a", [1e2, 1e9, 1e30])
@pytest.mark.parametrize("order", [1, 5, 30])
def test_jacobi_polynomials_are_finite_or_refused(a, order):
    try:
        f = Jacobi(1, 1, order=order, a=a, b=0.5)
    except ValueError as error:
        assert "too many for float32" in str(error)
    else:
        assert f.response(torch.linspace(0, 2, 9)).isfinite().all()


@pytest.mark.parametrize("name", POSITIVES)
@pytest.mark.parametrize("value", [1e-45, 1e-30, 1e30, 8e37])
def test_extreme_numbers_that_are_taken_give_finite_values(name, value):
    made = POSITIVES[name](value)
    if isinstance(made, filters.GraphFilter):
        assert made.response(torch.linspace(0, 2, 9)).isfinite().all()


Z, Q = torch.randn(2, 5, 3), torch.randn(2, 5, 1)
META = torch.randn(2, 5, 3, device="meta")
EYE = torch.eye(5)
POOL = Pool("average", (10,))
STATE = {
    name: load(f"{name}_2x16x6x5")[1]
    for name in ("timm_nonlocal", "official_snl_stages1", "mmcv_dot_product")
}


def changed(name, key, change):
    return {k: change(v) if k == key else v for k, v in STATE[name].items()}


CALLS = {
    "shift: other types": (lambda: AttentionShift(Z, Z.double()), "float32.*float64"),
    "shift: integers": (lambda: ExponentialShift(Z.long(), Z.long()), "int64"),
    "shift: other devices": (lambda: AttentionShift(Z, META), "cpu.*meta"),
    "shift: no nodes": (lambda: AttentionShift(Z[:, :0], Z[:, :0]), "at least one node"),
    "hinge: other types": (lambda: HingeShift(Q, Q.double()), "float32.*float64"),
    "hinge: no nodes": (lambda: HingeShift(Q[:, :0], Q[:, :0]), "at least one node"),
    "offset of another size": (
        lambda: ExponentialShift(Z, Z, row=torch.zeros(2, 4, 1)),
        r"row.*\(B, 5, 1\).*\(2, 4, 1\)",
    ),
    "offset of another rank": (lambda: ExponentialShift(Z, Z, row=torch.zeros(5, 1)), r"row.*\(5, 1\)"),
    "offset of another batch": (lambda: ExponentialShift(Z, Z, column=torch.zeros(3, 5, 1)), "column.*3.*2"),
    "offset of another type": (lambda: ExponentialShift(Z, Z, row=Q.double()), "float64"),
    "offset on another device": (lambda: ExponentialShift(Z, Z, row=META[..., :1]), "meta"),
    "sum of other batches": (lambda: AttentionShift(Z, Z) + LowRankShift(torch.rand(3, 5, 2)), "2.*3"),
    "sum of other types": (lambda: AttentionShift(Z, Z) + LowRankShift(Z.double()), "float32.*float64"),
    "sum of other devices": (lambda: AttentionShift(Z, Z) + LowRankShift(META), "cpu.*meta"),
    "sum of low rank and types": (lambda: LowRankShift(Z) + LowRankShift(Z.double()), "float32.*float64"),
    "sum of dense and batches": (
        lambda: DenseShift(torch.ones(2, 5, 5)) + DenseShift(torch.ones(3, 5, 5)),
        "2.*3",
    ),
    "sum of tensors": (lambda: SumShift([EYE]), "a shift, got Tensor"),
    "sum of three": (lambda: SumShift([DenseShift(torch.ones(n, 5, 5)) for n in (1, 2, 3)]), "1.*2.*3"),
    "scale of another batch": (lambda: ScaledShift(AttentionShift(Z, Z), torch.ones(3, 5, 1), Q), "2.*3"),
    "scale of another type": (lambda: ScaledShift(AttentionShift(Z, Z), Q.double(), Q), "float64"),
    "scale on another device": (lambda: ScaledShift(AttentionShift(Z, Z), Q, META[..., :1]), "meta"),
    "scale of dense and other sizes": (
        lambda: scaled(DenseShift(EYE), Q[:1, :1], Q[:1]),
        r"\(B, 5, 1\).*\(1, 1, 1\)",
    ),
    "scale of low rank and sizes": (
        lambda: scaled(LowRankShift(Z), Q, Q[:, :4]),
        r"right.*\(B, 5, 1\).*\(2, 4, 1\)",
    ),
    "scale of no shift": (lambda: scaled(EYE, Q, Q), "a shift, got Tensor"),
    "relu dot: odd width": (lambda: relu_dot_shift(Z), r"\(B, N, 2r\).*\(2, 5, 3\)"),
    "relu dot: no width": (lambda: relu_dot_shift(Z[..., :0]), r"\(B, N, 2r\).*\(2, 5, 0\)"),
    "relu dot: no batch": (lambda: relu_dot_shift(Z[0, :, :2]), r"\(B, N, 2r\).*\(5, 2\)"),
    "relu dot: no nodes": (lambda: relu_dot_shift(Z[:, :0, :2]), "at least one node"),
    "relu dot: integers": (lambda: relu_dot_shift(Z[..., :2].long()), "embeddings.*int64"),
    "relu dot: no tensor": (lambda: relu_dot_shift([[1.0]]), "embeddings.*list"),
    "mixing of another height": (
        lambda: filters.mix(LowRankShift(Z).signal(Z), torch.ones(2, 4)),
        r"3 channels takes W \(3, D\), got one of shape \(2, 4\)",
    ),
    "pyramid without smoothing": (lambda: graph_pyramid(torch.ones(1, 5, 1), EYE, 1, alpha=0), "alpha"),
    "data of integers": (
        lambda: from_data(Data(x=torch.ones(2, 1).long(), edge_index=torch.tensor([[0, 1], [1, 0]]))),
        "data.x must be real floating-point, got torch.int64",
    ),
    "mixing a tensor by another height": (
        lambda: filters.mix(Z, torch.ones(2, 4)),
        r"3 channels takes W \(3, D\), got one of shape \(2, 4\)",
    ),
    "mixing by a number": (lambda: filters.mix(Z, 2.0), "the weight W of z W must be a tensor, got float"),
    "mixing factors by a number": (
        lambda: filters.mix(LowRankShift(Z).signal(Z), 2.0),
        "the weight W of z W must be a tensor, got float",
    ),
    "mixing factors by a vector": (
        lambda: filters.mix(LowRankShift(Z).signal(Z), torch.ones(3)),
        r"3 channels takes W \(3, D\), got one of shape \(3,\)",
    ),
    "unit of no channels": (lambda: PreActUnit(0, 4), "in_channels must be at least 1, got 0"),
    "bottleneck of no stride": (lambda: PreActBottleneck(4, 4, 0), "stride must be at least 1, got 0"),
    "blocks of a number": (lambda: inserted_blocks(3), "model must be an nn.Module, got int"),
    "evaluation of a number": (lambda: evaluation(3).__enter__(), "model must be an nn.Module, got int"),
    "evaluation of a class": (
        lambda: evaluation(nn.ReLU).__enter__(),
        "an nn.Module, got the class ReLU: make one of it",
    ),
    "table of no block": (lambda: describe_all({"a": 3}), "'a' is a int.*give a block"),
    "table of a class": (lambda: describe_all({"snl": SNL}), "'snl' is the class SNL.*give a block"),
    "table of a list": (lambda: describe_all([SNL(4)]), "names to blocks, got list; give {name"),
    "mean of integers": (lambda: mean_color(torch.ones(1, 3, 4, 4).long()), "images must be.*int64"),
    "blur of integers": (lambda: blurred(torch.ones(1, 3, 4, 4).long()), "images must be.*int64"),
    "blur of one image": (lambda: blurred(torch.ones(3, 4, 4)), r"\(B, C, H, W\).*\(3, 4, 4\); .*unsqueeze"),
    "mean of no pixel": (lambda: mean_color(torch.ones(1, 3, 0, 4)), r"at least one pixel.*\(1, 3, 0, 4\)"),
    "bottleneck without a middle": (lambda: PreActBottleneck(4, 2), "channels must be at least 4, got 2"),
    "scale of a tensor": (lambda: ScaledShift(EYE, Q, Q), "a shift, got Tensor"),
    "criss-cross: types": (
        lambda: CrissCrossShift(torch.ones(1, 4, 3, 3), torch.ones(1, 3, 4, 4).double()),
        "float64",
    ),
    "pooled: other sizes": (
        lambda: PooledShift(attention_products, Z, Z, POOL),
        r"\(B, 10, R\).*\(B, 5, R\)",
    ),
    "signal of another rank": (lambda: AttentionShift(Z, Z) @ Z[0], r"\(B, N, C\)"),
    "signal of another batch": (lambda: AttentionShift(Z, Z) @ torch.ones(3, 5, 1), "3.*2"),
    "signal on another device": (lambda: AttentionShift(Z, Z) @ META, "meta.*cpu"),
    "signal of integers": (lambda: AttentionShift(Z, Z) @ Z.long(), "int64"),
    "filter: no nodes": (
        lambda: Chebyshev(3, 2)(Z[:, :0], DenseShift(torch.ones(2, 0, 0))),
        "at least one node",
    ),
    "filter: another device": (lambda: Chebyshev(3, 2)(META, EYE), "cpu.*meta"),
    "filter: integer frequencies": (lambda: Chebyshev(3, 2).response(torch.arange(3)), "int64"),
    "frame of no filters": (lambda: WaveletFrame([Chebyshev(2, 2)]), "SpectralFunction, got Chebyshev"),
    "identity": (lambda: Identity(0), "at least 1"),
    "projection: rank": (lambda: PointwiseProjection(3, 2)(Z[0]), r"\(B, N, C\)"),
    "projection: integers": (lambda: PointwiseProjection(3, 2)(Z.long()), "int64"),
    "projection: another type": (lambda: PointwiseProjection(3, 2)(Z.double()), "float64.*float32"),
    "projection: another device": (lambda: PointwiseProjection(3, 2)(META), "meta.*cpu"),
    "affinity: rank": (lambda: affinities.Gaussian(3)(Z[0]), r"\(B, N, C\)"),
    "affinity: no nodes": (lambda: affinities.ReLUDot(3, 2)(Z[:, :0]), "at least one node"),
    "affinity: integers": (lambda: affinities.Gaussian(3)(Z.long()), "int64"),
    "vertices": (lambda: TaylorRBF(4, 2, vertices="N"), "vertices.*'N'"),
    "block: another type": (lambda: SNL(6)(torch.randn(2, 6, 4, 4).double()), "float64.*float32"),
    "block: no positions": (lambda: SNL(6)(torch.randn(2, 6, 4, 0)), "at least one position"),
    "block: no tensor": (lambda: SNL(6)(np.ones((2, 6, 4, 4))), "ndarray"),
    "block: a made affinity": (
        lambda: NonlocalBlock(6, affinity=affinities.ReLUDot(6, 3)),
        "affinity.*factory",
    ),
    "block: a made filter": (lambda: NonlocalBlock(6, filter=Chebyshev(3, 6)), "filter.*factory"),
    "block: a name": (lambda: NonlocalBlock(6, filter="chebyshev"), "filter.*'chebyshev'"),
    "block: no filter": (lambda: NonlocalBlock(6, filter=nn.Linear), "filter.*Linear"),
    "block: no affinity": (lambda: NonlocalBlock(6, affinity=nn.Linear), "affinity.*Linear"),
    "block: another filter": (lambda: NonlocalBlock(6, filter=lambda i, o: Chebyshev(i + 1, o)), "channels"),
    "block: a norm of maps": (lambda: NonlocalBlock(6, norm=nn.BatchNorm2d), "BatchNorm2d.*nn.BatchNorm1d"),
    "block: a norm of maps, inside": (
        lambda: SNL(6, norm=lambda c: nn.Sequential(nn.InstanceNorm3d(c))),
        "InstanceNorm3d.*nn.InstanceNorm1d",
    ),
    "block: a layer norm": (lambda: NL(6, norm=nn.LayerNorm), "LayerNorm.*GroupNorm, 1"),
    "block: a dense form that no machine has room for": (
        lambda: SNL(2, 1, form="dense")(torch.zeros(1, 1, 1).expand(1, 2, 3_000_000)),
        r'N = 3000000 nodes takes 36,000,000,000,000 bytes.*form="low_rank"',
    ),
    **{
        f"{kind.__name__}: a fractional width": (lambda kind=kind: kind(8, 4.0), "inner_channels.*4.0")
        for kind in (SNL, GC, CGNL, ANL, affinities.ReLUDot, affinities.PyramidAttention)
    },
    "block: no activation": (lambda: NonlocalBlock(6, activation=nn.ReLU()), "activation.*factory"),
    "gc: too narrow": (lambda: GC(6, 1), "at least 2, got 1"),
    "anl: a number": (lambda: ANL(6, sizes=3), "sizes.*3"),
    "nl: an unknown pooling": (lambda: NL(6, sub_sample=True), "unknown pooling True"),
    "one number a group": (
        lambda: CGNL(4, 4, groups=4).eval()(torch.randn(1, 4, 1, 1)),
        "one number a group.*fewer groups",
    ),
    "one number a group, a batch": (
        lambda: CGNL(4, 4, groups=4)(torch.randn(3, 4, 1, 1)),
        "one number a group",
    ),
    "one number a channel": (lambda: SNL(4)(torch.randn(1, 4, 1, 1)), "one number a channel.*larger batch"),
    "insert: no module": (lambda: insert_blocks("resnet", {}), "module.*str"),
    "insert: a list": (lambda: insert_blocks(nn.Sequential(nn.ReLU()), ["0"]), "list"),
    "insert: no factory": (lambda: insert_blocks(nn.Sequential(nn.Conv2d(3, 4, 1)), {"0": "snl"}), "'snl'"),
    "insert: no block": (
        lambda: insert_blocks(nn.Sequential(nn.Conv2d(3, 4, 1)), {"0": lambda c: None}),
        "None",
    ),
    "insert: no path": (lambda: insert_blocks(nn.Sequential(nn.Conv2d(3, 4, 1)), {0: SNL}), "path.*0"),
    "pyg: no filter": (lambda: SpectralConv(nn.Linear(2, 2)), "Linear"),
    "pyg: normalisation": (lambda: SpectralConv(Chebyshev(2, 2), "symmetric"), "'symmetric'"),
    "pyg: no convolution": (lambda: PyGFilter("gcn"), "str"),
    "pyg: a limit": (lambda: PyGFilter(conv(), complete_nodes=-1), "complete_nodes.*-1"),
    "pyg: no data": (lambda: from_data(Z), "Tensor"),
    "pyg: no signal": (lambda: to_data(EYE, "x"), "str"),
    "pyg: no batch": (lambda: to_data(EYE, torch.ones(0, 5, 3)), "at least one"),
    "pyg: no neighbours": (lambda: to_data(EYE, Z[:1], neighbours=0), "at least 1"),
    "pyg: a rank": (
        lambda: SpectralConv(Chebyshev(3, 2))(Z[None], torch.zeros(2, 0, dtype=torch.long)),
        r"\(N, C\)",
    ),
    "timm: a list": (lambda: timm.load_block([1]), "list"),
    "timm: no tensors": (lambda: timm.load_block({"t.weight": 3}), "t.weight.*int"),
    "timm: a linear layer": (lambda: timm.load_block({"t.weight": torch.ones(2, 3)}), r"t.weight.*\(2, 3\)"),
    "timm: another width": (
        lambda: timm.load_block(changed("timm_nonlocal", "p.weight", lambda v: v[:, :3])),
        "p.weight",
    ),
    "timm: another size": (
        lambda: timm.load_block(changed("timm_nonlocal", "norm.bias", lambda v: v[:3])),
        r"norm.1.bias.*\(3,\)",
    ),
    "timm: integers": (
        lambda: timm.load_block({k: v.long() for k, v in STATE["timm_nonlocal"].items()}),
        "int64",
    ),
    "official: another size": (
        lambda: official.load_block(
            "snl", changed("official_snl_stages1", "stages.0.g.weight", lambda v: v[:3])
        ),
        "value.weight",
    ),
    "official: nothing": (lambda: official.load_block("snl", None), "NoneType"),
    "official: no network": (lambda: official.load_network(None), "maps keys to tensors, got NoneType"),
    "official: a number": (lambda: official.load_network(3), "maps keys to tensors, got int"),
    "mmcv: another size": (
        lambda: mmcv.load_block(
            "dot_product", changed("mmcv_dot_product", "theta.conv.bias", lambda v: v[:1])
        ),
        "theta_phi.bias",
    ),
    "mmcv: nothing": (lambda: mmcv.load_block("dot_product", None), "NoneType"),
    "network: a depth": (lambda: PreResNet(20.0), "depth.*20.0"),
}


@pytest.mark.parametrize("name", CALLS)
def test_what_a_call_cannot_take_is_named(name):
    call, message = CALLS[name]
    with pytest.raises((TypeError, ValueError), match="(?s)" + message):
        call()


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("training", [True, False])
def test_an_empty_batch_gives_an_empty_batch(name, training):
    block = BLOCKS[name].make(8).train(training)
    before = copy.deepcopy(block.state_dict())
    x = torch.randn(0, 8, 6, 5, requires_grad=True)
    y = block(x)
    y.sum().backward()
    assert y.shape == x.shape == x.grad.shape
    assert all(torch.equal(value, before[k]) for k, value in block.state_dict().items() if "running" in k)


BATCHED = [name for name, make in SHIFTS.items() if make().shape[0] > 1]


@pytest.mark.parametrize("graph", BATCHED)
def test_a_shift_takes_an_empty_batch(graph):
    shift = SHIFTS[graph]()
    empty = shift.mapped(lambda part: part[:0] if len(part) > 1 else part)
    assert (empty @ signal(batch=0)).shape == (0, NODES, IN)
    assert (empty.T @ signal(batch=0)).shape == (0, NODES, IN)
    assert empty.to_dense().shape[0] == 0
    for f in (Chebyshev(IN, OUT, order=2), Cayley(IN, OUT), Chebyshev(IN, OUT) @ Heat()):
        if shift.is_symmetric or not f.requires_symmetric:
            assert f.double()(signal(batch=0), empty).shape == (0, NODES, OUT)


@pytest.mark.parametrize("name", [n for n in FILTERS if "low-pass" not in n])
@pytest.mark.parametrize("graph", ["low-rank, batch of one", "dense, batch of one", "sparse", "diagonal"])
def test_a_filter_takes_an_empty_batch(name, graph):
    assert FILTERS[name].make().double()(signal(batch=0), SHIFTS[graph]()).shape[:2] == (0, NODES)


COPIES = {
    "pickled": lambda s: pickle.loads(pickle.dumps(s)),
    "deep-copied": copy.deepcopy,
    "copied": copy.copy,
}
VALUES = {
    **SHIFTS,
    "pooled": lambda: PooledShift(attention_products, signal(3, 10), signal(3, 5), POOL),
    "pooled, transposed": lambda: PooledShift(attention_products, signal(3, 10), signal(3, 5), POOL).T,
    "half attention, transposed": lambda: AttentionShift(signal().half(), signal().half()).T,
}


@pytest.mark.parametrize("graph", VALUES)
@pytest.mark.parametrize("kind", COPIES)
@pytest.mark.parametrize("used", [True, False])
def test_a_shift_is_a_value_that_copies(graph, kind, used):
    shift = VALUES[graph]().detach()
    z = signal(nodes=shift.shape[-1]).to(shift.dtype)
    if used:
        shift.T @ z, shift.solve(z.double(), 2.0, 0.1)
    copied = COPIES[kind](shift)
    assert relative((copied @ z).double(), (shift @ z).double()) == 0
    assert (copied.is_symmetric, copied.spectral_bound) == (shift.is_symmetric, shift.spectral_bound)


def test_every_public_class_of_blocks_and_affinities_names_a_misspelt_setting():
    for make in (case.make for case in (*BLOCKS.values(), *AFFINITIES.values())):
        assert callable(make) and inspect.signature(make)
        with pytest.raises(TypeError, match="chanels"):
            make(8, 4, chanels=3)
