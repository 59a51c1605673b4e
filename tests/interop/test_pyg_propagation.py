"""Terms that were computed once, and weights a node at a time, are the convolution."""

import pytest
import torch

from filters import Chebyshev, Filter, Identity
from gsp_nonlocal.interop.pyg import SpectralConv, combine, propagate
from tests.cases.filters import FILTERS
from tests.cases.signals import IN, edges, relative, signal
from tests.filters.test_filter_laws import make

FAMILIES = [
    name
    for name, case in FILTERS.items()
    if isinstance(case.make(), Filter) and type(case.make()).terms is not Filter.terms
]


@pytest.mark.parametrize("normalization", ["sym", "rw"])
@pytest.mark.parametrize("name", FAMILIES)
def test_it_is_the_convolution(name, normalization):
    f, x, (index, weight) = make(name), signal()[0], edges()
    terms = propagate(f, x, index, weight, normalization=normalization)
    assert terms.shape == (len(x), f.num_terms, IN) and not terms.requires_grad
    expected = SpectralConv(f, normalization)(x, index, weight)
    assert relative(combine(f, terms), expected) < 1e-10
    some = torch.tensor([3, 0, 7])
    assert relative(combine(f, terms[some]), expected[some]) < 1e-10


def test_weights_train_in_batches_of_nodes():
    f, x, (index, weight) = Chebyshev(IN, 3, order=3).double(), signal()[0], edges()
    whole = SpectralConv(f)(x, index, weight).square().sum()
    expected = torch.autograd.grad(whole, f.weight)[0]
    for part in propagate(f, x, index, weight).split(5):
        combine(f, part).square().sum().backward()
    assert relative(f.weight.grad, expected) < 1e-10


def test_any_number_of_channels_and_forms_of_edges():
    x, (index, weight) = signal(7)[0].float(), edges()
    f = Chebyshev(IN, 3, order=2)
    adj_t = torch.sparse_coo_tensor(index.flip(0), weight.float(), (len(x), len(x))).coalesce()
    assert relative(propagate(f, x, adj_t), propagate(f, x, index, weight.float()[:, None])) < 1e-6


@pytest.mark.parametrize("filter", [Chebyshev(3, 3) @ Identity(3), FILTERS["horner-3"].make()])
def test_what_has_no_terms_is_refused(filter):
    with pytest.raises(TypeError, match="has no terms"):
        propagate(filter, torch.ones(4, 3), torch.tensor([[0, 1], [1, 0]]))


def test_other_terms_are_refused():
    with pytest.raises(ValueError, match=r"\(M, 3, 4\).*got \(2, 2, 4\)"):
        combine(Chebyshev(4, 5, order=2), torch.ones(2, 2, 4))
