"""An analysis: its numbers are those of the functions, it leaves the model alone, errors are named."""

import csv
import json
import sys
from dataclasses import replace
from math import isnan

import pytest
import torch
from torch import Tensor, nn

from gsp_nonlocal import NL, SNL
from gsp_nonlocal.analysis import Limits, Snapshot, snapshot
from gsp_nonlocal.analysis.facts import facts
from gsp_nonlocal.analysis.findings import findings, number, summary
from gsp_nonlocal.analysis.names import natural, padded, runs
from gsp_nonlocal.analysis.quantities import QUANTITIES, Graph, quantities
from gsp_nonlocal.analysis.record import BlockRecord, courses
from gsp_nonlocal.blocks import CC, CGNL, registry
from gsp_nonlocal.probe import SpectralProbe
from gsp_nonlocal.probe.trace import Trace
from gsp_nonlocal.report import folder
from gsp_nonlocal.report.report import analyze, write_analyses
from gsp_nonlocal.shifts import AttentionShift, DiagonalShift
from gsp_nonlocal.spectral import Layout, block_response, measures, spectrum

NAMES = [quantity.name for quantity in QUANTITIES]


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def two_blocks() -> nn.Sequential:
    torch.manual_seed(0)
    first, second = SNL(6, order=2, form="low_rank"), NL(6, stages=2)
    return nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), first, nn.MaxPool2d(2), second)


IMAGES = draw(3, 3, 10, 8)


@pytest.fixture(scope="module")
def found() -> Snapshot:
    return snapshot(two_blocks(), IMAGES, label="now")


def test_every_application_has_a_record(found):
    names = [(block.name, block.nodes, block.spatial, len(block.graphs)) for block in found.blocks]
    assert names == [
        ("1", 80, [10, 8], 3),
        ("3, application 1", 20, [5, 4], 3),
        ("3, application 2", 20, [5, 4], 3),
    ]
    assert (found.label, found.model, found.shape) == ("now", "Sequential", [3, 3, 10, 8])


def test_the_numbers_are_those_of_the_functions(found):
    model = two_blocks().eval()
    with SpectralProbe(model) as probe, torch.no_grad():
        model(IMAGES)
    for block, trace in zip(found.blocks, [*probe.traces["1"], *probe.traces["3"]], strict=True):
        exact = spectrum(trace.shift)
        wanted = {
            "spectral_radius": exact.eigenvalues.abs().amax(-1),
            "effective_rank": measures.effective_rank(exact),
            "asymmetry": measures.asymmetry(trace.shift),
            "distance_to_rank_one": measures.distance_to_rank_one(trace.shift),
            "row_agreement": measures.row_agreement(trace.shift),
            "dirichlet_before": measures.dirichlet_energy(trace.signal, trace.shift),
            "dirichlet_after": measures.dirichlet_energy(trace.filtered, trace.shift),
        }
        for name, values in wanted.items():
            assert block.values(name) == pytest.approx(values.tolist(), abs=1e-5), name
        for graph, values in zip(block.graphs, exact.paired, strict=True):
            assert [complex(*pair) for pair in graph.eigenvalues] == pytest.approx(values.tolist(), abs=1e-6)
            assert len(graph.eigenvalues) + graph.zeros == block.nodes


def test_histograms_are_distributions_and_their_mean_is_the_energy(found):
    for block in found.blocks:
        centres = [(low + high) / 2 for low, high in zip(block.edges, block.edges[1:], strict=False)]
        width = block.edges[1] - block.edges[0]
        for graph in block.graphs:
            for shares in (graph.density, graph.before, graph.after):
                assert sum(shares) == pytest.approx(1, abs=1e-6)
            mean = sum(c * share for c, share in zip(centres, graph.before, strict=True))
            assert mean == pytest.approx(graph.measures["dirichlet_before"], abs=width)


def test_the_response_is_the_blocks(found):
    response = block_response(two_blocks()[1], torch.tensor(found.blocks[0].responses[0].frequencies))
    assert found.blocks[0].responses[0].mean == pytest.approx(response.mean_gain.tolist())
    assert found.blocks[0].responses[0].greatest == pytest.approx(response.singular_values[:, 0].tolist())


def test_it_goes_through_json_unchanged(found):
    assert Snapshot.from_dict(json.loads(json.dumps(found.to_dict(), allow_nan=False))) == found


@pytest.mark.parametrize("name", registry.names())
def test_every_known_block_is_analysed(name):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 1), registry.get(name)(8))
    block = snapshot(model, draw(2, 3, 9, 7)).blocks[0]
    assert list(block.graphs[0].measures) == NAMES
    assert not any(
        isnan(value) for graph in block.graphs for value in graph.measures.values() if value is not None
    )
    assert block.responses
    assert findings(block)
    assert summary(block)


def test_the_model_is_left_as_it_was():
    model, state = two_blocks(), torch.get_rng_state()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    model[3].eval()
    analyze(model, IMAGES)
    assert model.training
    assert model[1].training
    assert not model[3].training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(torch.get_rng_state(), state)


def test_limits_bound_the_work(monkeypatch):
    monkeypatch.setattr(AttentionShift, "to_dense", lambda self: pytest.fail("the matrix was formed"))
    block = snapshot(
        NL(4), draw(6, 4, 10, 10), limits=Limits(large=2, nodes=50, matrix=50, k=3, steps=8)
    ).blocks[0]
    assert [graph.image for graph in block.graphs] == [0, 5]
    for graph in block.graphs:
        assert len(graph.eigenvalues) == 3
        assert not graph.is_complete
        assert sum(graph.density) == pytest.approx(1)
        unknown = {name for name, value in graph.measures.items() if value is None}
        assert unknown >= {"effective_rank", "asymmetry", "distance_to_rank_one", "departure_from_normality"}
        assert graph.measures["spectral_radius"] == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("mu", "known"),
    [
        ([1, 0.9, 0.8, 0.3, -0.7], {"smallest": None, "imaginary": 0.0, "spectral_gap": 0.1}),
        ([1, -0.9, 0.8, 0.3, -0.7], {"smallest": -0.9, "spectral_gap": 0.2}),
        ([0.5, -0.9, -0.8, 0.3, 0.45], {"smallest": -0.9, "spectral_gap": None}),
    ],
)
@pytest.mark.parametrize("certified", [True, False])
def test_of_the_greatest_eigenvalues_only_what_they_tell_is_told(mu, known, certified):
    shift = DiagonalShift(torch.tensor([mu], dtype=torch.float64))
    found = replace(spectrum(shift, 3), is_certified=certified)
    graph = Graph(shift, found, Layout((5,)), torch.ones(1, 5, 1), torch.ones(1, 5, 1))
    values = quantities(graph, Limits())
    for name, value in known.items():
        wanted = value if certified or name == "imaginary" else None
        assert values[name] == (wanted if wanted is None else pytest.approx(wanted))


def test_eigenvalues_that_are_not_sure_are_shown_so(monkeypatch):
    unsure = lambda *args, **settings: replace(spectrum(*args, **settings), is_certified=False)  # noqa: E731
    monkeypatch.setattr(sys.modules["gsp_nonlocal.analysis.snapshot"], "spectrum", unsure)
    block = snapshot(NL(4), draw(1, 4, 10, 10), limits=Limits(nodes=50, matrix=50, k=3, steps=8)).blocks[0]
    assert not block.graphs[0].is_certified
    assert dict(block.facts)["eigenvalues"] == "the 3 of greatest |μ|; not sure: repeated ones may be missing"


@pytest.mark.parametrize(
    ("nodes", "width", "said"),
    [(400, 4, "25.6 kB, the N × N matrix 1.28 MB"), (16, 64, "16.4 kB")],
)
def test_the_memory_of_a_graph_is_a_gain_or_stands_alone(nodes, width, said):
    query = draw(2, nodes, width).double()
    shift = AttentionShift(query, query.flip(1))
    trace = Trace(shift, query, lambda z, s: s @ z, Layout((nodes,)), 1)
    assert dict(facts(trace, 1, [spectrum(shift)]))["memory of a graph"] == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.0000123456, "1.23e−5"), (-0.5, "−0.5"), (1e-13, "0"), (2.5e8, "2.5e8"), (1e12, "1e12"), (None, "–")],
)
def test_numbers_are_short(value, said):
    assert number(value) == said


def test_names_are_in_the_order_of_their_numbers():
    order = [f"blocks.{place}.attn" for place in range(12)]
    assert sorted(order[5:] + order[:5], key=natural) == order
    assert sorted(padded(order)) == padded(order)
    assert padded(["layer3", "layer10.2", "x2", "y10"]) == ["layer3", "layer10.2", "x2", "y10"]
    assert runs(order[2:], order) == [(order[2], order[11])]
    assert runs([order[5], order[4]], order) == [(order[4], order[4]), (order[5], order[5])]


def test_what_is_left_out_is_named():
    pooled = nn.Sequential(NL(4, sub_sample="max"), SNL(4))
    found = snapshot(pooled, draw(1, 4, 8, 8))
    assert [block.name for block in found.blocks] == ["1"]
    assert "max pooling of values is not linear" in found.skipped["0"]


def record(**measured: float) -> BlockRecord:
    torch.manual_seed(0)
    block = snapshot(SNL(4, gate=False, form="low_rank"), draw(1, 4, 6, 6)).blocks[0]
    healthy = {"distance_to_rank_one": 0.5, "row_agreement": 0.5, "row_entropy": 0.5, "row_distance": 2.0}
    graph = replace(block.graphs[0], measures=block.graphs[0].measures | healthy | measured)
    return replace(block, graphs=[graph])


@pytest.mark.parametrize(
    ("measured", "said"),
    [
        ({}, "spectral theory holds"),
        ({"spectral_radius": 1.5}, "beyond the proven bound 1"),
        ({"spectral_radius": 0.0, "asymmetry": 0.0}, "no edge"),
        ({"distance_to_rank_one": 0.01}, "rank one"),
        ({"row_agreement": 0.999}, "does not depend on the position"),
        ({"row_entropy": 0.999}, "plain average"),
        ({"row_distance": 0.0}, "collects from itself alone"),
    ],
)
def test_a_bad_sign_is_said_and_no_other(measured, said):
    sentences = [
        finding.text for finding in findings(record(**measured)) if finding.kind == "bad" or not measured
    ]
    assert len(sentences) == 1
    assert said in sentences[0]


def test_leaving_the_symmetric_theory_is_said():
    torch.manual_seed(0)
    texts = [f.text for f in findings(snapshot(NL(4), draw(1, 4, 6, 6)).blocks[0])]
    assert any("Not symmetric" in text for text in texts)
    assert any("gate γ is 0" in text for text in texts)
    grows = snapshot(CGNL(4), draw(1, 4, 6, 6)).blocks[0]
    assert any("grows without bound" in finding.text for finding in findings(grows))


def test_a_course_is_of_the_blocks_in_all_snapshots(found):
    later = replace(found, label="", blocks=found.blocks[:2])
    assert courses([found]) == []
    assert [(name, labels) for name, _, labels in courses([found, later])] == [
        ("1", ["now", "2"]),
        ("3, application 1", ["now", "2"]),
    ]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Two times of one model, in one folder."""
    torch.manual_seed(0)
    model = two_blocks()
    first = analyze(model, IMAGES, label="epoch 1", budget=200_000)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.3)
    later = analyze(model, IMAGES, label="epoch 2", budget=200_000)
    path = tmp_path_factory.mktemp("written") / "new" / "analysis"
    return write_analyses([first, later], path, title="A & B <c>").parent


def test_the_folder_has_everything(written):
    assert sorted(path.name for path in written.iterdir()) == [
        "analysis.json", "eigenvalues.csv", "figures", "index.html", "measures.csv",
    ]  # fmt: skip
    assert [path.name for path in written.parent.iterdir()] == ["analysis"]
    names = {path.name for path in (written / "figures").iterdir()}
    wanted = [f"epoch_2_1_{kind}" for kind in ("spectrum", "decay", "response", "energy")]
    for stem in (*wanted, "1_over_time", "3_application_2_measures_over_time"):
        assert {f"{stem}.png", f"{stem}.svg"} <= names


def test_the_tables_hold_the_records(written):
    snapshots = [
        Snapshot.from_dict(one) for one in json.loads((written / "analysis.json").read_text())["snapshots"]
    ]
    assert [one.label for one in snapshots] == ["epoch 1", "epoch 2"]
    graphs = [graph for one in snapshots for block in one.blocks for graph in block.graphs]
    with (written / "measures.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(graphs) == 18
    for row, graph in zip(rows, graphs, strict=True):
        assert {name: float(row[name]) if row[name] else None for name in NAMES} == pytest.approx(
            graph.measures
        )
    with (written / "eigenvalues.csv").open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == sum(len(graph.eigenvalues) for graph in graphs)


ONE = IMAGES[:1]
BAD = {
    "nan": (
        lambda: analyze(two_blocks(), torch.full_like(ONE, torch.nan)),
        ValueError,
        "240 of the 240.*nan_to_num",
    ),
    "meta": (lambda: analyze(two_blocks(), ONE.to("meta")), ValueError, "meta device"),
    "meta model": (lambda: analyze(two_blocks().to("meta"), ONE), ValueError, "meta device"),
    "integer": (lambda: analyze(two_blocks(), (255 * ONE).byte()), TypeError, "uint8.*float"),
    "none": (lambda: analyze(two_blocks(), ONE[:0]), ValueError, r"\(0, 3, 10, 8\)"),
    "no map": (lambda: analyze(two_blocks(), ONE[0, 0]), ValueError, r"\(10, 8\)"),
    "no blocks": (lambda: analyze(nn.Conv2d(3, 3, 1), ONE), ValueError, "Conv2d.*register_reader"),
    "unknown path": (
        lambda: analyze(two_blocks(), ONE, paths=["2"]),
        ValueError,
        "nothing to read at '2'.*1, 3",
    ),
    "budget": (lambda: analyze(two_blocks(), ONE, max_nodes=90), ValueError, "max_nodes=90.*paths"),
    "limits": (lambda: Limits(k=0), ValueError, "k must be at least 1, got 0"),
}


@pytest.mark.parametrize(("call", "error", "said"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_named(call, error, said):
    with pytest.raises(error, match=said):
        call()


def test_features_that_are_not_finite_name_their_block():
    model = two_blocks()
    with torch.no_grad():
        model[0].bias[2] = torch.nan
    with pytest.raises(ValueError, match=r"module 0: 1 of the \d+ values of its 'bias' are NaN"):
        analyze(model, ONE)


def spoiled(path: str, value: float) -> nn.Sequential:
    model = two_blocks()
    with torch.no_grad():
        model.get_parameter(path).view(-1)[0] = value
    return model


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("path", ["1.stages.0.gate", "1.stages.0.filter.weight", "3.stages.1.value.weight"])
def test_the_module_whose_weights_are_not_finite_is_named(path, value):
    model, (module, _, name) = spoiled(path, value), path.rpartition(".")
    with pytest.raises(ValueError, match=rf"module {module}: 1 of the \d+ values of its '{name}' are NaN"):
        analyze(model, IMAGES)


def test_finite_weights_whose_response_overflows_are_named():
    with pytest.raises(ValueError, match=r"module 1.*: it returned NaN; its weights or its features"):
        analyze(spoiled("1.stages.0.filter.weight", 3e38), IMAGES * 1e20)


def test_masks_may_hold_infinities():
    model = two_blocks()
    model[1].register_buffer("mask", torch.tensor([0.0, -torch.inf]))
    assert snapshot(model, IMAGES).blocks


def test_blocks_that_never_run_are_reported():
    model = nn.Identity()
    model.add_module("idle", SNL(3))
    with pytest.raises(ValueError, match=r"Identity left no graph.*since none of its blocks ran"):
        analyze(model, ONE)


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(0)
    return analyze(CC(3, recurrence=1), ONE)


@pytest.mark.usefixtures("undrawn")
def test_an_existing_folder_is_replaced_only_on_request_and_only_if_it_is_ours(small, tmp_path):
    target = tmp_path / "analysis"
    page = small.write(target)
    before = page.read_bytes()
    with pytest.raises(FileExistsError, match=r"--overwrite"):
        small.write(target, title="second")
    assert page.read_bytes() == before
    small.write(target, title="second", overwrite=True)
    assert b"second" in page.read_bytes()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("kept", encoding="utf-8")
    with pytest.raises(FileExistsError, match="no folder of an analysis"):
        small.write(tmp_path / "mine", overwrite=True)
    assert (tmp_path / "mine" / "thesis.tex").read_text(encoding="utf-8") == "kept"
    (tmp_path / "empty").mkdir()
    small.write(tmp_path / "empty")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["analysis", "empty", "mine"]


@pytest.mark.usefixtures("undrawn")
def test_a_failure_leaves_the_old_folder_whole(small, tmp_path, monkeypatch):
    page = small.write(tmp_path / "analysis")
    before = page.read_bytes()
    failing = "gsp_nonlocal.report.report.write_measures"
    monkeypatch.setattr(failing, lambda *args: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        small.write(tmp_path / "analysis", overwrite=True)
    with pytest.raises(OSError, match="disk full"):
        small.write(tmp_path / "other")
    assert page.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["analysis"]


def test_a_place_that_cannot_be_written_is_refused(small, tmp_path):
    (tmp_path / "file").write_text("kept", encoding="utf-8")
    for target in (tmp_path / "file" / "analysis", tmp_path / "file"):
        with pytest.raises(OSError, match="file"):
            small.write(target, overwrite=True)
    assert (tmp_path / "file").read_text(encoding="utf-8") == "kept"
    assert folder.MARK == "analysis.json"


def test_what_cannot_be_one_page_is_not_written(small, tmp_path):
    with pytest.raises(ValueError, match="no analysis"):
        write_analyses([], tmp_path / "analysis")
    with pytest.raises(ValueError, match=r"labels, which differ; got \['', ''\]"):
        write_analyses([small, small], tmp_path / "analysis")
    assert not list(tmp_path.iterdir())
