"""Whether weights are kept for the backward pass or computed anew there changes nothing but the time."""

import pytest
import torch

from gsp_nonlocal.shifts import exponential
from gsp_nonlocal.shifts.exponential import exponential_product
from tests.cases.signals import channel_first, relative, signal


@pytest.mark.parametrize("layout", [torch.clone, channel_first])
def test_kept_weights_have_the_gradients_of_those_computed_anew(layout, monkeypatch):
    monkeypatch.setattr(exponential, "CHUNK", 2 * 40 * 40)  # more than one chunk
    query, key, z, cotangent = (layout(signal(3, nodes=100, seed=seed)).requires_grad_() for seed in range(4))

    def gradients(kept: int) -> tuple[torch.Tensor, ...]:
        monkeypatch.setattr(exponential, "KEPT_WEIGHTS", kept)
        product, sums, _ = exponential_product(query, key, z)
        return torch.autograd.grad((product / sums * cotangent.detach()).sum(), (query, key, z))

    for one, other in zip(gradients(2**23), gradients(0), strict=True):
        assert relative(one, other) < 1e-15


def test_nothing_is_kept_where_there_is_no_backward_pass(monkeypatch):
    kept = []
    monkeypatch.setattr(
        exponential, "apply_function", lambda function, *args: kept.append(args[-1]) or args[:3]
    )
    query = signal(3)
    exponential_product(query, query, query)
    exponential_product(query, query, query.clone().requires_grad_())
    with torch.no_grad():
        exponential_product(query, query, query.clone().requires_grad_())
    assert kept == [False, True, False]
