"""The spectral study trains resumably, and its document says what its numbers say."""

import json
import re
from dataclasses import replace

import pytest
import torch

import experiments.spectral_study.__main__ as study
from experiments.comparison import BLOCKS, block_task
from experiments.spectral_study.filters import smoothing, stable
from experiments.spectral_study.quality import correlation, quality
from experiments.spectral_study.runs import Powers, Run, Study, applications, read_study, rounded, write_study
from experiments.spectral_study.sections import eigenvalues, rank, symmetry
from experiments.spectral_study.tables import after, shown, turns
from experiments.spectral_study.text import document, wrapped
from experiments.spectral_study.training import NETWORKS, calibrated, filter_name, powers_of, scenes_of
from gsp_nonlocal.shifts import DenseShift, LowRankShift
from gsp_nonlocal.spectral import SpectralProbe
from gsp_nonlocal.spectral.analysis.record import BlockRecord, GraphRecord, ResponseRecord, Snapshot

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


def said(lines):
    return re.sub(r"\s+", " ", " ".join(lines))


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


def test_real_and_complex_spectra_and_those_beyond_one_are_told_apart(everyone):
    page = said(eigenvalues(everyone))
    assert "Before training, real: snl, nl, cgnl; complex, with the greatest \\|Im μ\\|: none." in page
    assert "After training, real: snl, cgnl; complex, with the greatest \\|Im μ\\|: nl (0.700)." in page
    assert page.count("\\|μ\\| above 1: none") == 1 and "\\|μ\\| above 1: cgnl (50.0)" in page
    assert "SNL's affinity stays in [−1, 1]: from −0.500 (snl) to 1.00" in page
    assert "at angles of ±: nl (120°)." in page
    outside = applications([run("snl", record(symmetric=True), record(symmetric=True, smallest=-1.2))])
    assert "SNL's affinity leaves [−1, 1]: from −1.20" in said(eigenvalues(outside))


def test_rounding_is_no_imaginary_part():
    large = record(spectral_radius=5000.0, imaginary=1e-4)
    assert "complex, with the greatest \\|Im μ\\|: none" in said(
        eigenvalues(applications([run("a", large, large)]))
    )


def test_symmetry_and_rank_follow_from_the_numbers(everyone):
    page = said(symmetry(everyone))
    assert (
        "Normal after training, to 0.01: snl, cgnl. - Not normal, with their departure: nl (0.900)." in page
    )
    assert "towards normality, by 0.05 or more: none; away from it: nl (0.600)" in page
    page = said(rank(everyone))
    assert "Of rank one after training, to 0.01: cgnl (0)" in page
    assert "towards rank one, by 0.05 or more: cgnl (−0.500); away from it: nl (0.400)" in page
    assert "(agreement of 0.99 or more): cgnl (1.00); attention depends on the query (below 0.9): " in page
    assert "snl (0.800), nl (0.300); between: none" in page
    assert "The effective rank fell, to: cgnl (1.00); it rose, to: none" in page


def test_filters_are_judged_by_what_they_do_to_the_signal(everyone):
    page = said(smoothing(everyone))
    assert "- Low-pass: snl, cgnl. - Band-stop: nl." in page
    assert "Below 0.5: snl (0.400); above 1: nl (1.50)" in page  # cgnl's is 1 − 0.6 / 50 of 1
    assert (
        "Spread of the block's output, in times of that of its input. Below 0.5: snl (0.400), nl (0.400)"
        in page
    )
    page = said(stable(everyone))
    assert (
        "After training Sᵏ ≈ S holds to 0.1 for: snl (0.050). It does not for: nl (1.20), cgnl (1e6)." in page
    )
    assert "exceeds ρ⁵ by more than 10%, by the factors: nl (7.50)" in page


def test_the_section_on_quality_says_how_few_there_are(everyone):
    page = said(quality(everyone))
    assert "Test IoU of 0.5 or more: snl (0.900), nl (0.900); below: cgnl (0.240)" in page
    assert "Over all 3 networks: too few for a rank correlation" in page
    ranked = [record(effective_rank=float(r)) for r in range(1, 7)]
    several = applications([run(f"b{n}", one, one, test=0.9 + 0.01 * n) for n, one in enumerate(ranked)])
    assert correlation(several, after("effective_rank")) == pytest.approx((1.0, 0.0))
    assert correlation(several, after("row_agreement")) == (None, None)
    assert "beyond chance: effective rank (1.00)" in said(quality(several))


def test_seeds_and_applications_have_names_of_their_own():
    one, other = record(), record()
    twice = run("cc", one, one)
    for time in ("before", "after"):
        getattr(twice, time).blocks.append(replace(other, name="c"))
    twice.powers["c"] = twice.powers["b"]
    assert [a.name for a in applications([twice])] == ["cc #1", "cc #2"]
    seeds = applications([run("nl", one, one, seed=seed) for seed in (3, 4)])
    assert [a.name for a in seeds] == ["nl, seed 3", "nl, seed 4"]
    assert "| cc | 0.900 |" in said(quality(applications([twice])))


def test_runs_survive_the_file_with_all_that_is_shown(everyone, tmp_path):
    path = tmp_path / "study.json"
    runs = [a.run for a in everyone]
    write_study(Study(runs, {"cores": "2"}), path)
    kept = read_study(path)
    assert kept.machine == {"cores": "2"} and [r.key for r in kept.runs] == [r.key for r in runs]
    assert document(kept, 8, "images") == document(Study(runs, {"cores": "2"}), 8, "images")
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
    assert max(map(len, wrapped("- " + "word " * 100).splitlines())) <= 110


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
    assert {filter_name(f, o) for f in ("chebyshev", "cayley", "arma") for o in (1, 3, 5)} <= set(NETWORKS)
    assert len(NETWORKS) == len(BLOCKS) - 1 + 7


def test_trainings_are_kept_and_the_document_is_written_from_them_alone(tmp_path, monkeypatch):
    real = study.train_network
    monkeypatch.setattr(study, "train_network", lambda *a, **k: real(*a, **k | {"eval_scenes": 4}))
    page, kept = tmp_path / "docs" / "study.md", tmp_path / "spectral_study.json"
    arguments = ["--steps", "2", "--output", str(tmp_path), "--document", str(page)]
    assert study.main([*arguments, "--blocks", "snl", "gc"]) == 0
    values = json.loads(kept.read_text())
    assert [(r["block"], r["seed"], r["steps"]) for r in values["runs"]] == [("snl", 3, 2), ("gc", 3, 2)]
    assert [step for step, _ in values["runs"][0]["course"]] == [0, 1, 2]
    text = page.read_text()
    assert "Not trained: snl order 3, nl," in text and "| gc | no |" in text
    pictures = re.findall(r"\]\((images/\S+\.png)\)", text)
    assert len(pictures) == 4 and all((page.parent / name).stat().st_size > 1000 for name in pictures)

    monkeypatch.setattr(study, "train_network", lambda *a, **k: pytest.fail("trained"))
    page.unlink()
    study.main([*arguments, "--blocks", "gc", "snl"])
    assert page.read_text() == text
    page.unlink()
    study.main([*arguments, "--document-only"])
    assert page.read_text() == text


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
