"""Inputs on which something went wrong once: unlike graphs in a batch, half precision, order of calls."""

import sys

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from filters.operators.solve import ConvergenceError
from gsp_nonlocal import NL, SNL, LowRankShift
from gsp_nonlocal.analysis import Limits, snapshot
from gsp_nonlocal.analysis.findings import ALONE, findings
from gsp_nonlocal.probe import SpectralProbe, Trace, register_reader
from gsp_nonlocal.probe.attention.traces import apply_shift
from gsp_nonlocal.shifts import AttentionShift, DenseShift, DiagonalShift
from gsp_nonlocal.spectral import (
    Layout,
    asymmetry,
    attention_map,
    dirichlet_energy,
    gft,
    signal_density,
    spectral_density,
    spectrum,
    symmetric_part,
    total_variation,
)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_a_large_symmetric_graph_hides_no_directed_one():
    directed, large = draw(6, 6).float(), 1e7 * draw(6, 6, seed=1).float()
    both = torch.stack([large + large.mT, directed])
    wanted = torch.linalg.eigvals(directed.double())
    found = spectrum(both).eigenvalues[1]
    assert (found.unsqueeze(1) - wanted).abs().amin(1).max() < 1e-5
    assert not spectrum(both).is_real
    with pytest.raises(ValueError, match="symmetric_part"):
        spectral_density(both)


def test_a_large_entry_hides_no_small_asymmetry():
    matrix = torch.diag(torch.tensor([1e6, 1.0, 1.0]))
    matrix[1, 2] = 1.0
    assert spectrum(matrix).eigenvalues.real[0].tolist() == pytest.approx([1e6, 1, 1])


def test_a_plain_symmetric_matrix_is_symmetric_for_every_method():
    matrix = draw(60, 60)
    found = spectrum(matrix + matrix.mT, 5, max_nodes=20, eigenvectors=True)
    assert found.eigenvalues.dtype == torch.float64
    assert gft(draw(1, 60, 2), found).shape == (1, 5, 2)


@pytest.mark.parametrize("vectors", [False, True])
def test_some_eigenvalues_of_factors_are_as_many_as_asked_for(vectors):
    shift = LowRankShift(draw(1, 100, 4), draw(1, 100, 4, seed=1))
    assert spectrum(shift, 10, eigenvectors=vectors).eigenvalues.shape == (1, 10)
    whole = spectrum(shift, 100, eigenvectors=vectors)
    assert whole.eigenvalues.shape == (1, 100)
    assert whole.is_complete


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("scale", [1e-3, 30.0, 1e4])
@pytest.mark.parametrize("measure", [dirichlet_energy, total_variation])
def test_measures_of_signals_neither_overflow_nor_vanish(dtype, scale, measure):
    z, shift = (scale * draw(2, 9, 4)).to(dtype), torch.softmax(draw(2, 9, 9), -1)
    found = measure(z, shift)
    assert found.dtype == dtype
    torch.testing.assert_close(found.double(), measure(z.double(), shift), rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("scale", [1e-25, 1e20])
def test_the_scale_of_a_signal_does_not_matter(scale):
    z, shift = draw(1, 9, 4).float(), torch.softmax(draw(1, 9, 9), -1).float()
    for measure in (dirichlet_energy, total_variation):
        torch.testing.assert_close(measure(scale * z, shift), measure(z, shift))


@pytest.mark.parametrize("max_nodes", [100, 1])
@pytest.mark.parametrize(("signals", "graphs"), [(3, 1), (1, 3), (3, 3)])
def test_one_graph_serves_many_signals_and_the_other_way_round(max_nodes, signals, graphs):
    z, shift = draw(signals, 9, 2), torch.softmax(draw(graphs, 9, 9, seed=1), -1)
    found = signal_density(z, shift, max_nodes=max_nodes)
    wanted = dirichlet_energy(z.expand(3, -1, -1), shift.expand(3, -1, -1))
    torch.testing.assert_close(found.mean, wanted)


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: signal_density(draw(2, 9, 1), draw(3, 9, 9)), ValueError, "2 signals do not fit 3 graphs"),
        (lambda: signal_density(draw(9, 1), draw(9, 9)), ValueError, r"\(9, 1\) does not fit.*\(B, 9, C\)"),
        (lambda: signal_density(draw(1, 9, 1) * 1j, draw(9, 9)), TypeError, "complex128"),
        (
            lambda: signal_density(draw(1, 9, 1), draw(9, 9), found=spectrum(draw(9, 9), eigenvectors=True)),
            ValueError,
            "complex eigenvectors.*symmetric_part",
        ),
        (lambda: asymmetry(DiagonalShift(torch.ones(50)), max_nodes=49), ValueError, "budget of 49"),
        (lambda: attention_map(torch.eye(3), np.int64(3)), IndexError, "outside of the graph"),
    ],
)
def test_bad_input_is_named(call, error, said):
    with pytest.raises(error, match=said):
        call()


def test_numpys_integers_are_nodes():
    assert attention_map(torch.eye(3), np.int64(1)).tolist() == [[0.0, 1.0, 0.0]]


def test_exponents_that_overflow_in_half_precision_are_computed_in_double():
    query = (100 * draw(1, 12, 4)).half()
    found = spectrum(AttentionShift(query, query))
    wanted = torch.linalg.eigvals(AttentionShift(query.double(), query.double()).to_dense())
    assert (found.eigenvalues[0].unsqueeze(1) - wanted[0]).abs().amin(1).max() < 1e-6


def test_traces_stay_through_a_backward_pass():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), SNL(4))
    x = torch.randn(1, 3, 5, 5, requires_grad=True)
    for reentrant in (False, True):
        with SpectralProbe(model) as probe:
            y = checkpoint(model, x, use_reentrant=reentrant)
            assert len(probe.traces["1"]) == 1
            y.sum().backward()
            assert len(probe.traces["1"]) == 1


class Cycle(nn.Module):
    """Every position looks at the next one alone: all eigenvalues lie on the unit circle."""

    def forward(self, x: Tensor) -> Tensor:
        return x.roll(1, -1)


def read_cycle(module: Cycle, call: object) -> object:
    x = call.argument(0, "x")
    nodes = x.shape[-1]
    shift = DenseShift(torch.eye(nodes).roll(1, 0), spectral_bound=1.0)
    yield Trace(shift, x.flatten(2).mT, apply_shift, Layout((nodes,)))


def test_a_block_without_convergence_is_skipped_and_the_others_go_on(monkeypatch):
    register_reader(Cycle, read_cycle)

    def fails(*args: object) -> None:
        raise ConvergenceError("no eigenvalues converged")

    monkeypatch.setattr(sys.modules["gsp_nonlocal.spectral.spectrum"], "extreme_eigenpairs", fails)
    model = nn.Sequential(Cycle(), SNL(3, form="low_rank"))
    found = snapshot(model, torch.randn(1, 3, 60), limits=Limits(nodes=20))
    assert [block.name for block in found.blocks] == ["1"]
    assert found.skipped == {"0": "no eigenvalues converged"}


def test_large_graphs_are_left_out_on_request():
    model = nn.Sequential(NL(3), SNL(3, form="low_rank"))
    found = snapshot(model, torch.randn(1, 3, 60), limits=Limits(nodes=20, large=0))
    assert [block.name for block in found.blocks] == ["1"]
    assert "60 nodes without factors, which large=0" in found.skipped["0"]
    with pytest.raises(ValueError, match=r"no block was measured: .*large=0"):
        snapshot(model[0], torch.randn(1, 3, 60), limits=Limits(nodes=20, large=0))


def test_weights_that_are_not_finite_name_their_block():
    model = nn.Sequential(nn.Identity(), SNL(4))
    with torch.no_grad():
        model[1].stages[0].filter.weight.fill_(torch.nan)
    with pytest.raises(ValueError, match=r"^module 1\.stages\.0\.filter: "):
        snapshot(model, torch.randn(1, 4, 5, 5))


def test_a_masked_attention_counts_by_its_matrix():
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    x, causal = torch.randn(1, 200, 8), torch.ones(200, 200, dtype=torch.bool).triu(1)
    mask = torch.ones(200, 200, dtype=torch.bool).triu(3)
    with SpectralProbe(attention, max_nodes=500) as probe:
        attention(x, x, x)
        attention(x, x, x, attn_mask=causal)  # known without it
        with pytest.raises(ValueError, match="max_nodes=500"):
            attention(x, x, x, attn_mask=mask)
    assert probe.max_nodes == 500


def of_matrix(matrix: Tensor) -> list[str]:
    """What is said of a block with this shift."""

    class Fixed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x

    def read(module: nn.Module, call: object) -> object:
        z = call.argument(0, "x").flatten(2).mT
        yield Trace(DenseShift(matrix), z, apply_shift, Layout((len(matrix),)))

    register_reader(Fixed, read)
    found = snapshot(Fixed(), torch.randn(1, 3, len(matrix)))
    return [finding.text for finding in findings(found.blocks[0])]


def test_sentences_say_what_is_so():
    on_token = torch.zeros(6, 6)
    on_token[:, 0] = 1.0
    signs = torch.tensor([1.0, -1, 1, -1, 1, -1]) / 6**0.5
    said = {
        "nilpotent": of_matrix(torch.rand(6, 6).triu(1)),
        "zero": of_matrix(torch.zeros(6, 6)),
        "mixed signs": of_matrix(torch.outer(signs, signs)),
        "one column": of_matrix(on_token),
        "identity": of_matrix(torch.eye(6)),
    }
    assert any("no cycle" in text for text in said["nilpotent"])
    assert any("no edge" in text for text in said["zero"])
    assert any("up to a factor" in text for text in said["mixed signs"])
    assert any("though nothing makes it so" in text for text in said["mixed signs"])
    assert ALONE not in said["one column"]
    assert ALONE in said["identity"]


def test_a_symmetric_part_of_a_symmetric_part_is_itself():
    part = symmetric_part(DenseShift(draw(5, 5)))
    assert symmetric_part(part) is part
