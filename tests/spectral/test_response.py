"""H(λ) is what the block does in the eigenbasis of its graph."""

from functools import partial

import pytest
import torch
from torch import nn

from filters import Aggregation, Chebyshev, Diffusion, Identity
from gsp_nonlocal import SNL, NonlocalBlock
from gsp_nonlocal.spectral import Response, block_response, dirichlet_energy, spectrum

FILTERS = {
    "order 0": partial(Chebyshev, order=0),
    "order 3": partial(Chebyshev, order=3),
    "aggregation": Aggregation,
    "diffusion": Diffusion,
    "cascade": lambda inner, out: Diffusion(inner, out) @ (Identity(inner) + Aggregation(inner, inner)),
}


@pytest.mark.parametrize("filter", FILTERS.values(), ids=FILTERS.keys())
@pytest.mark.parametrize("stage", [0, 1])
def test_equals_the_unit_in_the_eigenbasis(filter, stage):
    torch.manual_seed(0)
    block = NonlocalBlock(6, 3, filter=filter, stages=2).double()
    x = torch.randn(1, 6, 4, 5, dtype=torch.float64)
    shift, nodes = block.shift(x), x.flatten(2).mT
    dense = spectrum(shift.to_dense(), eigenvectors=True)
    basis, lam = dense.eigenvectors[0], dense.frequencies[0]
    response = block_response(block, lam, stage=stage)
    expected = basis @ torch.einsum("fc,fcd->fd", basis.mT @ nodes[0], response.matrices)
    unit = block.stages[stage]
    found = unit.filter(unit.value(nodes), shift)[0]
    assert (found - expected).abs().max() <= 1e-12 * expected.abs().max().clamp(min=1)


def test_singular_values_are_those_of_the_matrices():
    response = block_response(SNL(8, 3, order=2))
    full = torch.linalg.svdvals(response.matrices)
    assert response.singular_values.shape == (101, 3)
    torch.testing.assert_close(full[:, :3], response.singular_values, atol=1e-12, rtol=1e-10)
    assert full[:, 3:].abs().max() <= 1e-12
    expected = torch.linalg.matrix_norm(response.matrices) / 8**0.5
    torch.testing.assert_close(response.mean_gain, expected)


def test_embedding_wider_than_the_map():
    assert block_response(SNL(4, 9)).singular_values.shape == (101, 4)


def test_gate_and_norm_are_left_out():
    block = SNL(8)
    before = block_response(block).matrices
    with torch.no_grad():
        block.stages[0].gate.fill_(3.0)
        block.stages[0].norm.weight.fill_(5.0)
    assert torch.equal(block_response(block).matrices, before)
    assert before.abs().max() > 0


LAM = torch.linspace(0, 2, 61, dtype=torch.float64)
GAINS = {
    "low-pass": 2 - LAM,
    "high-pass": LAM,
    "band-pass": 1 - (1 - LAM).abs(),
    "band-stop": (1 - LAM).abs(),
    "all-pass": 1 + 0.03 * LAM,
    "zero": 0 * LAM,
}


def scalar_response(gain: torch.Tensor) -> Response:
    eye = torch.eye(2, dtype=torch.float64)
    return Response.of(LAM, eye, gain.view(-1, 1, 1) * eye)


@pytest.mark.parametrize("kind", GAINS)
def test_kind_of_a_response(kind):
    assert scalar_response(GAINS[kind]).kind == kind


def test_a_middle_within_a_tenth_of_an_end_is_no_band():
    third = (1.5 * LAM).floor().clamp(max=2).long()
    cases = {(10, 10.5, 2): "low-pass", (10, 1.5, 2): "low-pass", (2, 10.5, 10): "high-pass"}
    for gains, kind in cases.items():
        assert scalar_response(torch.tensor(gains, dtype=torch.float64)[third]).kind == kind


def test_kind_of_the_classical_blocks():
    diffusion = NonlocalBlock(4, filter=Diffusion)
    assert block_response(diffusion).kind == "high-pass"
    assert block_response(NonlocalBlock(4, filter=Aggregation)).kind == "band-stop"
    assert block_response(SNL(4, order=0)).kind == "all-pass"


@pytest.mark.parametrize(
    "lam",
    [torch.zeros(3), torch.ones(2, 2), torch.tensor([]), torch.tensor([0.0, torch.nan])],
    ids=["one value", "matrix", "empty", "nan"],
)
def test_bad_frequencies_are_refused(lam):
    with pytest.raises(ValueError, match="two different finite numbers"):
        block_response(SNL(4), lam)


def test_bad_blocks_and_stages_are_refused():
    with pytest.raises(TypeError, match=r"Conv2d.*SpectralProbe"):
        block_response(nn.Conv2d(3, 3, 1))
    with pytest.raises(IndexError, match=r"stage 2 .* 2"):
        block_response(SNL(4, stages=2), stage=2)


def test_dirichlet_energy_is_the_mean_frequency():
    torch.manual_seed(0)
    features = torch.rand(1, 9, 4, dtype=torch.float64)
    shift = SNL(4, form="low_rank").double().shift(features.mT.unflatten(2, (3, 3)))
    found = spectrum(shift.to_dense(), eigenvectors=True)
    z = torch.randn(1, 9, 2, dtype=torch.float64)
    power = (found.eigenvectors.mT @ z).square().sum(dim=-1)
    expected = (found.frequencies * power).sum(dim=-1) / power.sum(dim=-1)
    torch.testing.assert_close(dirichlet_energy(z, shift), expected)
    assert dirichlet_energy(torch.zeros(1, 9, 2), shift).tolist() == [0.0]
