"""Filter families are compared, resumably, and their part of the benchmark runs."""

import json

import pytest

import experiments.families as families
from experiments.benchmark.filter_sections import filter_sections


def test_families_are_compared_and_not_run_again(tmp_path, monkeypatch):
    chosen = ["aggregation", "cayley"]
    first = families.run_families("colour", [0], tmp_path, steps=2, eval_scenes=4, families=chosen)
    assert [cell.model for cell in first] == chosen
    page = (tmp_path / "families.md").read_text()
    assert all(name in page for name in chosen)
    assert (tmp_path / "families.png").stat().st_size > 1000
    responses = json.loads((tmp_path / "families_responses.json").read_text())
    assert list(responses) == [f"colour, 2 steps, {name}, seed 0" for name in chosen]
    assert {len(gain) for gain in responses.values()} == {101}
    monkeypatch.setattr(families, "train_cell", lambda *a, **k: pytest.fail("ran again"))
    assert families.run_families("colour", [0], tmp_path, 2, 4, chosen) == first


def test_all_sections_on_filters_run():
    results = {title: list(rows) for title, (rows, _) in filter_sections(rounds=1, quick=True).items()}
    assert [len(rows) for rows in results.values()] == [6, 1, 2, 1]
    assert float(results["exact Cayley"][0]["relative difference"]) < 1e-10
    assert all(row["times faster"] > 0 for row in results["sparse"])
