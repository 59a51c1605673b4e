"""Shapes that inner functions state are checked in the tests."""

import jaxtyping
import pytest
import torch

from gsp_nonlocal.shifts import exponential, low_rank
from tests.shape_checks import states_shape


def test_a_wrong_shape_is_noticed():
    q, wrong = torch.randn(1, 5, 2), torch.randn(1, 5, 3)
    with pytest.raises(jaxtyping.TypeCheckError):
        exponential.exponential_product(q, wrong, q)


def test_functions_that_state_shapes_are_wrapped_and_others_are_not():
    assert states_shape(exponential.exponential_product)
    assert hasattr(exponential.exponential_product, "__wrapped__")
    assert not states_shape(low_rank.LowRankShift.to_dense)
    assert not hasattr(low_rank.LowRankShift.to_dense, "__wrapped__")
