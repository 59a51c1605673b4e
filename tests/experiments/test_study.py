"""The benchmark measures what it says."""

import json

import torch

from experiments.benchmark.measure import Step, measured, median_ratio, time_in_turns
from experiments.benchmark.output import write_results
from experiments.benchmark.reference import TextbookSNL
from experiments.benchmark.sections import compare_blocks, compare_orders, growth
from gsp_nonlocal import SNL


def fill(megabytes: int) -> Step:
    return lambda: torch.ones(megabytes * 2**18).sum().item() and None


def test_peak_memory_sees_what_a_step_allocates():
    size, times = measured(fill, 200, rounds=1)
    assert 195 < size / 2**20 < 300
    assert times[0] > 0


def test_turns_alternate_and_ratios_pair_the_rounds():
    calls = []
    steps = {name: lambda name=name: calls.append(name) for name in "ab"}
    times = time_in_turns(steps, rounds=3, warm_up=1)
    assert calls == ["a", "b"] * 4
    assert [len(t) for t in times.values()] == [3, 3]
    assert median_ratio([2.0, 6.0, 40.0], [1.0, 2.0, 10.0]) == 3.0


def test_the_textbook_form_of_the_benchmark_is_the_same_block():
    """What SNL is timed against computes the same numbers."""
    book, block, x = TextbookSNL(8, 4), SNL(8, gate=False), torch.randn(2, 8, 6, 5)
    with torch.no_grad():
        weights = [m.weight.flatten(1) for m in (book.theta, book.phi)]
        block.affinity.theta_phi.weight.copy_(torch.cat(weights))
        block.stages[0].value.weight.copy_(book.value.weight.flatten(1))
        mixing = [m.weight.flatten(1).mT for m in (book.w_1, book.w_2)]
        block.stages[0].filter.weight.copy_(torch.stack(mixing))
    torch.testing.assert_close(block(x), book(x), rtol=1e-4, atol=1e-5)


def test_all_sections_of_the_benchmark_run_and_are_written(tmp_path):
    results = {
        "blocks": list(compare_blocks([(1, 8, 16, 16)], rounds=1)),
        "orders": list(compare_orders(256, 8, rounds=1)),
        "growth": list(growth([8], rounds=1)),
    }
    paths = write_results(results, {"processor": "a test"}, tmp_path)
    assert [p.stat().st_size > 100 for p in paths] == [True] * 3
    assert json.loads(paths[0].read_text())["blocks"][0]["map"] == "1×8×16×16"
    assert "times faster than textbook" in paths[1].read_text()
