"""No file is read wrongly: a flipped bit is refused or changes nothing; what is no checkpoint is refused."""

import io
import random
import shutil
import zipfile

import pytest
import torch

from experiments.checkpoints import read_checkpoint
from experiments.networks import trained_task
from gsp_nonlocal.reading import UnreadableError, read_tensors
from tests.experiments.conftest import SMALL
from tests.experiments.test_errors import refused

FLIPS = 400


def parts(raw):
    """Places of a checkpoint's file, by what lies there."""
    archive = zipfile.ZipFile(io.BytesIO(raw))
    records = archive.infolist()
    greatest = max(records, key=lambda record: record.file_size * ("/data/" in record.filename))
    pickle = next(record for record in records if record.filename.endswith("data.pkl"))
    return {
        "anywhere": range(len(raw)),
        "the pickle": range(pickle.header_offset, pickle.header_offset + pickle.file_size + 64),
        "the directory": range(archive.start_dir, len(raw)),
        "a tensor": range(greatest.header_offset, greatest.header_offset + greatest.file_size),
    }


def same(found, wanted):
    """Whether two contents are equal to the last bit."""
    if isinstance(wanted, torch.Tensor):
        return found.dtype == wanted.dtype and found.numpy().tobytes() == wanted.numpy().tobytes()
    if isinstance(wanted, dict):
        return list(found) == list(wanted) and all(same(found[key], wanted[key]) for key in wanted)
    if isinstance(wanted, list | tuple):
        return len(found) == len(wanted) and all(map(same, found, wanted))
    return found == wanted


@pytest.mark.parametrize("place", ["anywhere", "the pickle", "the directory", "a tensor"])
def test_a_flipped_bit_is_refused_or_changes_nothing(place, fitted, tmp_path):
    whole = fitted / "checkpoints" / "last.ckpt"
    raw, path = whole.read_bytes(), tmp_path / "flipped.ckpt"
    wanted, draw, places = read_checkpoint(whole), random.Random(0), parts(raw)[place]
    refusals = 0
    for _ in range(FLIPS // 4):
        flipped = bytearray(raw)
        flipped[draw.choice(places)] ^= 1 << draw.randrange(8)
        path.write_bytes(flipped)
        try:
            found = read_checkpoint(path)
        except ValueError as error:
            assert "\n" not in str(error) and str(path) in str(error)
            refusals += 1
            with pytest.raises(ValueError, match=r"flipped.ckpt' is"):
                trained_task(path)
        else:
            assert same(found, wanted)
    assert refusals > FLIPS // 16


def flipped_tensor(path, source):
    """A copy in which one bit of the greatest tensor is another."""
    raw = bytearray(source.read_bytes())
    raw[parts(bytes(raw))["a tensor"][-1] - 100] ^= 1
    path.write_bytes(raw)


def compressed(path, source):
    """A copy with records that unfold."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for record in old.infolist():
            new.writestr(record.filename, old.read(record))


def state(source):
    return torch.load(source, weights_only=True)["state_dict"]


def with_entries(**entries):
    return lambda path, source: torch.save(torch.load(source, weights_only=True) | entries, path)


def without(*keys):
    def write(path, source):
        whole = torch.load(source, weights_only=True)
        torch.save({key: value for key, value in whole.items() if key not in keys}, path)

    return write


def first_is(value):
    def write(path, source):
        whole = torch.load(source, weights_only=True)
        next(iter(whole["state_dict"].values())).flatten()[0] = value
        torch.save(whole, path)

    return write


ODD = {
    "a flipped tensor": (flipped_tensor, "checksum of its record"),
    "compressed": (compressed, "not stored as torch.save stores them"),
    "empty": (lambda path, source: path.touch(), "corrupt, truncated"),
    "text": (lambda path, source: path.write_text("weights: 1"), "no archive as torch.save writes it"),
    "a folder": (lambda path, source: path.mkdir(), "no checkpoint"),
    "None": (lambda path, source: torch.save({"state_dict": None}, path), "no 'state_dict'"),
    "a number": (lambda path, source: torch.save({"state_dict": 3}, path), "'state_dict' is a int"),
    "nothing in it": (lambda path, source: torch.save({"state_dict": {}}, path), "missing: network.0.weight"),
    "a plain state_dict": (lambda path, source: torch.save(state(source), path), "no 'state_dict'"),
    "weights alone": (
        lambda path, source: torch.save({"state_dict": state(source)}, path),
        "no training checkpoint: it has no 'epoch'",
    ),
    "texts for weights": (
        lambda path, source: torch.save({"state_dict": dict.fromkeys(state(source), "x")}, path),
        "network.0.weight str for (4, 3, 3, 3)",
    ),
    "numbers for names": (
        lambda path, source: torch.save({"state_dict": {1: torch.ones(1), "a": 2}}, path),
        "surplus: 1, a",
    ),
    "no version": (without("pytorch-lightning_version"), "no 'pytorch-lightning_version'"),
    "an odd version": (with_entries(**{"pytorch-lightning_version": "new"}), "cannot be restored"),
    "NaN": (first_is(torch.nan), "the weights' 'network.0.weight' has 1 of 108 values that are NaN"),
    "infinity": (first_is(-torch.inf), "network.0.weight"),
}
OTHER = {"state": {}, "param_groups": []}
OF_A_TRAINING = {
    "no optimizer": (without("optimizer_states"), "no 'optimizer_states'"),
    "no loops": (without("loops"), "no 'loops'"),
    "other loops": (with_entries(loops={}), "cannot be restored (KeyError"),
    "another optimizer": (
        with_entries(optimizer_states=[{"state": {}, "param_groups": []}]),
        "cannot be restored",
    ),
    "an odd schedule": (with_entries(lr_schedulers=[3]), "cannot be restored"),
    "odd callbacks": (with_entries(callbacks={"x": 1}, epoch="two"), "'epoch' is a str"),
}
CASES = [
    *(("fit", name) for name in ODD),
    *(("test", name) for name in ("a flipped tensor", "weights alone", "an odd version", "NaN")),
    *((command, "None") for command in ("validate", "test", "predict")),
    *(("fit", name) for name in OF_A_TRAINING),
]


@pytest.mark.parametrize(("command", "name"), CASES)
def test_what_is_no_checkpoint_is_refused_in_a_line(command, name, fitted, capsys, tmp_path):
    write, part = (ODD | OF_A_TRAINING)[name]
    path = tmp_path / "odd.ckpt"
    write(path, fitted / "checkpoints" / "last.ckpt")
    said = refused(capsys, command, *SMALL, "--output", str(tmp_path / "run"), "--ckpt_path", str(path))
    assert part in said and str(path) in said, said
    assert not list((tmp_path / "run").glob("checkpoints/*"))


def test_a_file_from_before_checksums_is_read_where_weights_of_others_are(fitted, tmp_path):
    weights = state(fitted / "checkpoints" / "last.ckpt")
    path = tmp_path / "old.pth"
    torch.save(weights, path, _use_new_zipfile_serialization=False)
    assert same(read_tensors(path, checked=False), dict(weights))
    with pytest.raises(UnreadableError, match="no archive"):
        read_tensors(path)


def test_a_checkpoint_that_is_replaced_while_it_is_read_is_one_of_the_two(fitted, tmp_path, monkeypatch):
    """What was verified is what is read: both from one opening of the file."""
    path, real = tmp_path / "last.ckpt", torch.load
    shutil.copy(fitted / "checkpoints" / "last.ckpt", path)

    def replaced_first(file, **settings):
        other = tmp_path / "other"
        other.write_bytes(b"another file")
        other.replace(path)
        return real(file, **settings)

    monkeypatch.setattr(torch, "load", replaced_first)
    assert read_checkpoint(path)["global_step"] == 16
