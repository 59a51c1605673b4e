"""The callback logs every block's measures over a training, writes the page, and changes nothing else."""

import csv
import json
import signal
import warnings
from types import SimpleNamespace

import pytest
import torch
from lightning import LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.strategies import FSDPStrategy
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from gsp_nonlocal import NL, SNL
from gsp_nonlocal.analysis import Limits, Snapshot, snapshot
from gsp_nonlocal.report import report
from gsp_nonlocal.report.explorer import VIEWS_BYTES
from gsp_nonlocal.report.folder import MARK
from gsp_nonlocal.report.lightning import CHEAP, SpectralCallback

IMAGES = torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(1))
NAMES = ["network.1", "network.3, application 1", "network.3, application 2"]
RANK = "spectral/network.3_application_2/effective_rank"


class Tiny(LightningModule):
    """Two blocks, the second applied twice, among layers with statistics and random numbers."""

    def __init__(self, known=True):
        super().__init__()
        blocks = [SNL(4, gate=False), nn.Dropout(0.2), NL(4, stages=2, gate=False)] if known else []
        self.network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), *blocks, nn.BatchNorm2d(4), nn.Flatten())
        self.classify = nn.Linear(4 * 36, 2)

    def forward(self, images):
        return self.classify(self.network(images))

    def training_step(self, batch, batch_idx):
        return nn.functional.cross_entropy(self(batch[0].to(self.dtype)), batch[1])

    def validation_step(self, batch, batch_idx):
        self.log("val/loss", nn.functional.cross_entropy(self(batch[0].to(self.dtype)), batch[1]))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)


def data(shuffle=False):
    generator = torch.Generator().manual_seed(2)
    images = torch.randn(8, 3, 6, 6, generator=generator)
    return DataLoader(TensorDataset(images, torch.arange(8) % 2), batch_size=4, shuffle=shuffle)


def fit(*callbacks, model=None, epochs=2, val=True, ckpt_path=None, **settings):
    """Train, always on the same data from the same weights, and return the trainer."""
    seed_everything(0, verbose=False)
    defaults = {"logger": False, "accelerator": "cpu", "enable_model_summary": False}
    defaults |= {"enable_checkpointing": False, "enable_progress_bar": False, "num_sanity_val_steps": 0}
    trainer = Trainer(max_epochs=epochs, callbacks=list(callbacks), **(defaults | settings))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*(does not have many workers|logging interval).*")
        warnings.filterwarnings("ignore", message=".*LeafSpec.*")
        trainer.fit(model or Tiny(), data(shuffle=True), data() if val else None, ckpt_path=ckpt_path)
    return trainer


def labels(callback):
    return [found.label for found in callback.snapshots]


@pytest.fixture
def written(monkeypatch):
    """What would be written: lists of the analyses and the snapshots of each page."""
    pages = []
    monkeypatch.setattr(
        report, "write_analyses", lambda shown, folder, *, course, **_: pages.append((shown, course))
    )
    return pages


def course(page):
    return [found.label for found in page[1]]


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    """A training of two epochs: its folder, its callback and its trainer."""
    folder = tmp_path_factory.mktemp("logged")
    callback = SpectralCallback(IMAGES)
    best = ModelCheckpoint(folder / "best", "best", monitor=RANK, mode="max")
    loggers = [CSVLogger(folder, "csv"), TensorBoardLogger(folder, "tensorboard")]
    trainer = fit(
        callback, best, logger=loggers, log_every_n_steps=1, enable_checkpointing=True, num_sanity_val_steps=2
    )
    return folder, callback, trainer


def test_every_measure_of_every_block_is_logged_after_each_validation(logged):
    folder, callback, _ = logged
    assert labels(callback) == ["start", "epoch 0", "epoch 1"]
    assert [block.name for block in callback.snapshots[-1].blocks] == NAMES
    with (folder / "csv" / "version_0" / "metrics.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["spectral/seconds"]]
    events = EventAccumulator(str(folder / "tensorboard" / "version_0"))
    events.Reload()
    assert len(rows) == 2
    for number, found in enumerate(callback.snapshots[1:]):
        wanted = {
            f"spectral/{key.replace(', ', '_').replace(' ', '_')}": v for key, v in found.measures().items()
        }
        assert RANK in wanted and len(wanted) > 30
        assert {key: float(rows[number][key]) for key in wanted} == pytest.approx(wanted, rel=1e-5)
        shown = {key: events.Scalars(key)[number].value for key in wanted}
        assert shown == pytest.approx(wanted, rel=1e-5)
        assert set(wanted) < set(events.Tags()["scalars"])


def test_a_measure_can_be_monitored(logged):
    _, callback, trainer = logged
    ranks = [found.blocks[2].mean("effective_rank") for found in callback.snapshots[1:]]
    assert float(trainer.callback_metrics[RANK]) == pytest.approx(ranks[-1])
    assert float(trainer.checkpoint_callback.best_model_score) == pytest.approx(max(ranks))


def test_the_page_has_start_end_and_the_course_between_and_replaces_an_older_one_on_request(tmp_path):
    spectra = tmp_path / "spectra"
    spectra.mkdir()
    older = '{"written_by": "gsp-nonlocal"}'
    (spectra / MARK).write_text(older, encoding="utf-8")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        fit(SpectralCallback(IMAGES, spectra), Stop(AssertionError("trained")))
    assert (spectra / MARK).read_text(encoding="utf-8") == older
    callback = SpectralCallback(IMAGES, spectra, paths=["network.1"], overwrite=True)
    trainer = fit(callback)
    found = json.loads((spectra / MARK).read_text(encoding="utf-8"))["snapshots"]
    assert [one["label"] for one in found] == ["start", "epoch 0", "end"]
    assert [Snapshot.from_dict(one) for one in found[:2]] == callback.snapshots[:2]
    settings = {"label": "end", "limits": CHEAP, "paths": ["network.1"]}
    assert Snapshot.from_dict(found[-1]) == snapshot(trainer.lightning_module, IMAGES, **settings)
    page = (spectra / "index.html").read_text(encoding="utf-8")
    assert all(f'"snapshot":"{label}"' in page for label in ("start", "end"))
    assert "Spectra of a training" in page and len(page) < 5e6
    assert (spectra / "figures" / "network.1_over_time.png").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["spectra"]


def test_two_analyses_share_the_bytes_of_the_page(monkeypatch, written):
    budgets, analyze = [], report.analyze
    monkeypatch.setattr(report, "analyze", lambda *a, **k: budgets.append(k["budget"]) or analyze(*a, **k))
    fit(SpectralCallback(IMAGES, "spectra"), epochs=1)
    assert budgets == [VIEWS_BYTES // 2] * 2
    assert [len(shown) for shown, _ in written] == [2]


@pytest.mark.parametrize(
    ("every", "settings", "wanted"),
    [
        (2, {"epochs": 5}, ["epoch 1", "epoch 3"]),
        (1, {"val": False}, ["epoch 0", "epoch 1"]),
        (1, {"limit_val_batches": 0}, ["epoch 0", "epoch 1"]),
        (1, {"check_val_every_n_epoch": 2, "epochs": 3}, ["epoch 1"]),
        (1, {"val_check_interval": 1, "epochs": 1}, ["step 1", "step 2"]),
        (1, {"val_check_interval": 0.5, "epochs": 1}, ["step 1", "step 2"]),
        (2, {"val_check_interval": 1}, ["step 2", "step 4"]),
        (1, {"val_check_interval": 3, "check_val_every_n_epoch": None}, ["step 3"]),
        (1, {"num_sanity_val_steps": 2, "epochs": 1}, ["epoch 0"]),
    ],
)
def test_what_is_measured_and_when(every, settings, wanted):
    callback = SpectralCallback(IMAGES, every=every)
    trainer = fit(callback, **settings)
    assert labels(callback) == ["start", *wanted]
    assert RANK in trainer.callback_metrics


def test_the_last_figures_are_in_the_page_in_any_case(written):
    callback = SpectralCallback(IMAGES, "spectra")
    fit(callback, val_check_interval=3, check_val_every_n_epoch=None)
    assert labels(callback) == ["start", "step 3"]
    assert course(written[0]) == ["start", "step 3", "end"]
    assert written[0][1][1].blocks != written[0][1][2].blocks


def test_validation_alone_measures_nothing():
    callback = SpectralCallback(IMAGES)
    Trainer(logger=False, accelerator="cpu", callbacks=[callback], enable_progress_bar=False).validate(
        Tiny(), data(), verbose=False
    )
    assert callback.snapshots == []


class Watch(Callback):
    """Modes and gradients around each validation, and random numbers at its end."""

    def __init__(self):
        self.seen = []

    def on_validation_end(self, trainer, pl_module):
        gradients = [torch.zeros(0) if p.grad is None else p.grad.clone() for p in pl_module.parameters()]
        modes = [module.training for module in pl_module.modules()]
        self.seen.append((modes, gradients, torch.get_rng_state()))


@pytest.mark.parametrize("val", [True, False])
def test_the_training_is_the_same_bit_for_bit(val, written):
    alone, watched = Watch(), Watch()
    first = fit(alone, val=val).lightning_module.state_dict()
    random = torch.get_rng_state()
    second = fit(SpectralCallback(IMAGES, "spectra"), watched, val=val).lightning_module.state_dict()
    assert all(torch.equal(second[key], value) for key, value in first.items())
    assert torch.equal(torch.get_rng_state(), random)
    assert len(alone.seen) == (2 if val else 0)
    torch.testing.assert_close(watched.seen, alone.seen, rtol=0, atol=0)


def test_a_resumed_training_goes_on_with_its_snapshots(tmp_path, written):
    first = SpectralCallback(IMAGES)
    fit(first, ModelCheckpoint(tmp_path, "first"), enable_checkpointing=True)
    assert torch.load(tmp_path / "first.ckpt", weights_only=True)["epoch"] == 1
    second = SpectralCallback(IMAGES, "spectra")
    fit(second, epochs=4, ckpt_path=tmp_path / "first.ckpt")
    assert labels(second) == ["start", "epoch 0", "epoch 1", "epoch 2", "epoch 3"]
    assert second.snapshots[:3] == first.snapshots
    [(shown, _)] = written
    assert [one.snapshot.label for one in shown] == ["resumed", "end"]
    assert shown[0].snapshot.blocks == first.snapshots[2].blocks
    assert course(written[0]) == ["start", "epoch 0", "epoch 1", "epoch 2", "end"]


def test_a_resumed_training_counts_validations_on(tmp_path):
    first = SpectralCallback(IMAGES, every=2)
    fit(first, ModelCheckpoint(tmp_path, "first"), enable_checkpointing=True, epochs=3)
    second = SpectralCallback(IMAGES, every=2)
    fit(second, epochs=4, ckpt_path=tmp_path / "first.ckpt")
    assert labels(second) == ["start", "epoch 1", "epoch 3"]


class Stop(Callback):
    """Fails a test if a training begins; or interrupts it."""

    def __init__(self, error):
        self.error = error

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        raise self.error


def test_an_existing_folder_is_refused_before_the_training(tmp_path):
    (tmp_path / "mine.txt").write_text("kept", encoding="utf-8")
    with pytest.raises(FileExistsError, match=r"nothing was changed.*overwrite=True"):
        fit(SpectralCallback(IMAGES, tmp_path), Stop(AssertionError("trained")))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("power cut")])
def test_an_interrupted_training_leaves_no_folder(error, tmp_path):
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises((SystemExit, RuntimeError)):
        fit(SpectralCallback(IMAGES, tmp_path / "spectra"), Stop(error))
    signal.signal(signal.SIGINT, handler)  # Lightning leaves it ignored
    assert not list(tmp_path.iterdir())


def test_a_trial_run_writes_no_folder(tmp_path):
    callback = SpectralCallback(IMAGES, tmp_path / "spectra")
    fit(callback, fast_dev_run=True)
    assert labels(callback) == ["start", "epoch 0"]
    assert not list(tmp_path.iterdir())


def test_a_network_without_known_blocks_is_refused_at_the_start():
    with pytest.raises(ValueError, match=r"Tiny ran no nonlocal block.*register_reader"):
        fit(SpectralCallback(IMAGES), Stop(AssertionError("trained")), model=Tiny(known=False))
    with pytest.raises(ValueError, match=r"nothing to read at 'network.2'; choose among network.1"):
        fit(SpectralCallback(IMAGES, paths=["network.2"]), Stop(AssertionError("trained")))


class Break(Callback):
    """Weights that are not finite, after the first epoch."""

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == 1:
            pl_module.network[0].bias.data[0] = torch.inf


def test_a_network_that_breaks_is_warned_of_and_the_training_goes_on(written):
    callback = SpectralCallback(IMAGES, "spectra")
    with pytest.warns(UserWarning, match=r"no spectra of epoch 1: module network.0: .* are NaN or infinite"):
        trainer = fit(callback, Break(), epochs=3)
    assert trainer.current_epoch == 3
    assert labels(callback) == ["start", "epoch 0"]
    [(shown, _)] = written
    assert [one.snapshot.label for one in shown] == ["start"]
    assert course(written[0]) == ["start", "epoch 0"]


def test_a_network_in_bfloat16_is_measured(written):
    callback = SpectralCallback(IMAGES, "spectra")
    trainer = fit(callback, precision="bf16-true")
    assert trainer.lightning_module.dtype == torch.bfloat16
    assert labels(callback) == ["start", "epoch 0", "epoch 1"]
    assert callback.snapshots[-1].blocks[0].mean("spectral_radius") == pytest.approx(1, abs=0.02)
    assert len(written) == 1


def test_limits_and_paths_reach_every_snapshot():
    limits = Limits(large=1, nodes=20, k=3, steps=8)
    callback = SpectralCallback(IMAGES, limits=limits, paths=["network.3"])
    trainer = fit(callback, epochs=1)
    for found in callback.snapshots:
        assert [block.name for block in found.blocks] == NAMES[1:]
        assert [[len(graph.eigenvalues) for graph in block.graphs] for block in found.blocks] == [[3], [3]]
    assert "spectral/network.1/spectral_radius" not in trainer.callback_metrics


def test_weights_that_are_split_among_processes_are_refused():
    trainer = SimpleNamespace(strategy=object.__new__(FSDPStrategy), is_global_zero=True)
    with pytest.raises(ValueError, match="FSDPStrategy splits the weights"):
        SpectralCallback(IMAGES).setup(trainer, Tiny(), "fit")


@pytest.mark.parametrize(
    ("images", "settings", "error", "said"),
    [
        (IMAGES.int(), {}, TypeError, "int32.*float"),
        (IMAGES[:0], {}, ValueError, r"\(0, 3, 6, 6\)"),
        (IMAGES * torch.nan, {}, ValueError, "NaN or infinite"),
        (IMAGES, {"every": 0}, ValueError, "every must be at least 1, got 0"),
    ],
)
def test_bad_arguments_are_named(images, settings, error, said):
    with pytest.raises(error, match=said):
        SpectralCallback(images, **settings)


def test_two_processes_measure_once_and_both_can_monitor(tmp_path):
    key = "spectral/network.1/effective_rank"
    callback = SpectralCallback(IMAGES, paths=["network.1"])
    best = ModelCheckpoint(tmp_path / "best", "best", monitor=key, mode="max", save_top_k=-1)
    logger = CSVLogger(tmp_path, "csv")
    spread = {"devices": 2, "strategy": "ddp_spawn", "enable_checkpointing": True}
    trainer = fit(callback, best, logger=logger, log_every_n_steps=1, **spread)
    with (tmp_path / "csv" / "version_0" / "metrics.csv").open(encoding="utf-8") as file:
        ranks = [float(row[key]) for row in csv.DictReader(file) if row[key]]
    assert len(ranks) == 2 and float(trainer.callback_metrics[key]) == pytest.approx(ranks[-1])
    states = torch.load(tmp_path / "best" / "best-v1.ckpt", weights_only=True)["callbacks"]
    kept = states["SpectralCallback"]["snapshots"]
    assert [one["label"] for one in kept] == ["start", "epoch 0", "epoch 1"]
