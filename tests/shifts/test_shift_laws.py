"""Laws of the shift operators, in float64."""

import pytest
import torch
from torch.autograd import gradcheck

from gsp_nonlocal.affinity import inverse_sqrt_degree, relu_dot_shift
from gsp_nonlocal.shifts import LowRankShift, choose_form
from gsp_nonlocal.testing import check_shift
from tests.cases.shifts import SHIFTS
from tests.cases.signals import BATCH, NODES, features, isolated, relative, signal


def textbook(values: torch.Tensor) -> torch.Tensor:
    """``Â`` as its equations read."""
    query, key = values.chunk(2, dim=-1)
    product = query @ key.mT
    symmetric = (product + product.mT) / 2
    scale = inverse_sqrt_degree(symmetric.sum(dim=-1))
    return scale.unsqueeze(-1) * symmetric * scale.unsqueeze(-2)


@pytest.mark.parametrize("values", [features(), isolated(), features(rank=40), 1e4 * features()])
@pytest.mark.parametrize("form", ["low_rank", "dense"])
def test_the_affinity_is_the_textbook_one_exactly(values, form):
    shift = relu_dot_shift(values, form)
    assert relative(shift.to_dense(), textbook(values)) < 1e-12


@pytest.mark.parametrize("graph", SHIFTS)
def test_a_shift_keeps_the_laws(graph):
    check_shift(SHIFTS[graph]())


@pytest.mark.parametrize("form", ["low_rank", "dense"])
def test_gradients_through_shift_and_solve(form):
    z = signal(2, nodes=5, batch=1).requires_grad_()
    edges = (features(1, 5, 4) + 0.2).requires_grad_()
    b = torch.tensor(0.6, dtype=torch.float64, requires_grad=True)

    def run(z, edges, b):
        shift = relu_dot_shift(edges, form)
        y = shift.solve(z, 1j, b)
        return shift @ z, y.real, y.imag

    assert gradcheck(run, (z, edges, b))


@pytest.mark.parametrize("form", ["low_rank", "dense"])
def test_an_isolated_node_has_finite_gradients_and_no_edges(form):
    edges = isolated().requires_grad_()
    shift = relu_dot_shift(edges, form)
    (shift @ signal()).square().sum().backward()
    assert edges.grad.isfinite().all()
    assert (shift.to_dense()[:, [0, 5]] == 0).all()


def test_a_map_without_any_edge_is_the_empty_graph():
    edges = torch.zeros(1, 6, 4, dtype=torch.float64, requires_grad=True)
    y = relu_dot_shift(edges, "low_rank") @ signal(nodes=6, batch=1)
    y.sum().backward()
    assert (y == 0).all()
    assert edges.grad.isfinite().all()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_the_spectrum_lies_in_the_unit_interval_and_reaches_one(seed, scale):
    shift = relu_dot_shift(scale * features(seed=seed), "low_rank")
    eigenvalues = torch.linalg.eigvalsh(shift.to_dense())
    assert eigenvalues.abs().max() <= 1 + 1e-12
    assert relative(eigenvalues[:, -1], torch.ones(BATCH, dtype=torch.float64)) < 1e-12


@pytest.mark.parametrize("channels", [16, 128])
@pytest.mark.parametrize("nodes", [8, 64, 4096])
def test_the_chosen_form_has_the_fewer_multiply_adds(channels, nodes):
    """Counted by PyTorch's own counter, for a first-order filter on each form."""
    from torch.utils.flop_counter import FlopCounterMode

    from gsp_nonlocal import SNL

    flops = {}
    for form in ("dense", "low_rank"):
        block = SNL(channels, form=form)
        with FlopCounterMode(display=False) as counter:
            block(torch.randn(1, channels, nodes))
        flops[form] = counter.get_total_flops()
    chosen = flops[choose_form("auto", nodes, channels // 2)]
    assert chosen <= 1.1 * min(flops.values())


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: LowRankShift(torch.ones(2, 5, 3), torch.ones(2, 5, 4)), ValueError, "common shape"),
        (lambda: LowRankShift(torch.ones(5, 3)), ValueError, "common shape"),
        (lambda: LowRankShift(torch.ones(1, 5, 3), core=torch.eye(2)), ValueError, "R = 3"),
        (lambda: LowRankShift(torch.ones(2, 5, 3), core=torch.ones(3, 3, 3)), ValueError, "B = 2, R = 3"),
        (lambda: LowRankShift(torch.ones(1, 5, 4), core="half"), ValueError, '"halves", got .half'),
        (
            lambda: LowRankShift(torch.ones(1, 5, 3), core="halves"),
            ValueError,
            "even number",
        ),
        (lambda: LowRankShift(torch.ones(1, 5, 3).long()), TypeError, "left factor.*int64"),
        (lambda: LowRankShift(torch.ones(1, 5, 3)).solve(torch.ones(1, 5, 2), 0, 1), ValueError, "inverse"),
        (lambda: choose_form("sparse", 5, 3), ValueError, "auto, dense, low_rank"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_signals_of_different_graphs_do_not_mix():
    one, other = SHIFTS["low-rank"](), SHIFTS["low-rank"]()
    with pytest.raises(ValueError, match="to_dense"):
        one.signal(signal()) + other.signal(signal())


def test_a_large_graph_never_forms_its_matrix():
    """200,000 nodes: the matrix would take 160 GB."""
    values = torch.rand(1, 200_000, 8)
    shift = relu_dot_shift(values)
    assert isinstance(shift, LowRankShift)
    assert (shift @ torch.ones(1, 200_000, 1)).shape[1] > NODES


@pytest.mark.parametrize("values", [features(), isolated(), features() * (features(seed=5) > 1)])
def test_the_fused_normalisation_has_autograds_gradients(values):
    """With isolated nodes and nodes whose partners are all zero, against the dense form under autograd."""
    z, cotangent = signal(seed=3), signal(seed=4)
    grads = []
    for form in ("low_rank", "dense"):
        edges = values.clone().requires_grad_()
        ((relu_dot_shift(edges, form) @ z) * cotangent).sum().backward()
        grads.append(edges.grad)
    assert relative(*grads) < 1e-12


def test_a_second_derivative_of_the_low_rank_form_is_refused():
    edges = features().requires_grad_()
    (grad,) = torch.autograd.grad(
        (relu_dot_shift(edges, "low_rank") @ signal()).sum(), edges, create_graph=True
    )
    with pytest.raises(NotImplementedError, match=r'second derivative.*form="dense"'):
        grad.sum().backward()


def test_detached_factors_carry_no_gradient():
    edges = features().requires_grad_()
    shift = relu_dot_shift(edges, "low_rank")
    assert (shift @ signal()).requires_grad
    assert not (shift.detach() @ signal()).requires_grad


def test_a_core_of_halves_is_its_matrix():
    factor = features()
    shift = LowRankShift(factor / 6, core="halves", is_symmetric=True)
    check_shift(shift)
    r = factor.shape[-1] // 2
    matrix = 0.5 * torch.eye(2 * r, dtype=factor.dtype).roll(r, 0)
    assert torch.equal(shift.core, matrix[None])
    assert relative(shift.to_dense(), LowRankShift(factor / 6, core=matrix).to_dense()) < 1e-15
