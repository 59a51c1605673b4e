"""One rule of precision, in one place."""

import re
from pathlib import Path

import pytest
import torch

from filters.precision import wide_dtype, widened, without_autocast
from gsp_nonlocal.nodes import PointwiseProjection

ROOT = Path(__file__).parents[2]
HALF = (torch.float16, torch.bfloat16)


@pytest.mark.parametrize("one", [*HALF, torch.float32, torch.float64])
@pytest.mark.parametrize("other", [*HALF, torch.float32, torch.float64])
def test_the_common_type_is_float32_or_better(one, other):
    wanted = torch.float64 if torch.float64 in (one, other) else torch.float32
    assert wide_dtype(torch.ones(1, dtype=one), other) == wanted
    assert widened(torch.ones(1, dtype=one)).dtype == wide_dtype(one)


def test_autocast_is_off_where_it_is_asked_to_be():
    a = torch.ones(2, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (a @ a).dtype == torch.bfloat16
        with without_autocast(a):
            assert (a @ a).dtype == torch.float32
    with without_autocast(a.to("meta")):  # a device that has none
        assert (a @ a).dtype == torch.float32


def test_types_that_differ_are_named_on_the_meta_device_too():
    layer = PointwiseProjection(3, 2, device="meta")
    with pytest.raises(TypeError, match=r"features are torch\.float64 and weights torch\.float32"):
        layer(torch.ones(1, 4, 3, dtype=torch.float64, device="meta"))


@pytest.mark.parametrize("package", ["filters", "gsp_nonlocal"])
def test_no_other_file_says_it_anew(package):
    for path in (ROOT / package).rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if path.name != "precision.py":
            assert "autocast(device_type" not in text, path
            assert not re.search(r"promote_types\([^)]*torch\.float32\)", text), path
