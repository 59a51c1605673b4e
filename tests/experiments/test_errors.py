"""Bad input ends the command with one message that names value and remedy, before any work."""

import pytest
import torch

import filters
from experiments.checkpoints import WholeCheckpointIO, read_checkpoint
from experiments.cli import main
from experiments.files import replacing
from experiments.tasks import Segmentation
from tests.experiments.conftest import SMALL


def refused(capsys, *arguments):
    """What the command says; it must exit with code 2 and leave no traceback."""
    with pytest.raises(SystemExit) as exit_:
        main(list(arguments))
    said = capsys.readouterr().err
    assert exit_.value.code == 2 and "Traceback" not in said
    return " ".join(said.split())


class Orderless(filters.Filter):
    """A filter of someone else, without an order."""

    def __init__(self, in_channels, out_channels):
        super().__init__(in_channels, out_channels, order=0)

    def terms(self, shift, z):
        yield z


def test_a_filter_without_an_order_says_how_to_configure_it(monkeypatch):
    monkeypatch.setitem(filters.registry._entries, "orderless", Orderless)
    with pytest.raises(ValueError, match=r"'orderless' with order=3.*order=null"):
        Segmentation("orderless", order=3)
    assert Segmentation("orderless", order=None)(torch.zeros(1, 3, 12, 12)).shape == (1, 12, 12)


@pytest.mark.parametrize(
    ("option", "parts"),
    [
        ("--model.filter=foo", ["unknown filter 'foo'", "chebyshev"]),
        ("--model.order=-1", ["order", "-1"]),
        ("--data.cue=smell", ["smell", "colour", "class"]),
        ("--data.objects=30", ["objects=30", "enlarge canvas"]),
        ("--trainer.max_stepz=3", ["--trainer.max_stepz"]),
        ("--model.oder=2", ["oder"]),
    ],
)
def test_a_bad_option_is_refused(option, parts, capsys, tmp_path):
    said = refused(capsys, "fit", *SMALL, "--output", str(tmp_path / "new"), option)
    assert all(part in said for part in parts), said
    assert not (tmp_path / "new" / "logs").exists()


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("oder", "model: {class_path: experiments.tasks.Segmentation, init_args: {oder: 3}}"),
        ("outptu", "outptu: here"),
        ("max_stepz", "trainer: {max_stepz: 3}"),
    ],
)
def test_an_unknown_key_in_a_configuration_is_named(key, text, capsys, tmp_path):
    config = tmp_path / "bad.yaml"
    config.write_text(text, encoding="utf-8")
    assert key in refused(capsys, "fit", *SMALL, "--config", str(config))


def test_an_output_folder_that_cannot_be_written_is_refused(capsys, tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    said = refused(capsys, "fit", *SMALL, "--output", str(tmp_path / "file" / "run"))
    assert "cannot write to the output folder" in said and "choose another with --output" in said


def test_a_missing_checkpoint_is_refused(capsys, tmp_path):
    said = refused(capsys, "test", *SMALL, "--output", str(tmp_path))
    assert "there is no checkpoint" in said and "best.ckpt" in said and "--ckpt_path" in said


@pytest.mark.parametrize("kept", [0, 100, 0.5, 0.99])
def test_a_truncated_checkpoint_is_refused(kept, fitted, capsys, tmp_path):
    whole = (fitted / "checkpoints/last.ckpt").read_bytes()
    part = tmp_path / "part.ckpt"
    part.write_bytes(whole[: int(kept * len(whole)) if kept < 1 else kept])
    for command in ("fit", "test"):
        said = refused(capsys, command, *SMALL, "--output", str(tmp_path), "--ckpt_path", str(part))
        assert f"'{part}' is corrupt, truncated or not plain data" in said and "take another" in said


def test_a_file_that_is_no_checkpoint_is_refused(capsys, tmp_path):
    other = tmp_path / "other.ckpt"
    for content in (torch.zeros(3), {"weights": 1}):
        torch.save(content, other)
        said = refused(capsys, "test", *SMALL, "--output", str(tmp_path), "--ckpt_path", str(other))
        assert "is no training checkpoint" in said


class Dangerous:
    def __reduce__(self):
        return exec, ("raise SystemError('code of a checkpoint was run')",)


def test_no_code_of_a_checkpoint_is_run(tmp_path):
    path = tmp_path / "code.ckpt"
    torch.save({"state_dict": Dangerous()}, path)
    with pytest.raises(ValueError, match="not plain data"):
        read_checkpoint(path)
    with pytest.raises(ValueError, match="not plain data"):
        WholeCheckpointIO().load_checkpoint(path, weights_only=False)


@pytest.mark.parametrize(
    ("option", "parts"),
    [
        ("--model.order=1", ["of another shape: network.8.stages.0.filter.weight"]),
        ("--model.filter=null", ["missing: network.9.bias", "surplus: network.10.bias"]),
    ],
)
def test_a_checkpoint_of_another_architecture_is_refused(option, parts, fitted, capsys, tmp_path):
    option = [option, "--model.order=null"] if "null" in option else [option]
    path = str(fitted / "checkpoints/last.ckpt")
    for command in ("fit", "test"):
        said = refused(capsys, command, *SMALL, *option, "--output", str(tmp_path), "--ckpt_path", path)
        assert all(part in said for part in [*parts, path, "another architecture"]), said


def test_a_checkpoint_whose_weights_fit_another_filter_is_refused(fitted, capsys):
    said = refused(capsys, "test", *SMALL, "--model.filter=monomial", "--output", str(fitted))
    assert "trained with model.filter=chebyshev, not monomial; give --model.filter chebyshev" in said


def test_what_a_class_refuses_is_said_without_all_its_arguments(capsys, tmp_path):
    said = refused(capsys, "fit", *SMALL, "--model.channels=0", "--output", str(tmp_path))
    assert "channels=0 is out of range" in said and "Namespace" not in said


def test_where_only_the_last_checkpoint_is_there_it_is_named(capsys, tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.ckpt").touch()
    said = refused(capsys, "test", *SMALL, "--output", str(tmp_path))
    assert "best.ckpt'; no validation has ended there: give --ckpt_path last" in said


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "last.ckpt"
    WholeCheckpointIO().save_checkpoint({"state_dict": {}, "step": 1}, path)
    with pytest.raises((AttributeError, TypeError, RuntimeError)):
        WholeCheckpointIO().save_checkpoint({"state_dict": lambda: 0}, path)
    with pytest.raises(KeyboardInterrupt), replacing(path) as temporary:
        temporary.write_text("half", encoding="utf-8")
        raise KeyboardInterrupt
    assert read_checkpoint(path)["step"] == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["last.ckpt"]
