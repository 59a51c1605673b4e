"""The spectral study trains resumably, and its page says, in tables and in prose, what its numbers say."""

import json
import re
from dataclasses import replace

import pytest
import torch

import experiments.spectral_study.__main__ as study
from experiments.comparison import BLOCKS, block_task
from experiments.grid import RESULTS
from experiments.prose import unfounded
from experiments.spectral_study.numbers import after, shown, turns
from experiments.spectral_study.runs import Powers, Run, Study, applications, read_study, rounded, write_study
from experiments.spectral_study.tables import (
    correlation,
    correlations,
    eigenvalues,
    quality,
    rank,
    smoothing,
    stable,
    symmetry,
)
from experiments.spectral_study.training import (
    FILTERS,
    NETWORKS,
    ORDERS,
    calibrated,
    filter_name,
    powers_of,
    scenes_of,
)
from gsp_nonlocal.analysis.record import BlockRecord, GraphRecord, ResponseRecord, Snapshot
from gsp_nonlocal.probe import SpectralProbe
from gsp_nonlocal.shifts import DenseShift, LowRankShift

MEASURES = {
    "spectral_radius": 1.0,
    "smallest": -0.25,
    "imaginary": 0.0,
    "effective_rank": 4.0,
    "asymmetry": 0.0,
    "departure_from_normality": 0.0,
    "distance_to_rank_one": 0.5,
    "row_agreement": 0.8,
    "dirichlet_before": 1.0,
    "dirichlet_after": 0.4,
    "eigenvector_condition": None,
}


def record(*, symmetric=False, eigenvalues=((1.0, 0.0), (-0.25, 0.0)), kind="low-pass", **measures):
    graph = GraphRecord(0, 0, list(eigenvalues), 2, True, [1.0], [1.0], [1.0], MEASURES | measures)
    response = ResponseRecord([0.0, 1.0, 2.0], [1.0, 0.5, 0.2], [1.0, 0.5, 0.2], [1.0, 0.5, 0.2], kind)
    return BlockRecord("b", "SNL", 4, [2, 2], 1, [], symmetric, 1.0, [0.0, 2.0], [graph], [response])


def run(block, first, last, *, test=0.9, deviation=0.05, excess=1.0, seed=3):
    snapshots = (Snapshot("", "Net", [1, 3, 2, 2], [one], {}) for one in (first, last))
    powers = Powers([1, 2, 3, 4, 5], [[0.0], *[[deviation]] * 4], [[0.0], *[[0.2]] * 4], [[excess]] * 5)
    course = [(0, {"b/effective_rank": 9.0}), (8, {"b/effective_rank": 4.0})]
    spread = ((1.0, 1.0), (1.0, 0.4))
    return Run(block, seed, 8, 0.9, test, 1.0, *snapshots, course, {"b": (powers, powers)}, spread)


@pytest.fixture
def everyone():
    """A symmetric network, a complex one, and one of rank one beyond 1."""
    cycle = [(1.0, 0.0), (-0.4, 0.7), (-0.4, -0.7)]
    runs = [
        run("snl", record(symmetric=True, smallest=-0.5), record(symmetric=True)),
        run(
            "nl",
            record(asymmetry=0.2, departure_from_normality=0.3),
            record(
                eigenvalues=cycle, kind="band-stop", imaginary=0.7, smallest=-0.4, asymmetry=0.7,
                departure_from_normality=0.9, distance_to_rank_one=0.9, row_agreement=0.3,
                dirichlet_after=1.5,
            ),
            deviation=1.2,
            excess=7.5,
        ),
        run(
            "cgnl",
            record(),
            record(spectral_radius=50.0, row_agreement=1.0, distance_to_rank_one=0.0, effective_rank=1.0),
            test=0.24,
            deviation=1e6,
        ),
    ]  # fmt: skip
    return applications(runs)


def rows(table):
    return {row[0]: list(map(str, row[1:])) for row in table.rows}


def test_tables_follow_from_the_numbers(everyone):
    assert rows(eigenvalues(everyone)) == {
        "snl": ["yes", "1.00 → 1.00", "−0.500 → −0.250", "0 → 0", "–"],
        "nl": ["no", "1.00 → 1.00", "−0.250 → −0.400", "0 → 0.700", "±120°"],
        "cgnl": ["no", "1.00 → 50.0", "−0.250 → −0.250", "0 → 0", "–"],
    }
    assert rows(symmetry(everyone))["nl"] == ["0.200 → 0.700", "0.300 → 0.900"]
    assert rows(rank(everyone))["cgnl"] == ["0.500 → 0", "4.00 → 1.00", "0.800 → 1.00"]
    assert rows(smoothing(everyone))["nl"] == ["band-stop", "1.00 → 1.50", "1.00 → 0.400"]
    assert rows(smoothing(everyone))["cgnl"][1] == "1.00 → 0.988"  # 1 − 0.6 / 50
    assert rows(stable(everyone))["nl"] == [*["1.20 → 1.20"] * 4, "0.200", "7.50 → 7.50"]
    assert list(rows(quality(everyone)).items())[-1] == ("cgnl", ["0.240"])


def test_rounding_is_no_imaginary_part():
    large = record(spectral_radius=5000.0, imaginary=1e-4)
    assert rows(eigenvalues(applications([run("a", large, large)])))["a"][3] == "0 → 0"


def test_rank_correlations_need_enough_networks(everyone):
    assert set(rows(correlations(everyone))["effective rank"]) == {"–"}
    ranked = [record(effective_rank=float(r)) for r in range(1, 7)]
    several = applications([run(f"b{n}", one, one, test=0.9 + 0.01 * n) for n, one in enumerate(ranked)])
    assert correlation(several, after("effective_rank")) == pytest.approx((1.0, 0.0))
    assert correlation(several, after("row_agreement")) == (None, None)
    assert rows(correlations(several))["effective rank"][0] == "1.00"


def test_seeds_and_applications_have_names_of_their_own():
    one, other = record(), record()
    twice = run("cc", one, one)
    for time in ("before", "after"):
        getattr(twice, time).blocks.append(replace(other, name="c"))
    twice.powers["c"] = twice.powers["b"]
    assert [a.name for a in applications([twice])] == ["cc #1", "cc #2"]
    seeds = applications([run("nl", one, one, seed=seed) for seed in (3, 4)])
    assert [a.name for a in seeds] == ["nl, seed 3", "nl, seed 4"]
    assert rows(quality(applications([twice]))) == {"cc": ["0.900"]}


def test_runs_survive_the_file_with_all_that_is_shown(everyone, tmp_path):
    path = tmp_path / "study.json"
    runs = [a.run for a in everyone]
    write_study(Study(runs, {"cores": "2"}), path)
    kept = read_study(path)
    assert kept.machine == {"cores": "2"} and [r.key for r in kept.runs] == [r.key for r in runs]
    assert study.document(kept, 8, None) == study.document(Study(runs, {"cores": "2"}), 8, None)
    assert rounded({"a": [float("inf"), 0.123456789, 3, None]}) == {"a": [None, 0.12346, 3, None]}


def test_numbers_and_turns():
    numbers = [None, 0.0, -3e-6, 4e-4, -0.25, 1.0, 27.24, 138.2, 58956.4, 7e18]
    assert [shown(number) for number in numbers] == [
        "–", "0", "0", "4e−4", "−0.250", "1.00", "27.2", "138", "58,956", "7e18",
    ]  # fmt: skip
    assert [turns(curve) for curve in ([1, 0.5, 0.2], [1, 0.5, 0.6], [0, 1, 0, 1], [1, 1.01, 1])] == [
        0,
        1,
        2,
        0,
    ]


def test_powers_of_known_matrices():
    projection = LowRankShift(torch.full((1, 9, 1), 1 / 3))
    found = powers_of(projection)
    assert [found.mean("deviation", k) for k in (1, 2, 5)] == pytest.approx([0, 0, 0], abs=1e-6)
    assert found.mean("excess", 5) == pytest.approx(1)
    cycle = powers_of(DenseShift(torch.eye(3).roll(1, 0)[None]))
    assert [cycle.mean("deviation", k) for k in (2, 4)] == pytest.approx([2**0.5, 0], abs=1e-6)
    assert [cycle.mean("outside", k) for k in (2, 4)] == pytest.approx([1, 0], abs=1e-6)
    jordan = powers_of(DenseShift(torch.tensor([[[0.5, 1.0], [0.0, 0.5]]])))
    power = torch.linalg.matrix_power(torch.tensor([[0.5, 1.0], [0.0, 0.5]], dtype=torch.float64), 5)
    expected = float(torch.linalg.matrix_norm(power, 2) / 0.5**5)
    assert jordan.mean("excess", 5) == pytest.approx(expected, rel=1e-3)
    nilpotent = powers_of(DenseShift(torch.tensor([[[0.0, 1.0], [0.0, 0.0]]])))
    assert nilpotent.mean("deviation", 2) == 1 and nilpotent.mean("outside", 2) is None
    assert powers_of(DenseShift(torch.zeros(1, 2, 2))).mean("deviation", 2) is None


def test_calibrated_norms_see_the_features_that_training_sees():
    torch.manual_seed(0)
    task = block_task("scenes", "snl")
    network = calibrated(task, scenes_of(3, 8, 4))
    images = torch.stack([scenes_of(3, 8, 4).scenes["train"][index][0] for index in range(64)])
    with SpectralProbe(network) as probe:
        network(images)
    (path,) = probe.modules
    features = []
    network.get_submodule(path).register_forward_pre_hook(lambda module, given: features.append(given[0]))
    with torch.no_grad():
        network(images)
    assert features[0].std(dim=(0, 2, 3)).mean() == pytest.approx(1, abs=0.02)
    assert not network.training and all(
        (m.running_mean == 0).all() for m in task.modules() if hasattr(m, "running_mean")
    )


def test_networks_are_the_known_blocks_and_further_filters_by_one_name_each():
    assert set(BLOCKS) - {"no block"} < set(NETWORKS)
    assert {filter_name(f, o) for f in FILTERS for o in ORDERS} <= set(NETWORKS)
    further = len(FILTERS) * len(ORDERS) - len({"snl", "snl order 3"})
    assert len(NETWORKS) == len(BLOCKS) - len({"no block"}) + further


def test_trainings_are_kept_and_the_document_is_written_from_them_alone(tmp_path, monkeypatch, capsys):
    real = study.train_network
    monkeypatch.setattr(study, "train_network", lambda *a, **k: real(*a, **k | {"eval_scenes": 4}))
    page, kept = tmp_path / "docs" / "study.md", tmp_path / "spectral_study.json"
    arguments = ["--steps", "2", "--output", str(tmp_path), "--document", str(page)]
    assert study.main([*arguments, "--blocks", "snl", "gc"]) == 0
    values = json.loads(kept.read_text())
    assert [(r["block"], r["seed"], r["steps"]) for r in values["runs"]] == [("snl", 3, 2), ("gc", 3, 2)]
    assert [step for step, _ in values["runs"][0]["course"]] == [0, 1, 2]
    text = page.read_text()
    assert "| not trained | snl order 3, nl," in text and "| gc | no |" in text
    pictures = {path.name for path in (page.parent / "images").iterdir() if path.stat().st_size > 1000}
    assert pictures == {f"study_{name}.png" for name in ("spectra", "course", "stable", "responses")}

    monkeypatch.setattr(study, "train_network", lambda *a, **k: pytest.fail("trained"))
    page.unlink()
    study.main([*arguments, "--blocks", "gc", "snl"])
    assert page.read_text() == text
    page.write_text("By hand: snl (0.123).\n" + text.replace("| gc |", "| old |"))
    capsys.readouterr()
    study.main([*arguments, "--document-only"])
    assert page.read_text() == "By hand: snl (0.123).\n" + text
    assert "what no table says: snl: 0.123" in capsys.readouterr().out
    page.write_text("no place for a table")
    with pytest.raises(SystemExit) as stop:
        study.main([*arguments, "--document-only"])
    assert stop.value.code == 2 and page.read_text() == "no place for a table"


@pytest.mark.parametrize(
    ("arguments", "content", "message"),
    [
        (["--blocks", "lm"], None, "invalid choice: 'lm'"),
        (["--steps", "0"], None, "--steps 0 trains nothing; choose at least 1"),
        (["--seeds", "-1"], None, "--seeds -1 is out of range"),
        (["--document-only"], None, "has no run of 1000 steps; leave out --document-only"),
        (["--output", "{file}/x"], None, "choose another with --output"),
        (["--document", "{file}/x/study.md"], None, "choose another with --document"),
        ([], "[]", "holds no runs of this study"),
        ([], '{"runs": [{"block": 1}], "machine": {}}', "holds no runs of this study"),
    ],
)
def test_bad_input_is_named_before_any_training(arguments, content, message, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(study, "train_network", lambda *a, **k: pytest.fail("trained"))
    (tmp_path / "file").write_text("")
    if content:
        (tmp_path / "spectral_study.json").write_text(content)
    given = [argument.format(file=tmp_path / "file") for argument in arguments]
    output = ["--output", str(tmp_path), "--document", str(tmp_path / "study.md")]
    with pytest.raises(SystemExit) as stop:
        study.main([*output, *given])
    complaint = re.sub(r"\s+", " ", capsys.readouterr().err)
    assert stop.value.code == 2 and message in complaint


def test_a_run_that_is_there_twice_is_refused(everyone, tmp_path):
    write_study(Study([everyone[0].run] * 2, {}), tmp_path / "twice.json")
    with pytest.raises(ValueError, match="twice; remove one"):
        read_study(tmp_path / "twice.json")


def test_the_committed_page_has_the_tables_of_the_committed_numbers():
    page, kept = study.DOCUMENT.read_text(), read_study(RESULTS / study.NAME)
    assert study.document(kept, 1000, page) == page


def test_the_prose_of_the_committed_page_quotes_its_tables_alone():
    assert unfounded(study.DOCUMENT.read_text()) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("a2 (0.997)", "a2 (0.998)"),
        ("ns (0.541 → 0.013)", "ns (0.541 → 0.031)"),
        ("Between 0 and 0.391", "Between 0 and 0.931"),
        ("nl (99°, 120°)", "nl (99°, 90°)"),
        ("1,000 steps", "2,000 steps"),
        ("best of all (0.982)", "best of all (0.99)"),
    ],
)
def test_a_number_that_no_table_says_is_found(right, wrong):
    page = re.sub(r"(?m)(?<=\S)\n(?: +)(?=\S)", " ", study.DOCUMENT.read_text())
    assert page.count(right) == 1 and unfounded(page) == []
    assert len(unfounded(page.replace(right, wrong))) in (1, 2)
