"""The document shows the tables that the model gives."""

from pathlib import Path

import pytest

from gsp_nonlocal.distributed.scale import PaperBlock, computing, steps, talking, thresholds, travelling

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"


@pytest.mark.parametrize("table", [steps, thresholds, travelling])
def test_the_page_has_the_tables_of_the_model(table):
    assert table(PaperBlock()) in PAGE.read_text(encoding="utf-8")


def test_computing_is_divided_and_talking_does_not_grow_with_the_nodes():
    block = PaperBlock(order=3)
    assert computing(10**8, 8, block) == pytest.approx(computing(10**8, 1, block) / 8)
    assert talking(1, block) == 0 < talking(8, block) < talking(64, block) < talking(4096, block)
