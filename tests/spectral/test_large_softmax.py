"""The greatest eigenvalues of softmax graphs as training makes them: LAPACK's and ARPACK's."""

from functools import cache

import pytest
import torch
from scipy.sparse.linalg import LinearOperator, eigs
from torch.nn.functional import interpolate

from gsp_nonlocal.shifts import AttentionShift, DenseShift, landmarks, repeated
from gsp_nonlocal.shifts.structure import symmetric_part
from gsp_nonlocal.spectral import krylov, spectrum
from tests.spectral.test_krylov import by_size, lapack

K, SIDE, RANK = 20, 27, 32


def feature_map(generator, spread=1.0):
    """Smooth random fields, some noise and the position, ``(1, SIDE², 16)``."""
    fields = interpolate(torch.randn(1, 14, 6, 6, generator=generator), SIDE, mode="bicubic")
    line = torch.linspace(-2, 2, SIDE)
    place = torch.stack(torch.meshgrid(line, line, indexing="ij")).unsqueeze(0)
    features = torch.cat([fields, place], 1).flatten(2).mT
    return spread * (features + 0.2 * torch.randn(features.shape, generator=generator))


def softmax(deviation, *, symmetric=False):
    """A graph whose exponents have this standard deviation."""
    generator = torch.Generator().manual_seed(0)
    features = feature_map(generator)
    first, second = torch.randn(2, features.shape[-1], RANK, generator=generator)
    query, key = features @ first, features @ (first if symmetric else 0.6 * first + 0.8 * second)
    query = key if symmetric else query
    return AttentionShift(query, key, scale=deviation / float((query @ key.mT).std()))


def nearly_parted():
    """Thirty groups of nodes that hardly see each other."""
    generator = torch.Generator().manual_seed(0)
    centres = 2 * torch.randn(1, 30, RANK, generator=generator)
    nodes = centres[:, torch.arange(SIDE**2) % 30] + 0.1 * torch.randn(1, SIDE**2, RANK, generator=generator)
    return AttentionShift(nodes, nodes.roll(1, 0), scale=0.25)


def hidden_groups():
    """Nine groups of three nodes that see hardly any others: a sample of the nodes misses most of them."""
    shift = softmax(2.0)
    scale, own = shift.scale**0.5, torch.zeros(1, SIDE**2, 9)
    for group in range(9):
        own[0, 80 * group + torch.arange(3), group] = 4.0 + 0.1 * group
    query, key = (torch.cat([scale * part, own], -1) for part in (shift.query, shift.key))
    return AttentionShift(query, key)


BASIC = {
    "mild": lambda: softmax(1.0),
    "trained": lambda: softmax(2.0),
    "sharp": lambda: softmax(4.0),
    "nearly uniform": lambda: softmax(0.01),
    "symmetric exponents": lambda: softmax(2.0, symmetric=True),
    "nearly parted": nearly_parted,
    "hidden groups": hidden_groups,
}
MADE_OF_IT = {"transposed": lambda shift: shift.T, "symmetric part": symmetric_part}
GRAPHS = (*BASIC, *MADE_OF_IT)


def graph(name, dtype):
    shift = BASIC.get(name, BASIC["trained"])().to(dtype)
    return MADE_OF_IT[name](shift) if name in MADE_OF_IT else shift


@cache
def wanted_of(name):
    """The greatest ``K`` sizes, and all eigenvalues."""
    values = lapack(graph(name, torch.float64)).to(torch.complex128)
    return values[:, :K].abs(), values


def arpack(shift):
    nodes = shift.shape[-1]

    def product(vector):
        return (shift @ torch.from_numpy(vector).reshape(1, nodes, 1)).flatten().numpy()

    start = torch.randn(nodes, generator=torch.Generator().manual_seed(1)).double().numpy()
    operator = LinearOperator((nodes, nodes), matvec=product, dtype="float64")
    return by_size(torch.from_numpy(eigs(operator, K, v0=start, return_eigenvectors=False)).unsqueeze(0))


@pytest.mark.parametrize("kept", [0, repeated.KEPT])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-9)])
@pytest.mark.parametrize("name", GRAPHS)
def test_the_greatest_eigenvalues_are_those_of_lapack(name, dtype, tolerance, kept, monkeypatch):
    searches, search = [], krylov.search
    monkeypatch.setattr(krylov, "search", lambda *given, **more: searches.append(1) or search(*given, **more))
    monkeypatch.setattr(krylov, "repeated", lambda shift: repeated.repeated(shift, kept))
    monkeypatch.setattr(landmarks, "LANDMARKS", SIDE**2 // 8)
    found = spectrum(graph(name, dtype), K, "krylov")
    sizes, values = wanted_of(name)
    assert found.is_certified
    assert len(searches) == 1
    assert found.residuals.max() < tolerance
    torch.testing.assert_close(by_size(found.eigenvalues).abs(), sizes, atol=tolerance, rtol=0)
    assert (found.eigenvalues.unsqueeze(-1) - values.unsqueeze(-2)).abs().amin(-1).max() < tolerance


@pytest.mark.parametrize("name", ["trained", "sharp", "transposed"])
def test_the_greatest_eigenvalues_are_those_of_arpack(name):
    shift = graph(name, torch.float64)
    sizes = by_size(spectrum(shift, K, "krylov").eigenvalues).abs()
    torch.testing.assert_close(sizes, arpack(shift).abs(), atol=1e-9, rtol=0)


def test_graphs_of_a_batch_have_their_own():
    one, other = (graph(name, torch.float32) for name in ("mild", "sharp"))
    scale = torch.tensor([one.scale, other.scale]).view(2, 1, 1)
    both = AttentionShift(scale * torch.cat([one.query, other.query]), torch.cat([one.key, other.key]))
    sizes = torch.cat([wanted_of("mild")[0], wanted_of("sharp")[0]])
    found = spectrum(both, K, "krylov")
    torch.testing.assert_close(by_size(found.eigenvalues).abs(), sizes, atol=1e-5, rtol=0)


@pytest.mark.parametrize("width", [0.0, 1e-10, 1e-7, 1e-5, 1e-3, 0.1])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-9)])
def test_more_close_eigenvalues_than_a_block_has_columns(width, dtype, tolerance):
    generator = torch.Generator().manual_seed(0)
    turn = torch.linalg.qr(torch.randn(500, 500, generator=generator, dtype=torch.float64)).Q
    values = torch.cat([1 - width * torch.linspace(0, 1, 60).double(), 0.5 * torch.rand(440).double()])
    matrix = turn * values @ turn.mT
    shift = DenseShift((0.5 * (matrix + matrix.mT)).to(dtype), is_symmetric=True)
    found = spectrum(shift, K, "krylov")
    assert found.is_certified
    wanted = values.sort(descending=True).values[:K]
    torch.testing.assert_close(found.eigenvalues[0], wanted, atol=tolerance, rtol=0)
