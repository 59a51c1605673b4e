"""The heads in the real mmsegmentation: every config, a training that goes on, the authors' weights."""

import json
import runpy
import shutil
import sys
from importlib import import_module
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("mmseg", reason="make test-mmseg installs it")

import mmseg
from mmengine.config import Config
from mmengine.logging import HistoryBuffer
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint
from mmseg.registry import DATASETS, MODELS

from experiments.data.cityscapes.classes import CLASS_OF_ID
from gsp_nonlocal.blocks import registry
from tests.cases.signals import relative
from tests.experiments.made import write_cityscapes
from tests.interop import authors_head as authors

CONFIGS = sorted((Path(__file__).parents[2] / "experiments" / "mmseg").glob("*.py"))
TOOLS = Path(mmseg.__file__).parent / ".mim" / "tools"
PAGE = (Path(__file__).parents[2] / "docs" / "mmseg.md").read_text(encoding="utf-8")
SNL = next(path for path in CONFIGS if path.name.startswith("snl_r50-d8_4xb2"))
SIZE = (64, 128)
COUNTS = {"train": 4, "val": 2}
SMALL = {
    "model.pretrained": None,
    "model.backbone.depth": 18,
    "model.decode_head.in_channels": 512,
    "model.decode_head.channels": 32,
    "model.auxiliary_head.in_channels": 256,
    "model.auxiliary_head.channels": 16,
    "model.data_preprocessor.size": "(32,64)",
    "train_dataloader.num_workers": 0,
    "train_dataloader.persistent_workers": False,
    "train_dataloader.dataset.pipeline.2.scale": "(128,64)",
    "train_dataloader.dataset.pipeline.3.crop_size": "(32,64)",
    "val_dataloader.num_workers": 0,
    "val_dataloader.persistent_workers": False,
    "val_dataloader.dataset.pipeline.1.scale": "(128,64)",
    "test_dataloader.num_workers": 0,
    "test_dataloader.persistent_workers": False,
    "test_dataloader.dataset.pipeline.1.scale": "(128,64)",
    "param_scheduler.0.end": 6,
    "train_cfg.val_interval": 2,
    "default_hooks.checkpoint.interval": 2,
    "default_hooks.logger.interval": 1,
}
"""What makes a training small; all else is the config's."""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Street scenes, with the labels that mmsegmentation's converter writes."""
    root = write_cityscapes(tmp_path_factory.mktemp("cityscapes"), cities=2, size=SIZE)
    for path in root.glob("gtFine/*/*/*_labelIds.png"):
        classes = CLASS_OF_ID[np.asarray(Image.open(path))]
        Image.fromarray(classes).save(path.with_name(path.name.replace("_labelIds", "_labelTrainIds")))
    return root


def run(tool, *arguments, data, monkeypatch, **options):
    """One of mmsegmentation's own commands, in this process."""
    roots = {f"{split}_dataloader.dataset.data_root": data for split in ("train", "val", "test")}
    settings = SMALL | roots | {key.replace("__", "."): value for key, value in options.items()}
    flags = [f"{key}={value}" for key, value in settings.items()]
    if visualization := sys.modules.get("mmseg.visualization"):
        visualization.SegLocalVisualizer._instance_dict.clear()  # one a process, else
    monkeypatch.setattr(sys, "argv", [tool, str(SNL), *map(str, arguments), "--cfg-options", *flags])
    runpy.run_path(str(TOOLS / tool), run_name="__main__")


def logged(folder):
    """What the last run in a folder logged: lines of steps with a loss, and of validations."""
    last = max(folder.glob("*/vis_data/scalars.json"))
    lines = [json.loads(line) for line in last.read_text().splitlines()]
    return [line for line in lines if "loss" in line], [line for line in lines if "mIoU" in line]


def test_a_training_validates_goes_on_and_is_tested(tmp_path, data, monkeypatch):
    """From the repository's config, by mmsegmentation's own commands; nothing of a checkpoint is executed."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "work_dirs" / SNL.stem
    run("train.py", data=data, monkeypatch=monkeypatch, train_cfg__max_iters=4)
    steps, validations = logged(folder)
    assert [step["iter"] for step in steps] == [1, 2, 3, 4] and len(validations) == 2
    assert all(step["decode.loss_ce"] > 0 and step["aux.loss_ce"] > 0 for step in steps)
    before = torch.load(folder / "iter_4.pth")  # by PyTorch's default: weights_only

    run("train.py", "--resume", data=data, monkeypatch=monkeypatch, train_cfg__max_iters=6)
    steps, validations = logged(folder)
    assert [step["iter"] for step in steps] == [5, 6] and len(validations) == 1
    after = torch.load(folder / "iter_6.pth")
    block = "decode_head.block.stages.0.filter.weight"
    change = relative(after["state_dict"][block], before["state_dict"][block])
    assert 0 < change < 0.5  # it learned on from there
    assert after["optimizer"]["param_groups"][0]["lr"] < before["optimizer"]["param_groups"][0]["lr"] < 0.01

    shown = ("--show-dir", "pictures", "--work-dir", "tested")
    often = {"default_hooks__visualization__interval": 1}
    run("test.py", folder / "iter_6.pth", *shown, data=data, monkeypatch=monkeypatch, **often)
    assert len(list(Path("pictures").glob("vis_data/vis_image/*.png"))) == COUNTS["val"]
    tested = json.loads(next((tmp_path / "tested").glob("*/*.json")).read_text())
    assert tested["mIoU"] == pytest.approx(validations[0]["mIoU"], abs=0.011)  # of two decimals
    _, code, _ = PAGE.rpartition("## Looking into a trained network")[2].split("```")
    shutil.copy(next(data.glob("leftImg8bit/val/*/*.png")), "image.png")
    names: dict[str, torch.Tensor] = {}
    exec(code.removeprefix("python").replace("iter_40000", "iter_6"), names)  # our own text
    assert names["classes"].shape == (1, *SIZE)
    assert names["greatest"].shape == (1, 5) and names["greatest"].amax() == pytest.approx(1, abs=1e-4)


@pytest.fixture(scope="module", params=CONFIGS, ids=lambda path: path.name.partition("-40k")[0])
def config(request):
    loaded = Config.fromfile(request.param)
    init_default_scope("mmseg")
    loaded.model.pretrained = None  # a download
    return request.param.name.partition("_")[0], loaded


def test_every_block_has_a_config():
    assert {path.name.partition("_")[0] for path in CONFIGS} - {"cayley"} == set(registry.names())


def test_a_config_builds_its_data(config, data):
    for split, size in (("train", (512, 1024)), ("val", (1024, 2048))):
        dataset = config[1][f"{split}_dataloader"].dataset
        samples = DATASETS.build({**dataset, "data_root": str(data)})
        sample = samples[0]
        labels = set(sample["data_samples"].gt_sem_seg.data.unique().tolist())
        assert len(samples) == COUNTS[split] and tuple(sample["inputs"].shape[1:]) == size
        assert len(labels) > 1 and labels <= {0, 10, 13, 255}


def test_a_config_builds_its_model_and_its_block_learns(config):
    name, loaded = config
    model = MODELS.build(loaded.model)
    block = model.decode_head.block
    assert type(block) is registry.get("snl" if name == "cayley" else name)
    assert type(block.units[0].filter).__name__ == "Cayley" or name != "cayley"
    maps = [torch.randn(2, channels, 8, 8) for channels in (256, 512, 1024, 2048)]
    model.decode_head(maps).square().mean().backward()
    learning = [p.grad is not None and p.grad.abs().max() > 0 for p in block.parameters()]
    assert any(learning) if name == "cc" else sum(learning) > len(learning) / 2
    assert loaded.model.auxiliary_head.loss_decode.loss_weight == 0.4
    assert loaded.train_cfg.max_iters == loaded.param_scheduler[0].end == 40_000


HEAD = {
    "in_channels": 24,
    "channels": 16,
    "in_index": 0,
    "num_classes": 5,
    "norm_cfg": {"type": "BN"},
    "align_corners": False,
}


def head(**settings):
    import_module("gsp_nonlocal.interop.mmseg")
    init_default_scope("mmseg")
    return MODELS.build({"type": "NonlocalHead", **HEAD, **settings})


@pytest.mark.parametrize(
    "norm, kind", [("BN", "BatchNorm1d"), ("SyncBN", "SyncBatchNorm"), ("GN", "GroupNorm")]
)
def test_the_blocks_norm_is_norm_cfgs(norm, kind):
    groups = {"num_groups": 4} if norm == "GN" else {}
    assert type(head(norm_cfg={"type": norm, **groups}).block.units[0].norm).__name__ == kind
    assert type(head(norm_cfg=None).block.units[0].norm).__name__ == "BatchNorm1d"


WRONG = [
    ({"block": "snll"}, ValueError, "unknown block 'snll'; choose one of: a2, anl"),
    ({"filter": "cayly"}, ValueError, "unknown filter 'cayly'"),
    ({"block": "nl", "filter": "cayley"}, ValueError, "block 'nl' takes no filter"),
    ({"block": "nl", "order": 2}, ValueError, "block 'nl' takes no order"),
    ({"block": "cgnl", "block_options": {"group": 4}}, ValueError, "did you mean groups"),
    ({"norm_cfg": {"type": "LN"}}, ValueError, "'LN' is none of a block's: BN"),
    ({"num_convs": 0}, ValueError, "num_convs must be at least 1"),
    ({"dropout_rate": 0.2}, TypeError, "takes no dropout_rate .* did you mean dropout_ratio"),
    ({"type": "SNLHead", "use_scale": True}, TypeError, "takes no use_scale .* leave it out"),
    ({"type": "SNLHead", "reduction": 2.0}, TypeError, "reduction must be an integer"),
]


@pytest.mark.parametrize("settings, kind, said", WRONG)
def test_what_a_config_gets_wrong_is_told(settings, kind, said):
    with pytest.raises(kind, match=said):
        head(**settings)


@pytest.mark.parametrize("training", [True, False])
def test_the_authors_head_loads_and_is_theirs(training, tmp_path):
    """Values and gradients of the paper's formula on a state in their keys, read by mmengine's loader."""
    ours = head(type="SNLHead", dropout_ratio=0).train(training)
    state = authors.random_state(24, 16, 8, 5)
    torch.save({"meta": {}, "state_dict": state}, tmp_path / "authors.pth")
    load_checkpoint(ours, str(tmp_path / "authors.pth"), strict=True)
    x, cotangent = torch.randn(2, 24, 7, 6), torch.randn(2, 5, 7, 6)
    given = x.clone().requires_grad_()
    y = ours([given])
    (y * cotangent).sum().backward()
    expected, gradients = authors.values_and_gradients(state, x, cotangent, training)
    assert relative(y, expected) < 2e-5
    assert relative(given.grad, gradients.pop("x")) < 2e-5
    own = authors.gradients_of(ours)
    assert own.keys() == gradients.keys()
    for key, gradient in gradients.items():
        assert relative(own[key], gradient) < 2e-5, key


def test_a_network_of_theirs_loads_too():
    network = torch.nn.ModuleDict({"decode_head": head(type="SNLHead")})
    state = {f"decode_head.{key}": value for key, value in authors.random_state(24, 16, 8, 5).items()}
    network.load_state_dict(state)
    assert torch.equal(
        network["decode_head"].block.units[0].filter.weight[1].T[..., None, None],
        -state["decode_head.SNL.stages.0.w_2.weight"],
    )
    again = network.state_dict()
    network.load_state_dict(again)  # our own keys, as they are


def test_a_checkpoint_runs_nothing_of_its_own(tmp_path):
    """The ``getattr`` of mmengine's log history reads its statistics and nothing else."""
    import_module("gsp_nonlocal.interop.mmseg")

    class Hostile:
        def __reduce__(self):
            return getattr, (HistoryBuffer, "__init__")

    torch.save(HistoryBuffer([1.0], [1]), tmp_path / "history.pth")
    assert torch.load(tmp_path / "history.pth").mean() == 1
    torch.save(Hostile(), tmp_path / "hostile.pth")
    with pytest.raises(UnpicklingError, match="none of mmengine's statistics"):
        torch.load(tmp_path / "hostile.pth")


def test_a_compiled_operation_is_missing_by_name():
    import_module("gsp_nonlocal.interop.mmseg")

    with pytest.raises(RuntimeError, match=r"nms is a compiled operation.*install mmcv"):
        import_module("mmcv._ext").nms(1)


def test_a_version_that_does_not_fit_is_told_with_the_line_that_does(monkeypatch):
    environment = import_module("gsp_nonlocal.interop.mmseg.environment")

    def refuse(name):
        raise AssertionError("MMCV==2.2.0 is used but incompatible.")

    monkeypatch.setattr(environment, "import_module", refuse)
    with pytest.raises(
        ImportError, match=r"2\.2\.0 is used .* pip install mmsegmentation==1\.2\.2 mmcv-lite==2\.1\.0"
    ):
        environment.prepare()


def test_the_page_names_what_there_is():
    environment = import_module("gsp_nonlocal.interop.mmseg.environment")
    assert environment.INSTALL in PAGE
    assert all(path.name in PAGE for path in CONFIGS if path.name.startswith("snl"))
    assert all(f"{name}_" in PAGE for name in registry.names())
