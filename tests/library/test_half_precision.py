"""Half precision against float64: the update of every block, and what a shift does in half."""

import contextlib
import copy
from functools import partial

import pytest
import torch

from gsp_nonlocal.blocks import CGNL
from gsp_nonlocal.shifts import AttentionShift, ExponentialShift, HingeShift, Pool, PooledShift
from gsp_nonlocal.shifts.hinge import hinge_product, hinge_products
from tests.cases.blocks import BLOCKS, C, open_gates
from tests.cases.shifts import SHIFTS
from tests.cases.signals import features, relative, signal

CASES = {
    **{name: case.make for name, case in BLOCKS.items()},
    "cgnl, one channel a group": lambda c: CGNL(c, c, groups=c),
    "cgnl, one channel a group, wide": lambda c: CGNL(c, 3 * c, groups=c, order=3),
}
HALF = [torch.bfloat16, torch.float16]
OF_UPDATE = 2e-2


def updates(block, x, context):
    """What each unit adds, before its gate."""
    found = []
    hooks = [
        unit.activation.register_forward_hook(lambda m, a, y: found.append(y.detach().double()))
        for unit in block.units
    ]
    with context:
        y = block(x)
    for hook in hooks:
        hook.remove()
    return y, found


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", HALF)
@pytest.mark.parametrize("autocast", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_the_update_of_a_block_keeps_the_precision_of_its_input(name, dtype, autocast, training):
    torch.manual_seed(0)
    block, x = open_gates(CASES[name](C)).train(training), torch.randn(2, C, 16, 16)
    given = x if autocast else x.to(dtype)
    block = block if autocast else block.to(dtype)
    exact = copy.deepcopy(block).double()
    context = torch.autocast("cpu", dtype=dtype) if autocast else contextlib.nullcontext()
    y, found = updates(block, given, context)
    _, expected = updates(exact, given.double(), contextlib.nullcontext())
    assert y.dtype == given.dtype
    assert relative(found[0], expected[0]) < OF_UPDATE
    for key, value in block.state_dict().items():
        if "running" in key:
            assert value.dtype == (torch.float32 if autocast else dtype)
            assert relative(value.double(), exact.state_dict()[key]) < OF_UPDATE
        if key.endswith("num_batches_tracked"):
            assert torch.equal(value, exact.state_dict()[key])


@pytest.mark.parametrize("dtype", HALF)
@pytest.mark.parametrize("name", ["cgnl, one channel a group", "snl", "gc"])
def test_gradients_of_half_blocks_are_close(name, dtype):
    torch.manual_seed(0)
    block, x, cotangent = (
        open_gates(CASES[name](C)).to(dtype),
        torch.randn(2, C, 16, 16),
        torch.randn(2, C, 16, 16),
    )
    exact, grads = copy.deepcopy(block).double(), []
    for module in (block, exact):
        like = next(module.parameters()).dtype
        (module(x.to(dtype).to(like)) * cotangent.to(dtype).to(like)).sum().backward()
        grads.append(torch.cat([p.grad.double().flatten() for p in module.parameters()]))
    assert relative(*grads) < 3e-2


IN_HALF = {
    **{
        name: (lambda name=name: SHIFTS[name]())
        for name in SHIFTS
        if not name.startswith(("low", "dense", "sparse"))
    },
    "attention, 4096 nodes": lambda: AttentionShift(*(signal(3, 4096, seed=s) for s in (1, 2))),
    "exponential, 4096 nodes": lambda: ExponentialShift(*(signal(3, 4096, seed=s) / 3 for s in (1, 2))),
    "hinge, 4096 nodes": lambda: HingeShift(*(signal(1, 4096, seed=s) for s in (1, 2))),
    "pooled hinge": lambda: PooledShift(
        hinge_products, signal(1, 4096), signal(1, 2048), Pool("average", (4096,))
    ),
}


@pytest.mark.parametrize("graph", IN_HALF)
@pytest.mark.parametrize("dtype", HALF)
def test_a_shift_in_half_is_its_entries_rounded_once(graph, dtype):
    """Products, transposed products and the matrix, against those in float64 of the same half entries."""
    shift = IN_HALF[graph]().detach().to(dtype)
    exact = shift.to(torch.float64)
    z = features(nodes=shift.shape[-1], rank=4).to(dtype)
    rounding = 2 * torch.finfo(dtype).eps
    assert relative((shift @ z).double(), exact @ z.double()) < rounding
    assert relative((shift.T @ z).double(), exact.T @ z.double()) < 2 * rounding
    if shift.shape[-1] < 100:
        assert relative(shift.to_dense().double(), exact.to_dense()) < 2 * rounding


def far_hinges(distance, clusters):
    """``u`` near ``distance``, ``v`` near ``−distance``; and the mirror image of both."""
    u, v = distance + signal(1, 300, seed=1), -distance + signal(1, 300, seed=2)
    pairs = (torch.cat([u, -u], 1), torch.cat([v, -v], 1)) if clusters == 2 else (u, v)
    return [part.float() for part in pairs]


def plain_product(row, column, z):
    return (row + column.mT).relu() @ z


@pytest.mark.parametrize("distance", [0.0, 1.0, 1e4, 1e6, 1e30])
@pytest.mark.parametrize("clusters", [1, 2])
def test_hinges_far_apart_are_exact_with_their_gradients(distance, clusters):
    """In float32, node by node, where ``u_i Z + Σ v_j z_j`` would cancel."""
    u, v = far_hinges(distance, clusters)
    z, cotangent = features(nodes=u.shape[1], seed=3).float(), signal(6, u.shape[1], seed=4).abs().float()
    outcomes = []
    for product, dtype in ((hinge_product, torch.float32), (plain_product, torch.float64)):
        parts = [part.detach().to(dtype).requires_grad_() for part in (u, v, z)]
        y = product(*parts)
        (y * cotangent.to(dtype)).sum().backward()
        outcomes.append([y, *(part.grad for part in parts)])
    for value, expected in zip(*outcomes, strict=True):
        assert ((value - expected).abs() <= 2e-5 * expected.abs()).all()


def test_a_hinge_product_is_differentiable_twice():
    parts = [signal(channels, 7, seed=channels).requires_grad_() for channels in (1, 1, 2)]
    assert torch.autograd.gradgradcheck(hinge_product, parts)
    assert torch.autograd.gradcheck(partial(hinge_product, parts[0][:1]), parts[1:])


def test_a_hinge_product_maps_over_samples():
    parts = [signal(channels, 7, batch=3, seed=channels).unsqueeze(1) for channels in (1, 1, 2)]

    def loss(row, column, z):
        return hinge_product(row, column, z).square().sum()

    mapped = torch.vmap(torch.func.grad(loss, argnums=(0, 1, 2)))(*parts)
    alone = [torch.func.grad(loss, argnums=(0, 1, 2))(*sample) for sample in zip(*parts, strict=True)]
    for value, expected in zip(mapped, zip(*alone, strict=True), strict=True):
        assert relative(value, torch.stack(expected)) < 1e-14
