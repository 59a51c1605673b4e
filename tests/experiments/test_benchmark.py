"""The benchmark compares like with like, and measures sections one by one."""

import json

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
from experiments.benchmark.output import read_sections, write_results
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
    fakes = {title: ([{"case": title, "nodes": 1.0}], 1) for title in ("blocks", "sparse")}
    monkeypatch.setattr(program, "_sections", lambda rounds, quick: fakes)
    write_results({"sparse": [{"case": "earlier"}]}, machine, tmp_path)
    assert program.main(["--output", str(tmp_path), "--only", "blocks"]) == 0
    assert read_sections(tmp_path, machine) == {"blocks": fakes["blocks"][0], "sparse": [{"case": "earlier"}]}
    assert program.main(["--output", str(tmp_path), "--only", "block"]) == 2
    assert "unknown section 'block'; choose from: blocks, sparse" in capsys.readouterr().err


def test_figures_of_another_machine_are_not_mixed_in(tmp_path):
    write_results({"blocks": [{"case": "x"}]}, {"processor": "one"}, tmp_path)
    with pytest.raises(ValueError, match="another machine"):
        read_sections(tmp_path, {"processor": "other"})
    assert json.loads((tmp_path / "benchmark.json").read_text())["machine"] == {"processor": "one"}
