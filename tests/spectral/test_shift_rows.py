"""A row of S without S."""

import pytest
import torch

from gsp_nonlocal.affinity import relu_dot_shift
from gsp_nonlocal.shifts import DenseShift, DiagonalShift, LowRankShift
from gsp_nonlocal.spectral import attention_map

SHIFTS = {
    "low-rank": lambda: LowRankShift(torch.rand(2, 12, 3), torch.rand(2, 12, 3), torch.rand(3, 3)),
    "affinity": lambda: relu_dot_shift(torch.rand(2, 12, 6), "low_rank"),
    "dense": lambda: DenseShift(torch.rand(2, 12, 12)),
    "diagonal": lambda: DiagonalShift(torch.rand(2, 12)),
    "plain": lambda: torch.rand(2, 12, 12),
}


@pytest.mark.parametrize("node", [0, 5, 11])
@pytest.mark.parametrize("make", SHIFTS.values(), ids=SHIFTS.keys())
def test_equals_the_row_of_the_dense_matrix(make, node):
    torch.manual_seed(0)
    shift = make()
    dense = shift if isinstance(shift, torch.Tensor) else shift.to_dense()
    torch.testing.assert_close(attention_map(shift, node), dense[:, node])


def test_a_position_on_a_grid_is_the_flat_index_row_by_row():
    shift = torch.rand(2, 24, 24)
    found = attention_map(shift, (1, 2, 3), grid=(2, 3, 4))
    assert torch.equal(found, shift[:, 23].view(2, 2, 3, 4))
    assert torch.equal(attention_map(shift, (0, 2, 1), grid=(2, 3, 4)).flatten(1), shift[:, 9])
    assert torch.equal(attention_map(shift, 9, grid=(2, 3, 4)), shift[:, 9].view(2, 2, 3, 4))


def test_two_hundred_thousand_nodes_never_meet_in_a_matrix(monkeypatch):
    monkeypatch.setattr(LowRankShift, "to_dense", lambda self: pytest.fail("S was formed"))
    factor = torch.rand(1, 200_000, 4)
    found = attention_map(LowRankShift(factor), 123_456)
    assert found.shape == (1, 200_000)
    torch.testing.assert_close(found[0, 7], factor[0, 123_456] @ factor[0, 7])


def test_no_gradient_flows():
    assert not attention_map(LowRankShift(torch.rand(1, 5, 2, requires_grad=True)), 0).requires_grad


@pytest.mark.parametrize(
    ("node", "grid", "error", "said"),
    [
        (12, None, IndexError, "node 12 .* 0 to 11"),
        (-1, None, IndexError, "node -1"),
        ((0, 4), (3, 4), IndexError, r"\(2, 3\)"),
        ((-1, 0), (3, 4), IndexError, r"\(-1, 0\)"),
        (0, (3, 5), ValueError, "15 positions.*12 nodes"),
        ((0, 0), None, TypeError, "grid=None"),
        ((0, 0, 0), (3, 4), TypeError, "as many coordinates"),
        (1.5, None, TypeError, "1.5"),
    ],
)
def test_positions_outside_of_the_graph_are_refused(node, grid, error, said):
    with pytest.raises(error, match=said):
        attention_map(torch.rand(1, 12, 12), node, grid=grid)
