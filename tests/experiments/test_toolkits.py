"""The benchmark against PyGSP compares the same things: both libraries are close to the answer."""

import pytest

from experiments.benchmark.toolkit_sections import compare_toolkits, toolkit_sections

pytest.importorskip("pygsp", reason="PyGSP runs in make test-peers")
POLYNOMIALS = {"wavelets": 0.1}
"""Errors of responses that no polynomial of degree 30 follows; both have them."""
ITERATED = {"denoising", "interpolation"}


@pytest.mark.filterwarnings("ignore:.*approximated by a polynomial")
def test_both_are_close_to_the_answer():
    (section,) = toolkit_sections(rounds=1, quick=True).values()
    rows = list(compare_toolkits(300, rounds=1))
    assert len(rows) == section.total
    for row in rows:
        allowed = POLYNOMIALS.get(row["what"], 1e-8)
        assert row["ours off by"] < allowed, row
        assert row["PyGSP off by"] < (1e-3 if row["what"] in ITERATED else allowed), row
