"""The benchmark compares like with like, and measures sections one by one."""

import json
import os

import pytest
import torch

from experiments.benchmark import __main__ as program
from experiments.benchmark.block_sections import (
    BLOCKS,
    DenseForm,
    TextbookNL,
    against_dense,
    against_mmcv,
    memory_of_nl,
    ours_of,
)
from experiments.benchmark.comparing import became_slower
from experiments.benchmark.gpu import document
from experiments.benchmark.gpu import main as gpu
from experiments.benchmark.gpu_sections import (
    compare_attention,
    compare_captured,
    compare_precisions,
    rates,
    spectra,
)
from experiments.benchmark.measure import compare_with_first, in_process, measured, operations, summary
from experiments.benchmark.output import Earlier, read_sections, write_results
from experiments.benchmark.sections import ALLOCATORS, KEEPS, Section, build, compare_allocators, growth
from experiments.benchmark.split_sections import divided
from tests.cases.signals import relative


def test_our_nl_is_the_textbook_one():
    torch.manual_seed(0)
    textbook = TextbookNL(16)
    ours, x = ours_of(textbook), torch.randn(2, 16, 6, 5)
    assert relative(ours(x), textbook(x)) < 1e-5


@pytest.mark.parametrize("name", BLOCKS)
def test_the_dense_form_is_the_same_block(name):
    torch.manual_seed(0)
    block, x = BLOCKS[name](16).double(), torch.randn(1, 16, 6, 5, dtype=torch.float64)
    for unit in block.units:
        torch.nn.init.constant_(unit.gate, 0.7)
    y = block(x)
    block.affinity = DenseForm(block.affinity)
    assert relative(block(x), y) < 1e-11


def test_the_sections_of_blocks_run():
    (row,) = against_mmcv([(1, 8, 8, 8)], rounds=1)
    assert row["times faster than textbook"] > 0
    rows = list(against_dense([(1, 16, 6, 5)], rounds=1))
    assert [row["block"] for row in rows] == list(BLOCKS)
    assert all(row["times faster"] > 0 for row in rows)
    (row,) = memory_of_nl([(1, 8, 16, 16)])
    assert {"NL MiB", "dense MiB"} <= set(row)


def test_one_section_is_measured_and_the_others_stay(tmp_path, monkeypatch, capsys):
    machine = {"processor": "a test"}
    monkeypatch.setattr(program, "_machine", lambda: machine)
    fakes = {title: Section([{"case": title, "nodes": 1.0}], 1) for title in ("blocks", "sparse")}
    monkeypatch.setattr(program, "_sections", lambda rounds, quick: fakes)
    write_results({"sparse": [{"case": "earlier"}]}, machine, tmp_path)
    assert program.main(["--output", str(tmp_path), "--only", "blocks"]) == 0
    found = read_sections(tmp_path, machine)
    assert found.results == {"blocks": fakes["blocks"].rows, "sparse": [{"case": "earlier"}]}
    assert found.conditions["blocks"].startswith("One round; other programs took")
    assert f"{found.conditions['blocks']}." in (tmp_path / "benchmark.md").read_text()
    assert program.main(["--output", str(tmp_path), "--only", "block"]) == 2
    assert "unknown section 'block'; choose from: blocks, sparse" in capsys.readouterr().err


def test_figures_of_another_machine_are_not_mixed_in(tmp_path):
    write_results({"blocks": [{"case": "x"}]}, {"processor": "one"}, tmp_path)
    with pytest.raises(ValueError, match="another machine"):
        read_sections(tmp_path, {"processor": "other"})
    assert json.loads((tmp_path / "benchmark.json").read_text())["machine"] == {"processor": "one"}


def environment() -> dict[str, str | None]:
    return {name: os.environ.get(name) for name in KEEPS}


def test_a_fresh_process_has_the_allocator_that_is_asked_for(monkeypatch):
    for name in KEEPS:
        monkeypatch.setenv(name, "1")
    assert in_process(environment, environment=KEEPS) == KEEPS
    assert in_process(environment, environment=dict.fromkeys(KEEPS)) == dict.fromkeys(KEEPS)
    assert environment() == dict.fromkeys(KEEPS, "1")


def test_times_are_of_warm_steps_and_growth_is_over_nodes():
    found = measured(build, "snl", (1, 8, 8, 8), rounds=4)
    assert len(found.times) == 4
    assert found.peak > 0
    rows = list(growth(range(5, 7), rounds=2))
    assert [row["nodes"] for row in rows] == [32, 64]
    assert {"snl s", "snl quartiles", "snl MiB", "textbook s"} <= set(rows[0])


def test_steps_are_compared_by_their_time_and_by_their_operations():
    one, other = torch.randn(8, 16), torch.randn(16, 32)
    steps = {"once": lambda: one @ other, "thrice": lambda: [one @ other for _ in range(3)]}
    assert operations(steps["thrice"]) == 3 * operations(steps["once"]) == 3 * 2 * 8 * 16 * 32
    first, second = compare_with_first("step", "once", {"forward": steps}, rounds=3)
    assert (first["step"], second["step"]) == ("once", "thrice")
    assert first["forward, times once"] == first["forward, over its operations"] == 1.0
    assert second["forward, times once"] == pytest.approx(3 * second["forward, over its operations"])


def test_medians_have_quartiles():
    assert summary("x", [0.001, 0.002, 0.004]) == {"x ms": 2.0, "x quartiles": "1.5 to 3"}
    assert summary("x", [2.0], "s") == {"x s": 2.0, "x quartiles": "2 to 2"}


def test_every_allocator_is_measured(monkeypatch):
    for name in ("huge pages", "keeping"):
        monkeypatch.delitem(ALLOCATORS, name)
    rows = list(compare_allocators([(1, 8, 8, 8)], rounds=2))
    assert [row["allocator"] for row in rows] == list(ALLOCATORS)
    assert all(row["times the floor"] > 0 and row["snl MiB"] > 0 for row in rows)


def test_a_step_is_divided_over_processes(monkeypatch):
    monkeypatch.setattr("experiments.benchmark.split_sections.TURNS", 1)
    (row,) = divided([("NL", 1, (1, 8, 8, 8))], rounds=2)
    assert row["nodes"] == 64
    assert row["time ratio"] > 0
    assert row["memory ratio"] > 0


def test_what_became_slower_is_named():
    machine = {"processor": "one"}
    row = {
        "map": "a",
        "nodes": 4.0,
        "snl ms": 10.0,
        "snl MiB": 1.0,
        "times the floor": 1.0,
        "times faster": 4.0,
    }
    earlier = Earlier({"blocks": [row]}, machine, {})
    alike = {**row, "snl ms": 11.0, "times the floor": 1.1, "times faster": 3.6, "snl MiB": 9.0}
    assert became_slower({"blocks": [alike], "new": [row]}, machine, earlier) == []
    worse = {**row, "snl ms": 12.0, "times the floor": 1.2, "times faster": 3.0, "nodes": 4.0}
    lines = became_slower({"blocks": [worse]}, machine, earlier)
    assert [line.partition(": ")[0] for line in lines] == ["blocks, map a, nodes 4"] * 3
    assert "snl ms 10 → 12 (1.20 times)" in lines[0]
    others = became_slower({"blocks": [worse]}, {"processor": "other"}, earlier)
    assert others == lines[1:]
    assert became_slower({"blocks": [{**worse, "map": "b"}]}, machine, earlier) == []


def test_a_run_against_an_earlier_one_ends_with_1_where_something_is_slower(tmp_path, monkeypatch, capsys):
    machine = {"processor": "a test"}
    monkeypatch.setattr(program, "_machine", lambda: machine)
    monkeypatch.setattr(
        program, "_sections", lambda rounds, quick: {"s": Section([{"case": "x", "a ms": 3.0}], 1)}
    )
    write_results({"s": [{"case": "x", "a ms": 2.0}]}, machine, tmp_path / "earlier")
    command = ["--output", str(tmp_path / "now"), "--compare", str(tmp_path / "earlier/benchmark.json")]
    assert program.main(command) == 1
    assert "s, case x: a ms 2 → 3 (1.50 times)" in capsys.readouterr().out
    assert program.main([*command[:3], str(tmp_path / "none.json")]) == 2
    assert "holds no benchmark" in capsys.readouterr().err
    assert program.main([*command, "--quick"]) == 2
    assert "leave out --quick" in capsys.readouterr().err


def test_the_sections_of_a_gpu_run_on_any_device():
    shape = (1, 8, 6, 6)
    found = {
        "rates": list(rates(32, rounds=1)),
        "SNL": list(compare_precisions([shape], 32, rounds=1)),
        "captured": list(compare_captured([shape], rounds=1)),
        "NL": list(compare_attention([shape], 32, rounds=1)),
        "spectra": list(spectra([9], rounds=1)),
    }
    assert [len(rows) for rows in found.values()] == [4, 3, 1, 3, 1]
    page = document(found, {"SNL": "Medians of 1"}, "a card")
    assert "on one a card" in page
    assert "card: a card" in page


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_gpu_its_benchmark_is_refused_in_a_line(tmp_path, capsys):
    assert gpu(["--output", str(tmp_path / "page.md")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "page.md").exists()
