"""``make soak`` on two kills, and what it would say of a training that went on otherwise."""

import shutil

import pytest
import torch

from tests.soak import Trial, _same, _train, soak, table
from tests.soak_run import arguments


def run(folder):
    return [
        *arguments(folder),
        "--trainer.max_epochs=1",
        "--data.num_workers=0",
        "--data.batch_size=32",
    ]


@pytest.fixture(scope="module")
def soaked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("soak")
    return folder, soak(2, 0, folder, run, quiet=True)


def test_a_training_killed_between_its_best_and_its_last_checkpoint_has_both(soaked):
    folder, _ = soaked
    output = folder / "between"
    kept = output / "checkpoints" / "best.ckpt"
    kept.parent.mkdir(parents=True)
    shutil.copyfile(folder / "undisturbed" / "checkpoints" / "best.ckpt", kept)
    _, code = _train([*run(folder), "--ckpt_path", "best"], output, None)
    assert code == 0 and _same(output, folder / "undisturbed")


def test_killed_trainings_go_on_bit_for_bit(soaked):
    folder, trials = soaked
    assert len(trials) == 2
    for index, trial in enumerate(trials):
        assert trial.passed, (trial, (folder / f"killed-{index}.txt").read_text()[-2000:])
    assert table(trials).row_count == 3


@pytest.mark.parametrize("key", ["state_dict", "optimizer_states", "generators"])
def test_a_difference_of_one_bit_is_seen(key, soaked, tmp_path):
    folder, _ = soaked
    (tmp_path / "checkpoints").mkdir()
    for name in ("best", "last"):
        checkpoint = torch.load(folder / f"undisturbed/checkpoints/{name}.ckpt", weights_only=True)
        torch.save(checkpoint, tmp_path / f"checkpoints/{name}.ckpt")
    assert _same(tmp_path, folder / "undisturbed")
    tensor = next(_tensors(checkpoint[key]))
    tensor.view(-1)[0] = (
        torch.nextafter(tensor.view(-1)[0], torch.tensor(9.0)) if tensor.is_floating_point() else 1
    )
    torch.save(checkpoint, tmp_path / "checkpoints/last.ckpt")
    assert not _same(tmp_path, folder / "undisturbed")


def _tensors(value):
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _tensors(item)


@pytest.mark.parametrize("change", [{"code": 2}, {"same": False}, {"corrupt": 1}])
def test_a_trial_fails_by_any_of_its_figures(change):
    good = Trial(1.0, None, 0, 0, True)
    assert good.passed and not good._replace(**change).passed
