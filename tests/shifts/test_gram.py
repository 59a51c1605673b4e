"""The Gram matrix by strips is the product, and so are its derivatives."""

import pytest
import torch

from gsp_nonlocal.shifts.gram import NARROWEST, gram
from tests.cases.signals import channel_first, relative, signal

WIDTHS = (1, 2, 5, NARROWEST, NARROWEST + 1, 2 * NARROWEST + 3, 4 * NARROWEST + 5)


@pytest.mark.parametrize("layout", [torch.clone, channel_first])
@pytest.mark.parametrize("width", WIDTHS)
def test_it_is_the_product_and_its_derivatives_those_of_the_product(width, layout):
    factor, weight = layout(signal(width)).requires_grad_(), signal(width, nodes=width, seed=3)
    found, wanted = gram(factor), factor.mT @ factor
    assert relative(found, wanted) < 1e-14
    first = [torch.autograd.grad((g * weight).sum(), factor, create_graph=True)[0] for g in (found, wanted)]
    assert relative(*first) < 1e-14
    second = [torch.autograd.grad((g**2).sum(), factor)[0] for g in first]
    assert relative(*second) < 1e-14


def test_it_is_mapped_over():
    factors = signal(3 * NARROWEST, batch=3).unsqueeze(1)
    assert relative(torch.func.vmap(gram)(factors), factors.mT @ factors) < 1e-14
