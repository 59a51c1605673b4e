"""A shift that is multiplied many times is the same shift, however much of it is kept."""

import pytest
import torch

from gsp_nonlocal.shifts import AttentionShift, repeated
from gsp_nonlocal.shifts.structure import symmetric_part
from tests.cases.shifts import SHIFTS
from tests.cases.signals import NODES, embeddings, signal

module = repeated
CASES = SHIFTS | {"attention, symmetric part": lambda: symmetric_part(AttentionShift(*embeddings()))}
KEPT = {"none": 0, "some rows": 5 * 2 * 8 * NODES, "all": module.KEPT}


@pytest.mark.parametrize("kept", KEPT.values(), ids=KEPT.keys())
@pytest.mark.parametrize("name", CASES)
def test_every_product_is_that_of_the_matrix(name, kept, monkeypatch):
    monkeypatch.setattr(module, "TILE", 7)
    for shift in (CASES[name](), CASES[name]().T):
        product, matrix = repeated.repeated(shift, kept), shift.to_dense()
        for columns in (1, 3, 3):
            z = signal(columns, batch=len(matrix))
            torch.testing.assert_close(product(z), matrix @ z, atol=1e-12, rtol=1e-12)


def exponents(name):
    """Queries and keys in float32: exponents of ordinary size, great, and far below their bound."""
    generator = torch.Generator().manual_seed(0)
    query, key = torch.randn(2, 1, 40, 8, generator=generator)
    if name == "far below their bound":
        key[:, 0, 0], query[..., 0] = 1e4, -query[..., 0].abs()
    return query * {"great": 300.0, "ordinary": 1.0, "far below their bound": 1.0}[name], key


@pytest.mark.parametrize("kept", [0, module.KEPT])
@pytest.mark.parametrize("name", ["ordinary", "great", "far below their bound"])
def test_no_exponent_is_too_great_or_too_small(name, kept):
    query, key = exponents(name)
    product, z = repeated.repeated(AttentionShift(query, key), kept), torch.eye(40).unsqueeze(0)
    wanted = torch.softmax(query.double() @ key.double().mT, -1)
    for _ in range(2):
        found = product(z).double()
        torch.testing.assert_close(found, wanted, atol=2e-3 if name == "great" else 2e-6, rtol=0)
        torch.testing.assert_close(found.sum(-1), torch.ones(1, 40).double(), atol=1e-6, rtol=0)


class Doubled(AttentionShift):
    """Another graph made of the same parts."""

    def apply(self, z):
        return 2 * super().apply(z)


def test_what_is_made_of_other_parts_is_left_to_itself():
    z = signal(2, batch=2)
    plain, doubled = AttentionShift(*embeddings()), Doubled(*embeddings())
    torch.testing.assert_close(repeated.repeated(doubled)(z), 2 * (plain @ z))
    plain.other = torch.ones(NODES, dtype=torch.bool)
    assert repeated.repeated(plain).product == plain.__matmul__
    half = repeated.repeated(AttentionShift(*embeddings()).to(torch.bfloat16))
    assert half.dtype == torch.bfloat16
    assert half(z.bfloat16()).isfinite().all()


def test_no_gradient_is_kept():
    query, key = (part.requires_grad_() for part in embeddings())
    assert not repeated.repeated(AttentionShift(query, key))(signal(2, batch=2)).requires_grad
