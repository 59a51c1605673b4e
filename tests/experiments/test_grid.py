"""Every grid of trainings is resumable, its file is read strictly, and its page says what the file says."""

import json
import re
from functools import partial
from itertools import product

import pytest

from experiments import compare, families, study
from experiments.cells import Cell, Key, read_cells, summarise, write_cells
from experiments.grid import (
    RESULTS,
    Grid,
    no_facts,
    page,
    run_grid,
    score_table,
)
from experiments.plots import plot_dots

GRIDS = [study.GRID, compare.GRID, families.GRID]
MODULES = [study, compare, families]
by_name = pytest.mark.parametrize("grid", GRIDS, ids=lambda grid: grid.name)


class Killed(BaseException):
    """The process is gone."""


class Trainings:
    """Trains at once, remembers what, and is killed at the ``n``-th, where wanted."""

    def __init__(self, dies_at=None):
        self.keys, self.dies_at = [], dies_at

    def __call__(self, key, checkpoints, output):
        assert checkpoints.is_dir()
        if len(self.keys) == self.dies_at:
            raise Killed
        self.keys.append(key)
        return Cell(*key, 0.5, 0.25 + key.seed / 4, 1.0)


def grid_of(train):
    return Grid(
        "some", "# Some", ("data", "block", "seed", "steps", "val", "test", "seconds"), {"a": 4, "b": 8},
        ("x", "y"), {"a": "IoU", "b": "accuracy"}, {"a": "First, {steps}.", "b": "Second, {steps}."},
        train, no_facts, lambda *drawn: None,
    )  # fmt: skip


SEEDS = (0, 1)
ALL = [Key(task, x, seed, steps) for (task, steps), seed, x in product((("a", 4), ("b", 8)), SEEDS, "xy")]


@pytest.mark.parametrize("killed", range(len(ALL)))
@pytest.mark.parametrize("place", ["training", "keeping", "after keeping"])
def test_a_killed_grid_loses_no_cell_and_runs_none_twice(killed, place, tmp_path, monkeypatch):
    first, again = Trainings(killed if place == "training" else None), Trainings()
    real = Grid.keep

    def keep(grid, cell, output):
        dies = len(first.keys) == killed + 1 and not again.keys and not done
        if dies and place == "keeping":
            raise Killed
        real(grid, cell, output)
        if dies and place == "after keeping":
            raise Killed

    done = False
    monkeypatch.setattr(Grid, "keep", keep)
    with pytest.raises(Killed):
        run_grid(grid_of(first), "ab", "xy", SEEDS, tmp_path)
    kept, done = read_cells(tmp_path / "some.csv", grid_of(first).columns), True
    cells = run_grid(grid_of(again), "ab", "xy", SEEDS, tmp_path)
    assert [cell.key for cell in kept] + again.keys == ALL and {cell.key for cell in cells} == set(ALL)
    assert list(tmp_path.glob(".*")) == []


def test_a_cell_that_another_run_did_meanwhile_stays_and_is_not_run(tmp_path):
    others, mine = Trainings(), []

    def train(key, checkpoints, output):
        if not mine:
            run_grid(grid_of(others), "ab", "xy", SEEDS, output)
        mine.append(key)
        return Cell(*key, 0.9, 0.9, 9.0)

    run_grid(grid_of(train), "ab", "xy", SEEDS, tmp_path)
    assert mine == ALL[:1] and others.keys == ALL
    assert {c.seconds for c in read_cells(tmp_path / "some.csv", grid_of(train).columns)} == {1.0}


def test_the_page_is_of_one_budget_a_task_and_best_first(tmp_path):
    grid = grid_of(Trainings())
    run_grid(grid, ["b"], ["y"], [0, 2], tmp_path)
    run_grid(grid, ["b"], ["x", "y"], [1], tmp_path)
    run_grid(grid, ["a"], ["x"], [0], tmp_path, steps=2)
    text = page(
        grid, [c for c in grid.read(tmp_path) if c.task == "b"], {"b": {"mass": {"x": "7", "y": "8"}}}
    )
    rows = [line for line in text.splitlines() if line.startswith("|")][:4]
    assert rows == [
        "| block | test accuracy | each seed | mass |",
        "| --- | --- | --- | --- |",
        "| y | 0.500 ± 0.250 | 0.250, 0.750, 0.500 | 8 |",
        "| x | 0.500 ± 0.000 | 0.500 | 7 |",
    ]
    assert "Second, 8." in text and "## a" not in text
    written = (tmp_path / "some.md").read_text()
    assert "First, 2." in written and "## b" not in written  # of b there is no cell of 2 steps
    assert len(grid.read(tmp_path)) == 5


TINY = {
    study: (["--cue", "colour"], "train_cell", 3),
    compare: (["--data", "scenes", "digits", "--blocks", "cgnl", "--no-costs"], "train_block", 2),
    families: (["--families", "aggregation", "cayley"], "train_cell", 2),
}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.GRID.name)
def test_a_study_is_trained_once_and_shown(module, tmp_path, monkeypatch):
    arguments, train, number = TINY[module]
    monkeypatch.setattr(module, train, partial(getattr(module, train), eval_scenes=4))
    arguments = [*arguments, "--seeds", "0", "--steps", "2", "--output", str(tmp_path)]
    assert module.main(arguments) == 0
    cells = module.GRID.read(tmp_path)
    assert len(cells) == number and {(cell.seed, cell.steps) for cell in cells} == {(0, 2)}
    text = module.GRID.file(tmp_path, ".md").read_text()
    assert all(f"| {cell.network} | {cell.test:.3f} ± 0.000 |" in text for cell in cells)
    assert module.GRID.file(tmp_path, ".png").stat().st_size > 1000
    if module is families:
        responses = json.loads((tmp_path / "families_responses.json").read_text())
        assert list(responses) == [f"colour, 2 steps, {name}, seed 0" for name in ("aggregation", "cayley")]
        assert {len(gain) for gain in responses.values()} == {101}
    monkeypatch.setattr(module, train, lambda *a, **k: pytest.fail("ran again"))
    assert module.main(arguments) == 0 and module.GRID.read(tmp_path) == cells


@by_name
def test_the_committed_page_says_what_the_committed_table_says(grid):
    """Means and each seed, from the CSV file; costs were measured, and stand on the page alone."""
    text, cells = grid.file(RESULTS, ".md").read_text(), grid.read(RESULTS)
    assert text.startswith(grid.head + "\n\n## ")
    for task in dict.fromkeys(cell.task for cell in cells):
        steps = {cell.steps for cell in cells if cell.task == task}
        assert steps == {grid.steps[task]}
        section = text.split(f"## {task}\n")[1].split("\n## ")[0]
        assert grid.places[task].format(steps=grid.steps[task]) in section
        own = summarise(cell for cell in cells if cell.task == task)
        for row in score_table(own, grid.columns[1], grid.metrics[task], {})[2:]:
            assert f"\n{row}" in section


@by_name
def test_a_cell_survives_its_file(grid, tmp_path):
    cells = [
        Cell(next(iter(grid.steps)), grid.networks[0], seed, 2, 1 / 3, 0.1 + 0.2, 1e-9) for seed in SEEDS
    ]
    write_cells(cells, tmp_path / "t.csv", grid.columns)
    assert read_cells(tmp_path / "t.csv", grid.columns) == cells
    assert (tmp_path / "t.csv").read_text().splitlines()[0] == ",".join(grid.columns)


def row(**changes):
    cell = {"task": "scenes", "network": "nl", "seed": 0, "steps": 2, "val": 0.5, "test": 0.5, "seconds": 1.0}
    return Cell(**(cell | changes))


def written(*cells):
    lines = [",".join(compare.GRID.columns)]
    return "\n".join([*lines, *(",".join(map(str, vars(cell).values())) for cell in cells)]) + "\n"


@pytest.mark.parametrize(
    ("arguments", "table", "message"),
    [
        (["--blocks", "lm"], None, "invalid choice: 'lm'"),
        (["--data", "sounds"], None, "invalid choice: 'sounds'"),
        (["--steps", "0"], None, "--steps 0 trains nothing; choose at least 1"),
        (["--seeds", "-1"], None, "--seeds -1 is out of range"),
        (["--seeds", "99999999999"], None, "--seeds 99999999999 is out of range"),
        ([], b"a,b\n1,2\n", "other columns than data, block, seed"),
        ([], b"a,b\n", "other columns than data, block, seed"),
        ([], written(row(network="lm")), "block 'lm'; remove it"),
        ([], written(row(task="sounds")), "data 'sounds' and block 'nl'; remove it"),
        ([], written(row(), row(test=0.6)), "row 3: ('scenes', 'nl', 0, 2) is there before"),
        ([], written(row(test="nan")), "row 2 is no cell ('nan' is not finite); remove it"),
        ([], written(row(seconds="")), "row 2 is no cell"),
        ([], written(row(seed="1.5")), "row 2 is no cell"),
        ([], 2 * written(row()), "row 3 is no cell"),
        ([], written(row()) + "scenes,nl,1\n", "row 3 is no cell (3 values instead of 7)"),
        ([], written(row()) + "scenes,nl,1,2,0.5,0.5,1.0,more\n", "row 3 is no cell (8 values"),
        ([], b"\xff\xfe\x00", "is no table"),
    ],
)
def test_bad_input_is_named_before_any_training(arguments, table, message, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(compare, "train_block", lambda *a, **k: pytest.fail("trained"))
    if table is not None:
        (tmp_path / "compare.csv").write_bytes(table if isinstance(table, bytes) else table.encode())
    with pytest.raises(SystemExit) as stop:
        compare.main([*arguments, "--output", str(tmp_path)])
    said = re.sub(r"\s+", " ", capsys.readouterr().err)
    assert stop.value.code == 2 and message in said


@pytest.mark.parametrize("content", ["{", "[]", '{"a": 1}', '{"a": ["x"]}'])
def test_responses_that_are_none_are_named_before_any_training(content, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(families, "train_cell", lambda *a, **k: pytest.fail("trained"))
    (tmp_path / "families_responses.json").write_text(content)
    with pytest.raises(SystemExit) as stop:
        families.main(["--output", str(tmp_path)])
    assert stop.value.code == 2 and "families_responses.json" in capsys.readouterr().err


@by_name
def test_the_picture_shows_every_network_and_the_tasks_that_there_are(grid, tmp_path):
    task = list(grid.steps)[-1]
    cells = [Cell(task, network, seed, 5, 0.5, 0.9, 1.0) for network in grid.networks for seed in (3, 4)]
    assert plot_dots(summarise(cells), grid.metrics, tmp_path / "dots.png").stat().st_size > 1000
