"""Networks of every source are analysed from the command line, and bad input is named before any work."""

import os
import re
import struct
import sys
import warnings
import zlib
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning import Trainer
from PIL import Image
from safetensors.torch import save_file

import experiments.analyze as command
from experiments.cli import main as train
from experiments.data import CuedScenes, Digits
from experiments.networks import trained_task
from experiments.tasks import Classification, Segmentation
from gsp_nonlocal import NonlocalBlock
from gsp_nonlocal.analysis import snapshot
from gsp_nonlocal.analysis.quantities import Limits
from gsp_nonlocal.cli.analyze import labels as told_apart
from gsp_nonlocal.cli.networks import library_model
from gsp_nonlocal.cli.pictures import Format, read_pictures
from gsp_nonlocal.weights import load_weights
from tests.experiments.conftest import SMALL

VIT = ("timm.vit_tiny_patch16_224", {"img_size": 32, "depth": 1, "embed_dim": 16, "num_heads": 2})
VIT_OPTIONS = ["--model", VIT[0], "--model_options", re.sub("'", '"', str(VIT[1]))]


def saved(task, path):
    """A checkpoint of an untrained task, as Lightning writes it."""
    trainer = Trainer(logger=False, accelerator="cpu", enable_checkpointing=False)
    trainer.strategy.connect(task)
    path.parent.mkdir(parents=True, exist_ok=True)
    trainer.save_checkpoint(path, weights_only=False)
    return path


def changed(source, path, **entries):
    """A copy of a checkpoint with other entries."""
    torch.save(torch.load(source, weights_only=True) | entries, path)
    return path


def analysed(*arguments):
    return command.analyse(command.parser().parse_args([*map(str, arguments)]))


def refused(capsys, *arguments):
    """What the command says; it must exit with code 2 and leave no traceback."""
    with pytest.raises(SystemExit) as stop:
        command.main([*map(str, arguments)])
    said = capsys.readouterr().err
    assert stop.value.code == 2 and "Traceback" not in said
    return " ".join(said.split())


class Code:
    def __reduce__(self):
        return exec, ("raise SystemExit('code of a checkpoint was run')",)


def gradient(height=6, width=8):
    return np.linspace(0, 255, height * width * 3).reshape(height, width, 3).astype(np.uint8)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Checkpoints, weights, pictures and files that are none, by name."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("files")
    paths = {
        "scenes": saved(Segmentation(channels=4), folder / "order3" / "best.ckpt"),
        "scenes_nl": saved(Segmentation(None, channels=4, block="nl"), folder / "nl" / "best.ckpt"),
        "digits": saved(Classification(block="nl"), folder / "digits.ckpt"),
        "colours": saved(Classification(in_channels=3), folder / "colours.ckpt"),
        "code": folder / "code.ckpt",
        "text": folder / "text.ckpt",
        "numbers": folder / "numbers.pth",
        "half": folder / "half.ckpt",
        "photo": folder / "photo.png",
        "notes": folder / "notes.txt",
        "album": folder / "album",
        "empty": folder / "empty",
        "missing": folder / "missing",
    }
    torch.save({"state_dict": Code()}, paths["code"])
    paths["text"].write_text("not a checkpoint", encoding="utf-8")
    torch.save({"epoch": 3, "loss": 0.5}, paths["numbers"])
    paths["half"].write_bytes(paths["digits"].read_bytes()[:5000])
    paths["nan"] = changed(paths["scenes"], folder / "nan.ckpt", state_dict=broken(paths["scenes"]))
    paths["other_settings"] = changed(
        paths["scenes"], folder / "other.ckpt", hyper_parameters={"filter": "chebyshev", "channels": 8}
    )
    digits = torch.load(paths["digits"], weights_only=True)["state_dict"]
    for key in (key for key in digits if key.endswith("gate")):
        digits[key] = torch.full_like(digits[key], torch.nan)
    paths["nan_gate"] = changed(paths["digits"], folder / "nan_gate.ckpt", state_dict=digits)
    paths["flipped"] = folder / "flipped.ckpt"
    raw = bytearray(paths["digits"].read_bytes())
    raw[len(raw) // 2] ^= 8
    paths["flipped"].write_bytes(raw)
    paths["pipe"] = folder / "pipe"
    os.mkfifo(paths["pipe"])
    Image.fromarray(gradient()).save(paths["photo"])
    paths["notes"].write_text("not a picture", encoding="utf-8")
    for name in ("album", "empty"):
        paths[name].mkdir()
    (paths["album"] / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0 torn")
    return {name: str(path) for name, path in paths.items()}


def broken(path):
    state = torch.load(path, weights_only=True)["state_dict"]
    state["network.0.weight"] = torch.full_like(state["network.0.weight"], torch.nan)
    return state


def scenes(count):
    return torch.stack([CuedScenes(eval_scenes=count).scenes["test"][index][0] for index in range(count)])


@pytest.mark.parametrize(
    ("name", "images", "task"),
    [
        ("digits", lambda: Digits().tensors("test")[0][:2], Classification(block="nl")),
        ("scenes", lambda: scenes(2), Segmentation(channels=4)),
    ],
)
def test_a_checkpoint_is_analysed_on_its_own_test_images(name, images, task, files):
    [found] = analysed("--checkpoint", files[name], "--count", 2, "--graphs", 1)
    task.load_state_dict(torch.load(files[name], weights_only=True)["state_dict"])
    torch.testing.assert_close(found.images, images(), rtol=0, atol=0)
    assert found.snapshot == snapshot(task, images(), limits=Limits(graphs=1))


def test_a_training_from_the_command_line_is_analysed(tmp_path):
    quiet = ["--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false"]
    short = ["--data.train_scenes=8", "--data.batch_size=4", "--trainer.val_check_interval=2"]
    train(["fit", *SMALL, *short, *quiet, "--output", str(tmp_path)])
    best = tmp_path / "checkpoints" / "best.ckpt"
    settings = torch.load(best, weights_only=True)["hyper_parameters"]
    added = {"_class_path": "experiments.tasks.Segmentation", "_instantiator": "lightning.pytorch.cli"}
    other = changed(best, tmp_path / "other.ckpt", hyper_parameters=settings | added)
    for path in (best, other):
        [block] = analysed("--checkpoint", path, "--count", 1, "--graphs", 1)[0].snapshot.blocks
        assert (block.name, block.nodes) == ("network.8", 36 * 36)


@pytest.fixture(scope="module")
def compared(files, tmp_path_factory):
    """The arguments of a comparison, its folder, and what was printed on 80 columns."""
    folder = tmp_path_factory.mktemp("compared") / "new" / "analysis"
    arguments = ["--checkpoint", files["scenes"], files["scenes_nl"], "--count", "1", "--output", str(folder)]
    with command.console.capture() as printed:
        assert command.main(arguments) == 0
    return arguments, folder, printed.get()


def test_checkpoints_are_compared_on_one_page(compared):
    _, folder, printed = compared
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert all(f'"snapshot":"{label}"' in page for label in ("order3", "nl"))
    assert {path.name for path in folder.iterdir()} > {"analysis.json", "measures.csv", "eigenvalues.csv"}
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert str(folder / "index.html") in printed.splitlines()[-3]


def test_the_table_fits_80_columns_and_the_next_command_is_understood(compared):
    arguments, _, printed = compared
    lines = printed.splitlines()
    start = lines.index("Segmentation nl")
    heading, name, numbers = lines[start + 1 : start + 4]
    assert name == "network.8 (NL, low-pass)"
    assert heading.split()[:3] == ["N", "|μ|", "rank"] and numbers.split()[0] == "1296"
    assert len(heading) == len(numbers) < 80
    following = lines[-1].split()
    assert following[:3] == ["python", "-m", "experiments.analyze"]
    chosen = command.parser().parse_args(following[3:])
    assert chosen.weights == arguments[1:3]
    assert (chosen.blocks, chosen.output) == (["network.8"], f"{arguments[-1]}_one_block")


def test_an_older_analysis_is_replaced_only_on_request(compared, capsys, monkeypatch):
    arguments, folder, _ = compared
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with monkeypatch.context() as patch:
        patch.setattr(command, "analyze", lambda *a, **k: pytest.fail("analysed"))
        assert "--overwrite" in refused(capsys, *arguments)
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    command.main([*arguments, "--overwrite", "--graphs", "1", "--checkpoint", arguments[1]])
    assert '"snapshot":"nl"' not in (folder / "index.html").read_text(encoding="utf-8")
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


@pytest.mark.parametrize(
    ("paths", "labels"),
    [
        (["runs/a.ckpt"], [""]),
        (["runs/3/best.ckpt", "runs/10/best.ckpt"], ["3", "10"]),
        (["a/x/best.ckpt", "a/y/last.ckpt"], ["x/best", "y/last"]),
        (["a.ckpt", "a.pth", "b.ckpt"], ["a.ckpt", "a.pth", "b.ckpt"]),
        (["run/v1.0", "run/v1.1"], ["run/v1.0", "run/v1.1"]),
        (["a", "a/b"], ["a", "a/b"]),
    ],
)
def test_labels_tell_checkpoints_apart(paths, labels):
    assert told_apart(paths) == labels


def under(prefix, state, **beside):
    return {f"{prefix}{key}": value for key, value in state.items()} | beside


def other(state):
    """The same weights changed, as a running average is."""
    return {key: value + 1 for key, value in state.items()}


ONE = torch.ones(1)
FORMS = {
    "plain.pth": lambda state: state,
    "lightning.ckpt": lambda state: {"state_dict": state, "epoch": 3},
    "timm.pth": lambda state: {"model": state, "epoch": 3},
    "parallel.pth": lambda state: under("module.", state),
    "compiled.pth": lambda state: {"model": under("module._orig_mod.", state)},
    "parallel of compiled.pth": lambda state: under("_orig_mod.module.", state),
    "parts compiled.pth": lambda state: {k.replace("attn.", "attn._orig_mod."): v for k, v in state.items()},
    "swa.pth": lambda state: under("module.model._orig_mod.", state, n_averaged=torch.tensor(3)),
    "task.ckpt": lambda state: {"state_dict": under("model.", state, **{"criterion.weight": ONE})},
    "nested.pth": lambda state: {"a": {"b": {"model_state": under("net.backbone.module.", state)}}},
    "script.pth": lambda state: {"args": Namespace(lr=0.1, kind="vit"), "model": state},
    "only ema.pth": lambda state: {"model_ema": state},
    "ema first.pth": lambda state: {"model_ema": other(state), "state_dict": state},
    "optimizer.pth": lambda state: {"optimizer": {"state": {0: {"exp_avg": ONE}}}, "net": state, "n": ONE},
    "half.pth": lambda state: {key: value.half() for key, value in state.items()},
}
SAID = {
    "swa.pth": "left out: n_averaged",
    "task.ckpt": "left out: criterion.weight",
    "ema first.pth": "under 'model_ema' too; read is 'state_dict'",
}


@pytest.mark.parametrize("name", [*FORMS, "plain.safetensors"])
def test_weights_of_a_librarys_model_are_read_in_every_form(name, tmp_path):
    torch.manual_seed(0)
    state, path = library_model(*VIT, [], None).model.state_dict(), tmp_path / name
    if name in FORMS:
        torch.save(FORMS[name](state), path)
    else:
        save_file(state, path)
    network = library_model(*VIT, [], path)
    for key, value in network.model.state_dict().items():
        torch.testing.assert_close(value, state[key], rtol=0, atol=1e-3 if name == "half.pth" else 0)
    assert network.form == Format(3, (32, 32), (0.5,) * 3, (0.5,) * 3)
    assert SAID[name] in " ".join(network.notes) if name in SAID else not network.notes
    assert network.trained and not library_model(*VIT, [], None).trained


def some(state, start, step=1):
    return dict(list(state.items())[start::step])


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        (lambda state: some(state, 0, 2), "missing: .*in all"),
        (lambda state: under("module.", some(state, 1)), r"\(missing: cls_token\)"),
        (lambda state: state | {"blocks.1.attn.qkv.weight": ONE}, r"surplus: blocks.1.attn.qkv.weight\)"),
        (lambda state: state | {"norm.weight": ONE}, r"of another shape: norm.weight \(1,\) for \(16,\)"),
        (lambda state: under("a.", some(state, 0, 2)) | under("b.", some(state, 1, 2)), "missing: "),
    ],
)
def test_weights_that_fit_in_part_are_refused(kept, said, tmp_path):
    torch.save(kept(library_model(*VIT, [], None).model.state_dict()), tmp_path / "part.pth")
    with pytest.raises(ValueError, match=said) as found:
        library_model(*VIT, [], tmp_path / "part.pth")
    assert len(str(found.value)) < 600


def test_counters_and_tied_weights_may_be_missing():
    tied = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2), torch.nn.Linear(2, 2))
    tied[2].weight = tied[0].weight
    state = {key: value + 1 for key, value in tied.state_dict().items()}
    left = {key: state[key] for key in state if key not in ("2.weight", "1.num_batches_tracked")}
    assert load_weights(tied, left, "a.pth", "") == []
    torch.testing.assert_close(tied[2].weight, state["0.weight"])


def test_the_options_of_a_model_say_what_images_it_takes(files):
    name, options = VIT
    form = library_model(name, options | {"img_size": [32, 48], "in_chans": 1}, [], None).form
    assert form == Format(1, (32, 48), (0.5,), (0.5,))
    images = ["--images", files["photo"], "--graphs", 1]
    [found] = analysed(*VIT_OPTIONS, *images, "--mean", 0, "--std", 2)
    assert found.images.shape == (1, 3, 32, 32)
    assert 0 <= found.images.min() < found.images.max() <= 0.5


def test_an_inserted_block_is_analysed_with_its_weights(files, tmp_path, capsys):
    model = ["--model", "torchvision.resnet34", "--insert", "layer3.4=snl", "--images", files["photo"]]
    network = library_model("torchvision.resnet34", {}, ["layer3.4=snl"], None)
    block = network.model.layer3[4].nonlocal_block
    assert isinstance(block, NonlocalBlock)
    torch.nn.init.constant_(block.stages[0].gate, 0.25)
    torch.save(network.model.state_dict(), tmp_path / "weights.pth")
    weights = ["--checkpoint", tmp_path / "weights.pth"]
    [found] = analysed(*model, *weights, "--size", 64, 64)
    assert [(b.name, b.nodes, b.gates) for b in found.snapshot.blocks] == [
        ("layer3.4.nonlocal_block", 16, [0.25])
    ]
    said = refused(capsys, *model[:2], *model[4:], *weights, "--output", tmp_path / "new")
    assert "surplus: layer3.4.nonlocal_block" in said and "name the model it was trained as" in said
    assert not (tmp_path / "new").exists()


def test_attention_of_torchvision_is_read(files):
    options = ["--model", "torchvision.vit_b_16", "--model_options", '{"image_size": 32}']
    with command.console.capture() as printed:
        [found] = analysed(*options, "--images", files["photo"], "--blocks", PLACE, "--graphs", 1)
    assert [(block.name, block.nodes) for block in found.snapshot.blocks] == [(PLACE, 5)]
    assert "random weights" in printed.get()


PLACE = "encoder.layers.encoder_layer_3.self_attention"


def test_no_model_of_torchvision_is_downloaded(monkeypatch):
    monkeypatch.setattr("torch.hub.load_state_dict_from_url", lambda *a, **k: pytest.fail("downloaded"))
    monkeypatch.setattr(
        "torchvision.models._api.load_state_dict_from_url", lambda *a, **k: pytest.fail("downloaded")
    )
    library_model("torchvision.lraspp_mobilenet_v3_large", {}, [], None)


@pytest.mark.parametrize(("package", "checkpoint"), [("timm", None), ("safetensors.torch", "a.safetensors")])
def test_a_package_that_is_not_installed_is_named(package, checkpoint, tmp_path, monkeypatch):
    (tmp_path / "a.safetensors").touch()
    monkeypatch.setitem(sys.modules, package, None)
    model = VIT if checkpoint is None else ("torchvision.resnet18", {})
    with pytest.raises(
        ValueError, match=rf"{package} is not installed: pip install 'gsp-nonlocal\[models\]'"
    ):
        library_model(*model, [], checkpoint and tmp_path / checkpoint)


def test_limits_reach_the_analysis(files):
    def graphs(*options):
        [block] = analysed("--checkpoint", files["digits"], "--count", 4, *options)[0].snapshot.blocks
        return [(graph.image, len(graph.eigenvalues)) for graph in block.graphs]

    assert graphs("--graphs", 3) == [(0, 64), (2, 64), (3, 64)]
    assert graphs("--nodes", 32, "--k", 3) == [(0, 3), (3, 3)]
    assert graphs("--nodes", 32, "--k", 3, "--large", 1) == graphs("--nodes", 32, "--k", 3, "--graphs", 1)


def picture(path, form=Format(3, (6, 8))):  # noqa: B008  (frozen)
    found = read_pictures([path], form, 1)
    assert not found.unreadable and found.files == [Path(path)]
    return found.images[0]


def pixels(image):
    """Colours between 0 and 1."""
    colours = image.convert("RGB") if isinstance(image, Image.Image) else image
    return torch.from_numpy(np.array(colours)).movedim(-1, 0) / 255


def test_pictures_of_every_mode_become_what_the_network_takes(tmp_path):
    colours = Image.fromarray(gradient())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for mode in ("RGB", "RGBA", "P", "L", "LA", "1"):
            colours.convert(mode).save(tmp_path / f"{mode}.png")
            torch.testing.assert_close(picture(tmp_path / f"{mode}.png"), pixels(colours.convert(mode)))
        colours.convert("P").save(tmp_path / "clear.png", transparency=bytes(range(256)))
        assert picture(tmp_path / "clear.png").shape == (3, 6, 8)
    colours.convert("CMYK").save(tmp_path / "print.jpg", quality=100)
    torch.testing.assert_close(picture(tmp_path / "print.jpg"), pixels(colours), rtol=0, atol=0.2)
    grey = picture(tmp_path / "RGB.png", Format(1, (6, 8), (0.5,), (2.0,)))
    torch.testing.assert_close(grey, (pixels(colours.convert("L"))[:1] - 0.5) / 2)


def test_16_bits_keep_their_range_and_rotation_is_respected(tmp_path):
    deep = np.linspace(0, 65535, 48).reshape(6, 8).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    wanted = torch.from_numpy(deep.astype(np.float32) / 65535).expand(3, 6, 8)
    torch.testing.assert_close(picture(tmp_path / "deep.png"), wanted, rtol=0, atol=0.5 / 255)
    exif = Image.Exif()
    exif[0x0112] = 6  # taken with the camera on its side
    Image.fromarray(gradient(8, 6)).save(tmp_path / "turned.png", exif=exif)
    torch.testing.assert_close(picture(tmp_path / "turned.png"), pixels(np.rot90(gradient(8, 6), -1)))


def deep(path, bits, white_is_0=False):
    """A grey TIFF of whole numbers, packed by hand: Pillow itself writes 16 bits alone."""
    greatest = 2**bits - 1
    values = np.linspace(0, greatest, 48).round().astype(np.uint32).reshape(6, 8)
    digits = "".join(f"{value:0{bits}b}" for value in values.flatten())
    packed = bytes(int(digits[k : k + 8], 2) for k in range(0, len(digits), 8))
    data = packed if bits == 12 else values.astype("<u2").tobytes()
    tags = {256: 8, 257: 6, 258: bits, 259: 1, 262: 1 - white_is_0, 273: 8, 277: 1, 278: 6, 279: len(data)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    head = struct.pack("<2sHI", b"II", 42, 8 + len(data))
    path.write_bytes(head + data + struct.pack("<H", len(tags)) + entries + bytes(4))
    return torch.from_numpy(values / greatest).expand(3, 6, 8).float()


@pytest.mark.parametrize(("bits", "white_is_0"), [(12, False), (16, False), (16, True)])
def test_whole_numbers_of_12_and_16_bits_keep_their_range(bits, white_is_0, tmp_path):
    wanted = deep(tmp_path / "deep.tif", bits, white_is_0)
    found = picture(tmp_path / "deep.tif")
    torch.testing.assert_close(found, 1 - wanted if white_is_0 else wanted, rtol=0, atol=0.6 / 255)


MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "I;16")


@pytest.mark.parametrize("mode", MODES)
def test_white_is_white_and_black_black_in_every_mode(mode, tmp_path):
    for name, level in (("black", 0), ("white", 255)):
        grey = Image.new("RGB", (8, 6), (level,) * 3)
        whole = Image.fromarray(np.full((6, 8), 257 * level, np.uint16)) if mode == "I;16" else None
        (whole or grey.convert("P" if mode == "PA" else mode).convert(mode)).save(tmp_path / f"{name}.tif")
        found = picture(tmp_path / f"{name}.tif")
        torch.testing.assert_close(found, torch.full((3, 6, 8), level / 255), rtol=0, atol=0)


def test_a_pgm_of_any_depth_keeps_its_range(tmp_path):
    for greatest in (255, 1023, 65535):
        values = np.linspace(0, greatest, 48).round().astype(">u2" if greatest > 255 else np.uint8)
        (tmp_path / "a.pgm").write_bytes(b"P5 8 6 %d\n" % greatest + values.tobytes())
        wanted = torch.from_numpy(values.astype(np.float32) / greatest).view(6, 8).expand(3, 6, 8)
        torch.testing.assert_close(picture(tmp_path / "a.pgm"), wanted, rtol=0, atol=0.6 / 255)


def test_the_first_picture_of_an_animation_is_read(tmp_path):
    frames = [Image.new("L", (8, 6), level) for level in (80, 160)]
    for ending in ("gif", "png", "tif", "webp"):
        path, lossless = tmp_path / f"a.{ending}", {"lossless": True} if ending == "webp" else {}
        frames[0].save(path, save_all=True, append_images=frames[1:], **lossless)
        torch.testing.assert_close(picture(path), torch.full((3, 6, 8), 80 / 255))
        assert "first is read" in read_pictures([path], Format(3, (6, 8)), 1).notes[path]
    frames[0].save(tmp_path / "still.gif")
    assert not read_pictures([tmp_path / "still.gif"], Format(3, (6, 8)), 1).notes


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_colours_of_16_bits_keep_their_range(tmp_path):
    values = np.linspace(0, 65535, 6 * 8 * 3).astype(">u2").reshape(6, 8, 3)
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    head = struct.pack(">IIBBBBB", 8, 6, 16, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    (tmp_path / "deep.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    wanted = torch.from_numpy(values.astype(np.float32) / 65535).movedim(-1, 0)
    torch.testing.assert_close(picture(tmp_path / "deep.png"), wanted, rtol=0, atol=1 / 255)


@pytest.mark.parametrize(("kind", "said"), [(np.int32, "32-bit whole"), (np.float32, "floating-point")])
def test_numbers_without_a_white_are_left_out(kind, said, tmp_path):
    Image.fromarray(np.arange(48, dtype=kind).reshape(6, 8) * 1000).save(tmp_path / "a.tif")
    with pytest.raises(ValueError, match=rf"a.tif: its pixels are {said} numbers .* save it as PNG"):
        read_pictures([tmp_path], Format(3, (6, 8)), 1)


def test_folders_are_read_in_order_and_files_that_are_no_pictures_named(tmp_path, monkeypatch):
    for number, name in enumerate(("b.png", "a.png", "d.png", ".hidden.png", "[red]c.png")):
        Image.new("L", (8, 6), 10 * number).save(tmp_path / name)
    whole = (tmp_path / "b.png").read_bytes()
    (tmp_path / "aa.png").write_bytes(whole[:45])
    (tmp_path / "ab.jpg").write_text("words", encoding="utf-8")
    (tmp_path / "ac.tif").touch()
    (tmp_path / "inside").mkdir()
    Image.new("F", (8, 6)).save(tmp_path / "ad.tif")
    Image.new("L", (300, 200)).save(tmp_path / "ae.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20_000)
    found = read_pictures([tmp_path, tmp_path / "a.png"], Format(1, (6, 8)), 4)
    assert [file.name for file in found.files] == ["[red]c.png", "a.png", "b.png", "d.png"]
    assert (255 * found.images[:, 0, 0, 0]).round().tolist() == [40, 10, 0, 20]
    reasons = {file.name: reason for file, reason in found.unreadable.items()}
    parts = ["truncated", "no image of a kind", "no image of a kind", "no known range", "decompression bomb"]
    assert list(reasons) == ["aa.png", "ab.jpg", "ac.tif", "ad.tif", "ae.png"]
    assert all(part in reason for part, reason in zip(parts, reasons.values(), strict=True)), reasons
    assert len(read_pictures([tmp_path], Format(1, (6, 8)), 99).images) == 4


def test_pictures_that_are_left_out_are_printed_as_they_are_called(files, tmp_path):
    (tmp_path / "[bold]:smile:.png").write_text("words", encoding="utf-8")
    (tmp_path / "[x]\n.png").write_text("words", encoding="utf-8")
    with command.console.capture() as printed:
        [found] = analysed(*VIT_OPTIONS, "--images", tmp_path, files["photo"], "--graphs", 1)
    assert f"left out: {tmp_path}/[bold]:smile:.png: no image of a kind" in printed.get()
    assert f"left out: {tmp_path}/[x]\\n.png: no image" in printed.get()
    assert found.images.shape == (1, 3, 32, 32)


TASK, PHOTO = ["--checkpoint", "{scenes}"], ["--images", "{photo}"]
LIBRARY = ["--model", "torchvision.resnet18", *PHOTO]
BAD = {
    "nothing": ([], ["give --checkpoint with", "--model"]),
    "no checkpoint": (["--checkpoint", "{missing}"], ["no checkpoint '{missing}'", "other --weights"]),
    "a folder": (["--checkpoint", "{album}"], ["no checkpoint '{album}'"]),
    "text": (["--checkpoint", "{text}"], ["'{text}' is corrupt or not plain data"]),
    "half": (["--checkpoint", "{half}"], ["'{half}' is corrupt"]),
    "code": (["--checkpoint", "{code}"], ["it names exec", "model.state_dict()"]),
    "no training": (["--checkpoint", "{numbers}"], ["no checkpoint of these experiments", "--model"]),
    "twice": (["--checkpoint", "{scenes}", "{scenes}"], ["given twice"]),
    "other settings": (["--checkpoint", "{other_settings}"], ["of another shape: network.0.weight (4, 3, 3"]),
    "no weights": ([*LIBRARY, "--checkpoint", "{numbers}"], ["'{numbers}' holds no weights", "--model"]),
    "other weights": (
        [*LIBRARY, "--checkpoint", "{scenes}"],
        ["missing: bn1.bias", "surplus: network.0.weight", "--model_options"],
    ),
    "other tasks": (["--checkpoint", "{scenes}", "{digits}"], ["digits does not take images of 3 × 36 × 36"]),
    "no images": (["--model", "torchvision.resnet18"], ["give --images, files or folders"]),
    "no own images": (["--checkpoint", "{colours}"], ["give --images"]),
    "no model": (["--model", "resnet18", *PHOTO], ["'resnet18'", "torchvision.<model>"]),
    "unknown": (["--model", "torchvision.resnet19", *PHOTO], ["torchvision.resnet19", "near", "resnet18"]),
    "unknown in timm": (["--model", "timm.test_vitt", *PHOTO], ["Unknown model", "near matches: test_vit"]),
    "options": ([*LIBRARY, "--model_options", "{{x"], ["--model_options is a JSON object", "'{{x'"]),
    "a list": ([*LIBRARY, "--model_options", "[1]"], ["--model_options is a JSON object", "'[1]'"]),
    "no such option": ([*LIBRARY, "--model_options", '{{"depth": 3}}'], ["cannot be built", "'depth'"]),
    "wrong option": (
        ["--model", "torchvision.vit_b_16", *PHOTO, "--model_options", '{{"image_size": 30}}'],
        ["cannot be built", "Input shape indivisible by patch size"],
    ),
    "unused options": ([*TASK, "--insert", "network.0=snl"], ["--insert", "give --model as well"]),
    "unused format": ([*TASK, "--size", "8", "8"], ["--size", "give --images as well"]),
    "no block": (LIBRARY, ["ResNet ran no nonlocal block", "register_reader"]),
    "unknown block": ([*LIBRARY, "--insert", "layer3.1=lm"], ["'layer3.1=lm'", "blocks are a2, anl"]),
    "two insertions": (
        [*LIBRARY, "--insert", "layer3.1=snl", "layer3.1=nl"],
        ["--insert names a path twice", "layer3.1=nl"],
    ),
    "no insertion": ([*LIBRARY, "--insert", "layer3.1"], ["--insert takes path=block", "'layer3.1'"]),
    "unknown path": ([*LIBRARY, "--insert", "layer9=snl"], ["no module 'layer9'", "layer4"]),
    "unknown blocks": ([*TASK, "--blocks", "network.7"], ["nothing to read at 'network.7'", "network.8"]),
    "count": ([*TASK, "--count", "0"], ["--count must be at least 1, got 0"]),
    "k": ([*TASK, "--k", "0"], ["k must be at least 1, got 0"]),
    "size": ([*TASK, *PHOTO, "--size", "0", "8"], ["size=(0, 8)", "at least 1"]),
    "one size": ([*TASK, *PHOTO, "--size", "8"], ["--size: expected 2 arguments"]),
    "mean": (
        [*TASK, *PHOTO, "--mean", "0", "1"],
        ["mean is one finite number, or one a channel", "(0.0, 1.0)"],
    ),
    "std": ([*TASK, *PHOTO, "--std", "1", "2", "3", "4"], ["std is one finite number, or one a channel"]),
    "no std": ([*TASK, *PHOTO, "--std", "0"], ["std=(0.0,) must be positive"]),
    "not finite": ([*TASK, *PHOTO, "--mean", "nan"], ["mean is one finite number", "nan"]),
    "no path": ([*TASK, *PHOTO, "{missing}"], ["no file or folder '{missing}'"]),
    "no file": ([*TASK, "--images", "{empty}"], ["no image can be read from {empty}", "no file there"]),
    "a pipe": ([*TASK, "--images", "{pipe}"], ["'{pipe}' (it is no regular file or folder)", "--images"]),
    "a device": ([*TASK, "--images", "/dev/zero"], ["'/dev/zero' (it is no regular file or folder)"]),
    "a pipe for weights": (["--checkpoint", "{pipe}"], ["no checkpoint '{pipe}'"]),
    "a flipped bit": (["--checkpoint", "{flipped}"], ["'{flipped}' is corrupt", "checksum of its record"]),
    "NaN in a gate": (
        ["--checkpoint", "{nan_gate}"],
        ["module network.layer3.1.nonlocal_block.stages.0: 1 of the 1 values of its 'gate' are NaN"],
    ),
    "unreadable": (
        [*TASK, "--images", "{album}", "{notes}"],
        ["no image can be read", "torn.jpg: ", "notes.txt: no image of a kind"],
    ),
    "too small": (
        ["--model", VIT[0], *PHOTO, "--size", "8", "8"],
        ["VisionTransformer does not take images of 3 × 8 × 8", "--size"],
    ),
}


@pytest.mark.parametrize(("arguments", "parts"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_named_before_any_work(arguments, parts, files, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "analyze", lambda *a, **k: pytest.fail("analysed"))
    given = [argument.format(**files) for argument in arguments]
    said = refused(capsys, *given, "--output", tmp_path / "new" / "analysis")
    assert all(part.format(**files) in said for part in parts), said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--checkpoint", "{scenes}", "{nan}"], ["nan: module network.0: ", "are NaN or infinite"]),
        ([*TASK, *PHOTO, "--size", "1030", "1030"], ["max_nodes=1048576", "--count, --size, --blocks"]),
    ],
)
def test_what_the_analysis_finds_leaves_no_folder(arguments, parts, files, capsys, tmp_path):
    given = [argument.format(**files) for argument in arguments]
    said = refused(capsys, *given, "--count", 1, "--output", tmp_path / "analysis")
    assert all(part in said for part in parts), said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "content",
    [
        {"state_dict": 1, "hyper_parameters": {"filter": "chebyshev"}},
        {"state_dict": {"network.0.weight": "x"}, "hyper_parameters": {"filter": "chebyshev"}},
        {"hyper_parameters": {"filter": "chebyshev"}},
        {"hyper_parameters": 3},
        {1: torch.zeros(2)},
        [torch.zeros(2)],
        torch.zeros(2),
    ],
)
def test_files_that_hold_something_else_are_refused(content, tmp_path):
    torch.save(content, tmp_path / "odd.ckpt")
    with pytest.raises(ValueError, match=r"odd.ckpt' (is no checkpoint|holds no weights)"):
        trained_task(tmp_path / "odd.ckpt")
    with pytest.raises(ValueError, match=r"odd.ckpt' holds no weights"):
        library_model(*VIT, [], tmp_path / "odd.ckpt")
