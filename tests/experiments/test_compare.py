"""Every known block is trained by name in both tasks, and its cost is measured."""

import pytest
import torch

import experiments.compare as compare
from experiments.cli import main as command
from experiments.comparison import BLOCKS, block_task, train_block
from experiments.costs import block_costs, digit_batch, forward_flops, parameter_count, scene_batch
from experiments.tasks import Classification, Segmentation
from experiments.tasks.blocks import block_names
from gsp_nonlocal.blocks import A2, SNL, UNNORMALISED, NonlocalBlock, registry
from tests.experiments.conftest import CONFIGS

DATA = {"scenes": (scene_batch(2), (2, 36, 36)), "digits": (digit_batch(2), (2, 10))}
TINY = {"steps": 2, "eval_scenes": 4}


def block_of(task):
    return next(module for module in task.modules() if isinstance(module, NonlocalBlock))


@pytest.mark.parametrize("name", block_names())
def test_every_name_builds_in_both_tasks(name):
    scenes, digits = Segmentation(block=name, channels=8), Classification(block=name)
    for task, (batch, shape) in zip((scenes, digits), DATA.values(), strict=True):
        logits = task(batch[0])
        assert logits.shape == shape
        task.loss(logits, batch[1]).backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in block_of(task).parameters())
    gates = [[unit.gate is not None for unit in block_of(task).stages] for task in (scenes, digits)]
    assert gates == [[name == "cc"], [True]]


def test_all_of_the_library_are_compared():
    used = {settings["block"] for settings in BLOCKS.values()} - {None}
    assert used == set(block_names()) == {*registry.names(), "a2_unnormalised"}


@pytest.mark.parametrize("data", DATA)
def test_compared_blocks_have_projections_of_half_the_width_and_the_same_network_around_them(data):
    outside = {}
    for name in BLOCKS:
        task = block_task(data, name)
        inside = [] if name == "no block" else [block_of(task)]
        assert all(b.inner_channels == (4 if name == "gc" else b.channels // 2) for b in inside)
        outside[name] = parameter_count(task) - sum(map(parameter_count, inside))
    assert set(outside.values()) == {outside["no block"]}


def test_order_stages_and_options_reach_the_block():
    assert len(block_of(Classification(block="snl", order=3)).stages[0].filter.weight) == 4
    assert len(block_of(Segmentation(block="snl", order=3)).stages[0].filter.weight) == 4
    assert len(block_of(Segmentation(block="snl")).stages[0].filter.weight) == 2
    assert len(block_of(Classification(block="nl", stages=2)).stages) == 2
    assert block_of(Segmentation(block="cgnl", block_options={"groups": 4})).vertices.groups == 4
    assert block_of(Segmentation(block="nl", block_options={"gate": True})).stages[0].gate is not None


def test_the_unnormalised_a2_is_that_of_the_library():
    block, expected = block_of(Classification(block="a2_unnormalised")), A2(64, affinity=UNNORMALISED)
    expected.load_state_dict(block.state_dict())
    x = torch.randn(1, 64, 3, 3)
    torch.testing.assert_close(block.shift(x).to_dense(), expected.shift(x).to_dense())


def test_hyperparameters_written_before_there_were_names_build_the_same_networks():
    """Checkpoints hold them; order and stages of a network without a block were never used."""
    old = {"depth": 20, "num_classes": 10, "in_channels": 1, "order": 1, "stages": 1}
    assert Classification(**old, block=None).state_dict().keys() < Classification(**old).state_dict().keys()
    reference = SNL(64).state_dict()
    assert block_of(Classification(**old, block="snl")).state_dict().keys() == reference.keys()
    scenes = Segmentation(filter="chebyshev", order=3, channels=4, inner_channels=None)
    expected = Segmentation(channels=4).state_dict()
    assert {k: v.shape for k, v in scenes.state_dict().items()} == {k: v.shape for k, v in expected.items()}


@pytest.mark.parametrize(
    ("task", "settings", "message"),
    [
        (
            Classification,
            {"block": "gc", "order": 3},
            "block 'gc' takes no order .got 3.; leave it out or null",
        ),
        (
            Classification,
            {"block": "cc", "stages": 2},
            "block 'cc' takes no stages .*inner_channels, recurrence",
        ),
        (Segmentation, {"block": "nl", "order": 3}, "block 'nl' takes no order"),
        (Segmentation, {"block": "nl", "block_options": {"oder": 3}}, "block 'nl' takes no oder"),
        (Segmentation, {"block": "nl", "block_options": {"norm": "batch"}}, "block 'nl' takes no norm"),
        (Segmentation, {"block": "lm"}, "unknown block 'lm'; choose one of: a2, a2_unnormalised, anl"),
        (Classification, {"block": "lm"}, "unknown block 'lm'"),
        (Segmentation, {"block": "snl", "filter": "cayley"}, "two blocks; give filter=null"),
        (Segmentation, {"block_options": {"groups": 4}}, "give block or leave them out"),
        (Segmentation, {"block": "cgnl", "block_options": {"groups": 3}}, "3"),
        (
            Segmentation,
            {"block": "snl", "inner_channels": 4, "block_options": {"inner_channels": 8}},
            "inner_channels=4 and inner_channels=8",
        ),
    ],
)
def test_what_a_block_cannot_take_is_refused_with_the_remedy(task, settings, message):
    with pytest.raises(ValueError, match=message):
        task(**settings)


def test_a_named_block_is_trained_from_its_configuration(tmp_path):
    small = ["--data.train_scenes=8", "--data.eval_scenes=4", "--data.batch_size=4", "--model.channels=8"]
    quiet = ["--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false"]
    once = ["--trainer.val_check_interval=2", "--output", str(tmp_path)]
    command(["fit", "--config", str(CONFIGS / "scenes_nl.yaml"), *small, *quiet, *once])
    best = tmp_path / "checkpoints/best.ckpt"
    task = Segmentation.load_from_checkpoint(best, weights_only=True)
    assert task.hparams["block"] == "nl" and block_of(task).stages[0].gate is None


@pytest.mark.parametrize("data", DATA)
def test_a_cell_is_a_function_of_its_seed(data, tmp_path):
    cells = [train_block(data, "gc", 1, tmp_path / str(run), **TINY) for run in range(2)]
    assert (cells[0].val, cells[0].test) == (cells[1].val, cells[1].test)
    weights = [torch.load(tmp_path / f"{run}/best.ckpt", weights_only=True) for run in range(2)]
    first, second = (checkpoint["state_dict"] for checkpoint in weights)
    assert all(torch.equal(value, second[key]) for key, value in first.items())
    assert weights[0]["global_step"] in (1, 2)


def test_costs_are_measured_and_written(tmp_path):
    costs = block_costs("scenes", ["gc"], rounds=1)
    cost = costs["gc"]
    assert cost.parameters == parameter_count(block_task("scenes", "gc"))
    assert cost.milliseconds > 0 and 2**20 < cost.peak < 2**30
    facts = compare.shown(costs)
    assert facts["parameters"] == {"gc": f"{cost.parameters:,}"}
    assert facts["GFLOP"] == {"gc": f"{cost.flops / 1e9:.3f}"}


def test_operations_of_a_convolution_are_counted_twice_a_multiplication():
    convolution = torch.nn.Conv2d(3, 5, 3, padding=1)
    assert forward_flops(convolution, torch.rand(2, 3, 8, 8)) == 2 * 2 * 64 * 5 * 27
