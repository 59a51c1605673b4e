"""The penalty of a forward pass is that of its blocks' graphs, and trains them."""

import pytest
import torch
from torch import nn

from gsp_nonlocal import NL, SNL, insert_blocks
from gsp_nonlocal.models import preresnet20
from gsp_nonlocal.probe import SpectralProbe, StableHypothesis
from gsp_nonlocal.spectral import stable_penalty


def test_it_is_the_sum_over_the_blocks_of_a_network():
    network, x = preresnet20(4, block=SNL).eval(), torch.randn(2, 3, 16, 16)
    insert_blocks(network, {"layer1.0": SNL})
    with StableHypothesis(network) as hypothesis, SpectralProbe(network) as probe:
        network(x)
        found = hypothesis.penalty()
    assert len(probe.shifts) == 2
    torch.testing.assert_close(found, sum(stable_penalty(shift).mean() for shift in probe.shifts.values()))


def test_it_trains_the_graph():
    torch.manual_seed(0)
    block, x = SNL(6), torch.randn(4, 6, 5, 5)
    rate = torch.optim.Adam(block.parameters(), lr=0.02)
    course = []
    for _ in range(60):
        with StableHypothesis(block) as hypothesis:
            block(x)
            loss = hypothesis.penalty()
        rate.zero_grad()
        loss.backward()
        rate.step()
        course.append(loss.item())
    assert course[-1] < 0.7 * course[0]


def test_each_context_counts_its_own_and_leaves_no_hook():
    block, x = NL(4), torch.randn(1, 4, 3, 3)
    hypothesis = StableHypothesis(block, probes=2)
    for _ in range(2):
        with hypothesis:
            block(x)
        assert hypothesis.penalty().isfinite()
        assert not any(module._forward_hooks for module in block.modules())
    with hypothesis, pytest.raises(ValueError, match="no nonlocal block ran yet"):
        hypothesis.penalty()


def test_a_network_without_blocks_is_refused():
    with pytest.raises(ValueError, match="Conv2d has no nonlocal block"):
        StableHypothesis(nn.Conv2d(3, 3, 1))
