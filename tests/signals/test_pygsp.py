"""Signals on graphs as PyGSP 0.6.1 has them, to 1e-8."""

import pytest
import torch

from filters import Heat
from gsp_nonlocal.shifts import DenseShift
from gsp_nonlocal.signals import (
    atom_energies,
    classify,
    denoise,
    div,
    grad,
    graph_pyramid,
    interpolate,
    kron_reduction,
    localise,
)
from tests.signals.made import PYGSP, pygsp_graph, pygsp_shift

Z = PYGSP["z"].view(1, 36, 1)
KINDS = {
    "sparse": pygsp_shift,
    "dense": lambda: DenseShift(pygsp_shift().to_dense(), is_symmetric=True),
}
kinds = pytest.mark.parametrize("kind", KINDS)


def weight(tau):
    """``α`` of PyGSP's ``τ``."""
    return tau * float(PYGSP["lambda_max"]) / 2


def close(found, name):
    expected = PYGSP[name]
    return (found.reshape(expected.shape) - expected).abs().max() <= 1e-8 * expected.abs().max()


@kinds
def test_denoised(kind):
    shift = KINDS[kind]()
    assert close(denoise(Z, shift, "heat", 3.0 / 2), "heat")
    assert close(denoise(Z, shift, "tikhonov", weight(0.7)), "tikhonov")


@kinds
@pytest.mark.parametrize(
    ("tau", "values", "scores"), [(0.5, "regression", "logits_regularised"), (0, "harmonic", "logits")]
)
def test_filled_in(kind, tau, values, scores):
    shift, alpha = KINDS[kind](), weight(tau)
    assert close(interpolate(Z, PYGSP["mask"], shift, alpha), values)
    found = classify(PYGSP["labels"], PYGSP["mask"], shift, alpha)
    assert close(found.scores, scores)
    assert torch.equal(found.labels[0], PYGSP[scores].argmax(-1))


@kinds
def test_by_node_and_frequency(kind):
    shift = DenseShift(KINDS[kind]().to_dense(), is_symmetric=True)
    assert close(localise(Heat(3.0 / 2), 5, shift), "localised")
    assert close(atom_energies(KINDS[kind](), 20), "spectrogram")


def test_differences():
    assert close(grad(Z, pygsp_graph()), "grad")
    assert close(grad(Z, pygsp_graph(), "sym"), "grad_normalised")
    assert close(div(PYGSP["edge_signal"].view(1, -1, 1), pygsp_graph()), "div")


@kinds
def test_reduced(kind):
    reduced = kron_reduction(KINDS[kind](), PYGSP["keep"])
    identity = torch.eye(len(PYGSP["keep"]), dtype=torch.float64)
    assert close((identity - reduced.to_dense()) * PYGSP["lambda_max"] / 2, "kron")
    assert torch.equal(graph_pyramid(Z, KINDS[kind](), 1).kept[0], PYGSP["eigenvector_nodes"])


def test_a_reduced_graph_of_pyg():
    reduced = kron_reduction(pygsp_graph(), PYGSP["keep"])
    weights = torch.zeros_like(PYGSP["kron"])
    weights[tuple(reduced.edge_index)] = reduced.edge_weight
    assert close(weights.sum(1).diag() - weights, "kron")
