"""The part of the benchmark on filter families runs."""

from experiments.benchmark.filter_sections import filter_sections


def test_all_sections_on_filters_run():
    results = {title: list(rows) for title, (rows, *_) in filter_sections(rounds=1, quick=True).items()}
    assert [len(rows) for rows in results.values()] == [12, 1, 2, 1]
    assert float(results["exact Cayley"][0]["relative difference"]) < 1e-10
    assert all(row["times faster"] > 0 for row in results["sparse"])
