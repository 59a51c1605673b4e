"""The paper's grid: cells trained by the command line, whole or not at all, none lost and none twice."""

import pickle
import re
import signal
import subprocess
import sys
from functools import partial
from operator import attrgetter
from pathlib import Path
from types import SimpleNamespace

import pytest
import submitit
import torch

import experiments.costs as costs_module
import experiments.paper.__main__ as paper
from experiments import cli
from experiments.paper import executors, loop, spectra, training
from experiments.paper.ablations import ABLATIONS, NAMES
from experiments.paper.cells import PaperCell, PaperKey, keep_cell, read_paper_cells
from experiments.paper.executors import executors_of, run_side_by_side
from experiments.paper.measuring import costs_of
from experiments.paper.networks import parse_network, parse_networks
from experiments.paper.page import write_page
from experiments.paper.plan import Plan, batch_shape, datasets, resolve
from experiments.paper.spectra import read_spectra
from experiments.paper.training import BEFORE, DONE, ELSEWHERE, CellError, Job, run_cell
from experiments.run_folder import checkpoint_path
from experiments.tasks import Classification
from tests.experiments.made import write_cifar10

QUICK = ["--data.batch_size=32", "--data.num_workers=0", "--trainer.enable_progress_bar=false"]
BLOCKS = ["none", "snl:order=2"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return str(write_cifar10(tmp_path_factory.mktemp("cifar10")))


@pytest.fixture(autouse=True)
def _no_patience(monkeypatch):
    monkeypatch.setattr(training, "_PATIENCE", 0.0)


class Commands:
    """Runs the command line in this process, and counts what it was asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, arguments, lock):
        self.asked.append(arguments)
        try:
            cli.main([*arguments, "--trainer.enable_model_summary=false"])
        except SystemExit as end:
            return int(end.code or 0)
        return 0


@pytest.fixture
def commands(monkeypatch):
    asked = Commands()
    monkeypatch.setattr(training, "run_command_line", asked)
    return asked


def grid(data, output, *arguments):
    words = ["--dataset", "cifar10", "--data", data, "--backbone", "preresnet20", "--epochs", "1"]
    return paper.main([*words, "--no-costs", "--output", str(output), *arguments, "--", *QUICK])


def plan(data, output, words=BLOCKS, **changes):
    given = {"epochs": 1, "extra": tuple(QUICK)} | changes
    return Plan("cifar10", data, "preresnet20", parse_networks(words), [0], output, **given)


def verbs(commands):
    return [asked[0] for asked in commands.asked]


def test_every_cell_is_trained_and_tested_once_and_a_second_run_does_nothing(
    data, tmp_path, commands, monkeypatch
):
    assert grid(data, tmp_path, "--blocks", *BLOCKS) == 0
    cells = read_paper_cells(tmp_path / "cifar10.csv")
    assert [cell.network for cell in cells] == BLOCKS and verbs(commands) == ["fit", "test"] * 2
    assert all(0 <= value <= 1 for cell in cells for value in (cell.val, cell.test, cell.top5))
    assert all(cell.test <= cell.top5 and cell.seconds > 0 and not cell.val_from_test for cell in cells)
    page = (tmp_path / "cifar10.md").read_text()
    assert all(f"| {cell.network} | {100 * cell.test:.2f} ± 0.00 |" in page for cell in cells)
    assert "1 epoch of all training images" in page and "data apart from the test data" in page
    assert (tmp_path / "cifar10.png").stat().st_size > 1000
    assert {cell.options for cell in cells} == {"--data.batch_size=32"}
    rows = read_spectra(tmp_path / "cifar10_spectra.csv")
    assert [(row.cell, row.block) for row in rows] == [(cells[1].key, "network.layer3.1.nonlocal_block")]
    assert rows[0].spectral_radius == pytest.approx(1, abs=1e-5) and abs(rows[0].asymmetry) < 1e-5
    assert rows[0].smallest < 1 and "| snl:order=2 | 1 (1 to 1) |" in page
    monkeypatch.setattr(spectra, "snapshot", None)  # what is in the table is not measured again
    assert grid(data, tmp_path, "--blocks", *BLOCKS) == 0
    assert len(commands.asked) == 4 and read_paper_cells(tmp_path / "cifar10.csv") == cells


def test_a_cell_goes_on_from_its_last_checkpoint_and_is_kept_after_its_test_alone(data, tmp_path, commands):
    job = plan(data, tmp_path, ["none"]).jobs()[0]
    killed = partial(_ending, commands, {"test": 137})
    with pytest.raises(CellError, match="test ended with exit code 137"):
        run_cell(job, killed)
    assert not job.table.exists() and checkpoint_path(job.folder, "last").exists()
    assert run_cell(job, commands) == DONE
    assert commands.asked[-2][-2:] == ["--ckpt_path", "last"] and verbs(commands)[-2:] == ["fit", "test"]
    assert [cell.key for cell in read_paper_cells(job.table)] == [job.key]
    assert run_cell(job, commands) == BEFORE


def _ending(command, codes, arguments, lock):
    return codes[arguments[0]] if arguments[0] in codes else command(arguments, lock)


def test_two_runs_side_by_side_share_the_work(tmp_path):
    job = Job(PaperKey("cifar10 x", "nl", 0, 1, 0, ""), (), tmp_path / "cell", tmp_path / "t.csv", False)
    seen = []

    def other(arguments, lock):
        seen.append(run_cell(job, lambda *given: pytest.fail("trained twice")))
        return 1

    with pytest.raises(CellError, match="fit ended with exit code 1"):
        run_cell(job, other)
    assert seen == [ELSEWHERE]


def test_a_training_whose_run_was_killed_keeps_its_cell_until_it_ends(tmp_path):
    """Its process holds the lock as well."""
    job = Job(PaperKey("cifar10 x", "nl", 0, 1, 0, ""), (), tmp_path / "cell", tmp_path / "t.csv", False)
    orphans = []

    def leave_alone(arguments, lock):
        waits = [sys.executable, "-c", "import time; time.sleep(60)"]
        orphans.append(subprocess.Popen(waits, pass_fds=[lock]))
        return 137

    with pytest.raises(CellError):
        run_cell(job, leave_alone)
    assert run_cell(job, leave_alone) == ELSEWHERE and len(orphans) == 1
    orphans[0].kill()
    orphans[0].wait()
    with pytest.raises(CellError):
        run_cell(job, lambda *given: 1)


SLOW_TO_STOP = """
import pathlib, signal, sys, time
def stop(*given):
    time.sleep(0.2)
    pathlib.Path(sys.argv[1]).write_text("kept")
    sys.exit(143)
signal.signal(signal.SIGTERM, stop)
pathlib.Path(sys.argv[1]).write_text("began")
time.sleep(60)
"""


def test_a_run_that_is_told_to_stop_waits_until_its_training_has_kept_a_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "_PROGRAM", [sys.executable, "-c", SLOW_TO_STOP])
    kept = tmp_path / "kept"

    def told(number, frame):
        if not kept.exists():
            signal.setitimer(signal.ITIMER_REAL, 0.05)
        else:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, told)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    with (tmp_path / "lock").open("w") as lock, pytest.raises(KeyboardInterrupt):
        training.run_command_line([str(kept)], lock.fileno())
    signal.signal(signal.SIGALRM, before)
    assert kept.read_text() == "kept"


def test_a_training_that_diverged_leaves_the_others_and_one_that_is_refused_ends_the_grid(tmp_path, data):
    jobs, done = plan(data, tmp_path).jobs(), []

    def run(codes, job):
        done.append(job.key.network)
        if codes[len(done) - 1]:
            raise CellError(job, "fit", codes[len(done) - 1])
        return DONE

    for code in (1, -signal.SIGKILL):  # diverged; killed for memory
        failed = executors.run_here(jobs, partial(run, [code, 0]))
        assert done == BLOCKS and len(failed) == 1 and "none" in failed[0]
        done.clear()
    with pytest.raises(CellError):
        executors.run_here(jobs, partial(run, [2, 0]))
    assert done == BLOCKS[:1]


def test_the_loop_is_measured_beside_the_bare_network(data, tmp_path, capsys):
    few = ["--steps", "1", "--rounds", "2", "--", "--data.batch_size=4", "--data.num_workers=0"]
    assert loop.main(["--dataset", "cifar10", "--data", str(data), "--block", "nl", *few]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if re.match(r"\W*(\d|median)\W", line)]
    assert len(rows) == 3 and all(float(re.findall(r"\d+\.\d+", row)[-1]) > 0 for row in rows)
    with pytest.raises(SystemExit):
        loop.main(["--dataset", "cifar10", "--data", str(data), "--steps", "0"])
    assert "--steps=0 is out of range" in capsys.readouterr().err


def test_epochs_shrink_warm_up_drops_and_validations_in_proportion(data, tmp_path):
    given = plan(data, tmp_path, epochs=31).arguments(parse_network("snl"), 3)
    assert {"--model.warmup_epochs=1", "--model.drop_epochs=[15, 25]", "--data.seed=3"} <= set(given)
    assert {"--trainer.max_epochs=31", "--trainer.check_val_every_n_epoch=1"} <= set(given)
    assert not [
        word
        for word in plan(data, tmp_path, epochs=None).arguments(parse_network("nl"), 0)
        if "drop_" in word
    ]


@pytest.mark.parametrize("dataset", ["cifar10", "imagenet"])
def test_every_network_of_every_ablation_can_be_built(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(Classification, "forward", lambda self, images: images)  # of a hundred networks
    backbone, family = {"cifar10": ("preresnet20", "preresnet"), "imagenet": ("resnet50", "resnet")}[dataset]
    words = [word for name in NAMES for word in ABLATIONS[family][name]]
    chosen = Plan(dataset, "data", backbone, parse_networks([*words, *paper.ALL]), [0], tmp_path)
    with torch.device("meta"):  # nothing is initialised
        chosen.check()
    labels = {network.label for network in chosen.networks}
    assert labels == {*words, *paper.ALL} and set(ABLATIONS["preresnet"]) == set(NAMES)


def test_costs_are_those_of_the_networks_of_the_command_line(data, tmp_path, monkeypatch):
    chosen = plan(data, tmp_path, ["snl:order=2"])
    peaks = []
    monkeypatch.setattr(costs_module, "step_peak", lambda recipe: peaks.append(recipe) or 2.0**21)
    costs = costs_of(chosen, rounds=1)
    step = pickle.loads(pickle.dumps(peaks[0].step))  # as a fresh process is given it
    step()
    cost = costs["cifar10 preresnet20 snl:order=2"]
    task = Classification(in_channels=3, gate=False, block="snl", order=2)
    assert cost.parameters == sum(weight.numel() for weight in task.parameters())
    assert cost.flops > 32 * 4e7 and cost.milliseconds > 0 and cost.peak == 2**21
    assert batch_shape(chosen.resolved) == (32, 3, 32, 32)
    cells = [PaperCell(*job.key, 0.5, 0.25, 0.75, 1.0, True) for job in chosen.jobs()]
    page = write_page("cifar10", cells, 100, costs, [], tmp_path).read_text()
    assert f"| 25.00 ± 0.00 | 25.00 | 75.00 | {cost.parameters:,} |" in page and "**test data**" in page


def test_published_figures_stand_beside_measured_ones(tmp_path):
    keys = [PaperKey("cub resnet50", network, 0, 110, 0, "") for network in ("nl", "snl")]
    cells = [PaperCell(*key, 0.5, 0.25, 0.75, 1.0, False) for key in keys]
    page = write_page("cub", cells, 200, {}, [], tmp_path).read_text()
    assert "| nl | 25.00 ± 0.00 | 25.00 | 75.00 | 86.69 |" in page and "Published: Yue" in page
    assert "| snl | 25.00 ± 0.00 | 25.00 | 75.00 | – |" in page


def test_cells_survive_their_file_and_no_writer_loses_anothers(tmp_path):
    keys = [
        PaperKey("cifar10 preresnet20", "snl:at=[a,b]", seed, 5, 100, "--a=1 '--b=x y'") for seed in (1, 2)
    ]
    cells = [PaperCell(*key, 1 / 3, 0.1 + 0.2, 1e-9, 2.5, key.seed == 1) for key in keys]
    for cell in [*cells, cells[0]]:
        keep_cell(cell, tmp_path / "t.csv")
    assert read_paper_cells(tmp_path / "t.csv") == cells


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--blocks", "sln"], "unknown block 'sln'; did you mean snl"),
        (["--blocks", "snl:ordr=3"], "unknown flag 'ordr'; did you mean order"),
        (["--blocks", "snl:order"], "'order' is no flag=value"),
        (["--blocks", "snl:"], "'' is no flag=value"),
        (["--blocks", "snl:order={"], "--blocks snl:order={"),
        (["--blocks", "snl:gate=maybe"], "--blocks snl:gate=maybe"),
        (["--blocks", "snl:order=1,order=2"], "a flag is given twice"),
        (["--blocks", "gc:order=2"], "--blocks gc:order=2 in preresnet20: block 'gc' takes no order"),
        (["--blocks", "snl:filter=caylay"], "caylay"),
        (["--blocks", "snl:layers=[7]"], "no layer7"),
        (["--blocks", "snl", "--ablation", "order"], "give one of them"),
        (["--seeds", "-1"], "--seeds -1 is out of range"),
        (["--epochs", "0"], "--epochs=0 is out of range"),
        (["--subset", "0"], "--subset=0 is out of range"),
        (["--executor", "local", "--job", "fast"], "--job fast is no KEY=VALUE"),
        (["--", "--data.seed=3"], "--data.seed=3 is what the grid gives each cell"),
        (["--", "--model.init_args.block=nl"], "block=nl is what the grid gives each cell"),
        (["--", "--trainer.fast_dev_run=true"], "is what the grid gives each cell"),
        (["--executor", "local", "--job", "a={"], "--job a={: a value is no YAML"),
        (["--", "--model.dropuot=3"], "dropuot"),
    ],
)
def test_bad_input_is_named_before_any_training(arguments, message, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(training, "run_command_line", lambda *given: pytest.fail("trained"))
    with pytest.raises(SystemExit) as stop:
        paper.main(["--dataset", "cifar10", "--data", "x", "--output", str(tmp_path), *arguments])
    said = re.sub(r"\s+", " ", capsys.readouterr().err)
    assert stop.value.code == 2 and message in said


def test_a_block_that_takes_no_clips_is_named_before_any_training(tmp_path, capsys):
    words = ["--dataset", "ucf101", "--data", "x", "--output", str(tmp_path), "--blocks", "none", "cc"]
    with pytest.raises(SystemExit):
        paper.main(words)
    assert "--blocks cc in r3d_18: criss-cross" in capsys.readouterr().err


def test_a_table_of_spectra_of_another_form_is_named_before_any_training(tmp_path, capsys):
    (tmp_path / "cifar10_spectra.csv").write_text("a,b\n")
    with pytest.raises(SystemExit):
        paper.main(["--dataset", "cifar10", "--data", "x", "--output", str(tmp_path), "--blocks", "none"])
    assert "cifar10_spectra.csv' has other columns" in capsys.readouterr().err


def test_a_flag_of_a_word_is_what_is_trained_whatever_else_is_given(data, tmp_path):
    word = "snl:order=3,warmup_epochs=7,learning_rate=1e-3"
    chosen = plan(data, tmp_path, [word], extra=("--model.order=2", "--model.dropout=0.25"))
    trained = resolve(chosen.arguments(chosen.networks[0], 0))["model"]["init_args"]
    wanted = {"order": 3, "warmup_epochs": 7, "learning_rate": 1e-3, "dropout": 0.25, "drop_epochs": [1, 1]}
    assert trained | wanted == trained and trained | chosen.settings(chosen.networks[0]) == trained


def test_of_five_classes_or_fewer_five_guesses_are_right(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "_tested", lambda folder: {"test/accuracy": 0.5})
    monkeypatch.setattr(training, "_best_score", lambda folder: 0.5)
    job = Job(PaperKey("cub x", "nl", 0, 1, 0, ""), (), tmp_path, tmp_path / "t.csv", False)
    assert training._outcome(job).top5 == 1.0


def test_every_config_has_a_name():
    known = {"cifar10", "cifar100", "imagenet", "cub", "fashion_mnist", "ucf101"}
    assert known <= set(datasets()) and "cityscapes" not in datasets()


def test_jobs_without_submitit_name_the_line_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(ValueError, match=r"pip install 'gsp-nonlocal\[cluster\]'"):
        executors_of("local", Path(), 1, {})


def test_jobs_run_side_by_side_through_submitit(tmp_path):
    jobs = [SimpleNamespace(key=name, **({} if name == "b" else {"value": 1})) for name in "abc"]
    local = executors_of("local", tmp_path / "jobs", 3, {"side_by_side": 2})
    assert len(local) == 2
    failed = run_side_by_side(jobs, local, attrgetter("value"), wait=0.05)
    assert len(failed) == 1 and failed[0].startswith("b: ") and "has no attribute 'value'" in failed[0]
    debug = submitit.DebugExecutor(tmp_path / "debug")
    assert run_side_by_side(jobs[:1], [debug], attrgetter("value"), wait=0) == []
    with pytest.raises(ValueError, match="--executor slurm"):
        executors_of("slurm", tmp_path / "jobs", 1, {})
    with pytest.raises(ValueError, match="side_by_side=0 is out of range"):
        executors_of("local", tmp_path / "jobs", 1, {"side_by_side": 0})


def test_a_job_whose_time_is_up_is_started_again(tmp_path):
    job, call = SimpleNamespace(key="a"), executors.Requeued()
    again = call.checkpoint(job)
    assert again.function is call and again.args == (job,)


@pytest.mark.parametrize("seen", [None, "2,3"])
def test_local_jobs_have_a_gpu_of_their_own(seen, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if seen:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", seen)
    found = executors_of("local", tmp_path, 5, {})
    assert [one.parameters["visible_gpus"] for one in found] == ([[2], [3]] if seen else [[0], [1]])
    assert all(one.parameters["gpus_per_node"] == 1 for one in found)
