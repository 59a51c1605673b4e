"""What a filter gives does not depend on the number of threads: batches of large graphs, and of factors."""

import pytest
import torch

from gsp_nonlocal.spectral import gft, spectrum
from tests.cases.filters import FAMILIES, FILTERS, FIXED
from tests.cases.shifts import LARGE, LARGE_NODES
from tests.cases.signals import IN, OUT, relative, signal
from tests.filters.test_filter_laws import make


@pytest.fixture(params=[1, 2])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def one_thread(call):
    """``call()`` with one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return call()
    finally:
        torch.set_num_threads(before)


def pairs():
    """Every filter on the closed graphs; on the iterated one a filter of each kind."""
    some = [f"{family}-2" for family in FAMILIES]
    symmetric = {graph: shift().is_symmetric for graph, shift in LARGE.items()}
    return [
        (name, graph)
        for graph in LARGE
        for name in (FILTERS if graph != "attention" else some)
        if symmetric[graph] or not FILTERS[name].make().requires_symmetric
    ]


@pytest.mark.parametrize(("name", "graph"), pairs())
def test_a_batch_gives_what_its_graphs_give_one_by_one(threads, name, graph):
    f, shift, z = make(name), LARGE[graph](), signal(IN, LARGE_NODES, 3)
    alone = one_thread(lambda: torch.cat([f(z[i : i + 1], shift.graph(i)) for i in range(3)]))
    assert relative(f(z, shift), alone) < 1e-9


@pytest.mark.parametrize("name", ["cayley-2", "arma-2", "rational-2", "chebyshev-5", *FIXED])
@pytest.mark.parametrize("graph", ["low-rank", "dense"])
def test_gradients_of_a_batch(threads, name, graph):
    f, weight = make(name), signal(OUT, LARGE_NODES, 3, seed=9)

    def gradient(index):
        held = []

        def leaf(part):
            own = part[index] if len(part) > 1 else part
            held.append(own.detach().clone().requires_grad_())
            return held[-1]

        shift = LARGE[graph]().mapped(leaf)
        y = f(signal(IN, LARGE_NODES, 3)[index], shift)
        return torch.autograd.grad((y * weight[index, :, : y.shape[-1]]).sum(), held)[0]

    parts = one_thread(lambda: torch.cat([gradient(slice(i, i + 1)) for i in range(3)]))
    assert relative(gradient(slice(None)), parts) < 1e-8


def test_the_fourier_transform_of_a_batch_of_directed_graphs(threads):
    generator = torch.Generator().manual_seed(0)
    matrix = torch.rand(3, LARGE_NODES, LARGE_NODES, generator=generator, dtype=torch.float64) / LARGE_NODES
    found, z = one_thread(lambda: spectrum(matrix, eigenvectors=True)), signal(2, LARGE_NODES, 3)
    assert relative(gft(z, found), one_thread(lambda: gft(z, found))) < 1e-9
