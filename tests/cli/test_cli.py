"""The installed command: what it writes and prints, how it refuses, and that the wheel holds it."""

import json
import subprocess
import sys
import tomllib
from argparse import Namespace
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from setuptools import find_packages

from gsp_nonlocal.blocks import describe_all, registry
from gsp_nonlocal.cli import COMMANDS, main
from gsp_nonlocal.cli.analyze import follow
from gsp_nonlocal.cli.networks import library_model

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
NAME, OPTIONS = "timm.vit_tiny_patch16_224", {"img_size": 32, "depth": 1, "embed_dim": 16, "num_heads": 2}
VIT = ["--model", NAME, "--model_options", json.dumps(OPTIONS)]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Weights of two models and a picture."""
    folder = tmp_path_factory.mktemp("files")
    for seed in (0, 1):
        torch.manual_seed(seed)
        torch.save(library_model(NAME, OPTIONS, [], None).model.state_dict(), folder / f"epoch{seed}.pth")
    Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(folder / "photo.png")
    (folder / "text.pth").write_text("no weights", encoding="utf-8")
    return folder


def refused(capsys, *arguments):
    """What the command says; it must end with code 2, in one line, with nothing printed."""
    with pytest.raises(SystemExit) as stop:
        main([*map(str, arguments)])
    said = capsys.readouterr()
    assert stop.value.code == 2 and said.out == ""
    assert said.err.count("\n") == 1 and said.err.startswith("gsp-nonlocal"), said.err
    return said.err


def test_checkpoints_of_a_librarys_model_are_compared(files, tmp_path, capsys):
    weights = [str(files / f"epoch{seed}.pth") for seed in (0, 1)]
    arguments = [*VIT, "--checkpoint", *weights, "--images", str(files / "photo.png"), "--graphs", "1"]
    assert main(["analyze", *arguments, "--output", str(tmp_path / "analysis")]) == 0
    said = capsys.readouterr()
    assert not said.err.startswith("gsp-nonlocal") and str(tmp_path / "analysis" / "index.html") in said.out
    assert all(f"VisionTransformer epoch{seed}" in said.out for seed in (0, 1))
    following = said.out.splitlines()[-1].split()
    assert following[:2] == ["gsp-nonlocal", "analyze"] and "--blocks" in following
    held = {path.name for path in (tmp_path / "analysis").iterdir()}
    assert held == {"index.html", "analysis.json", "measures.csv", "eigenvalues.csv", "figures"}


@pytest.mark.parametrize(
    ("given", "weights", "said"),
    [
        ("--images a b --output x", [], "--images a b --blocks last --count 32 --output x_one_block"),
        (
            "--count 2 --count=8 --blocks a b --graphs 4",
            [],
            "--graphs 4 --blocks last --count 32 --output x_one_block",
        ),
        ("--std -1 2 --std 1 2 3 --out x", [], "--std 1 2 3 --blocks last --count 32 --output x_one_block"),
        (
            "--checkpoint a.pth --overwrite",
            ["a.pth"],
            "--overwrite --weights a.pth ANOTHER.pth --output x_compared",
        ),
    ],
)
def test_the_next_command_gives_every_option_once(given, weights, said):
    chosen = Namespace(weights=weights, count=8, output="x")
    found = SimpleNamespace(blocks=[SimpleNamespace(name="last, application 2")])
    assert follow(["gsp-nonlocal", "analyze"], chosen, given.split(), found) == f"gsp-nonlocal analyze {said}"


BAD = {
    "nothing": ([], "command"),
    "unknown": (["analyse"], "'analyse'"),
    "unknown option": (["describe", "--chanels", "3"], "--chanels"),
    "unknown block": (["describe", "snll"], "unknown block 'snll'; choose one of: a2, "),
    "unknown format": (["describe", "--format", "html"], "'html'"),
    "no channels": (["describe", "snl", "--channels", "0"], "--channels must be at least 1, got 0"),
    "no width": (["describe", "--inner_channels", "-2"], "--inner_channels must be at least 1, got -2"),
    "no model": (["analyze", "--checkpoint", "{0}/epoch0.pth"], "give --model"),
    "no images": (["analyze", *VIT], "give --images"),
    "no library": (["analyze", "--model", "keras.x", "--images", "{0}"], "torchvision.<model>"),
    "no such class": (
        ["analyze", *VIT, "--images", "{0}/photo.png", "--weights", "{0}/epoch0.pth", "--target", "1000"],
        "classes are numbers from 0 to 999, got 1000",
    ),
    "no checkpoint": (
        ["analyze", *VIT, "--images", "{0}", "--checkpoint", "{0}/missing.pth"],
        "there is no checkpoint '{0}/missing.pth'; give other --weights",
    ),
    "no weights": (
        ["analyze", *VIT, "--images", "{0}", "--checkpoint", "{0}/text.pth"],
        "text.pth' is corrupt or not plain data",
    ),
}


@pytest.mark.parametrize(("arguments", "part"), BAD.values(), ids=BAD.keys())
def test_bad_input_ends_in_one_line(arguments, part, files, tmp_path, capsys):
    given = [argument.replace("{0}", str(files)) for argument in arguments]
    output = ["--output", tmp_path / "new"] if given[:1] == ["analyze"] else []
    said = refused(capsys, *given, *output)
    assert part.replace("{0}", str(files)) in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("package", "extra", "arguments"),
    [
        ("matplotlib", "report", []),
        ("PIL", "report", []),
        ("timm", "models", ["--model", "timm.vit_tiny_patch16_224"]),
        ("torchvision.models", "models", ["--model", "torchvision.resnet18"]),
    ],
)
def test_a_missing_extra_names_its_install_line(package, extra, arguments, files, tmp_path):
    """In a process of its own, in which nothing is imported yet."""
    program = f"import sys; sys.modules[{package!r}] = None; from gsp_nonlocal.cli import main; main()"
    given = ["analyze", *(arguments or VIT), "--images", str(files), "--output", str(tmp_path / "new")]
    ended = subprocess.run([sys.executable, "-c", program, *given], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 2 and f"pip install 'gsp-nonlocal[{extra}]'" in ended.stderr, ended.stderr
    assert len(ended.stderr.splitlines()) == 1 and not (tmp_path / "new").exists()
    assert extra in PROJECT["project"]["optional-dependencies"]


def printed(capsys, *arguments):
    assert main(["describe", *arguments]) == 0
    return capsys.readouterr().out


def test_the_unified_table_is_printed_in_every_format(capsys):
    blocks = {name: registry.get(name)(64) for name in registry.names()}
    assert printed(capsys, "--format", "markdown") == describe_all(blocks) + "\n"
    rows = {name: asdict(block.describe()) for name, block in blocks.items()}
    assert json.loads(printed(capsys, "--format", "json")) == rows
    text = printed(capsys)
    assert all(f"{name}\n{block.describe()}\n" in text for name, block in blocks.items())


def test_one_block_of_a_width_is_described(capsys):
    wanted = asdict(registry.get("snl")(16, 4).describe())
    arguments = ["snl", "--channels", "16", "--inner_channels", "4"]
    assert json.loads(printed(capsys, *arguments, "--format", "json")) == {"snl": wanted}
    assert "4 channels" in printed(capsys, *arguments)


def test_the_script_of_the_wheel_is_the_command():
    """Every package of the command is among those that the wheel takes, and the script names ``main``."""
    module, _, name = PROJECT["project"]["scripts"]["gsp-nonlocal"].partition(":")
    assert getattr(import_module(module), name) is main
    taken = find_packages(str(ROOT), **PROJECT["tool"]["setuptools"]["packages"]["find"])
    folders = {path.parent for path in (ROOT / "gsp_nonlocal").rglob("*.py")}
    assert {".".join(folder.relative_to(ROOT).parts) for folder in folders} <= set(taken)
    assert all(callable(import_module(f"{module}.{command}").main) for command in COMMANDS)


@pytest.mark.parametrize(("encoding", "part"), [("utf-8", "Σ_k T_k(μ) W_k"), ("ascii", r"\u03a3_k T_k")])
def test_the_table_is_printed_on_every_terminal(encoding, part):
    program = "import sys; from gsp_nonlocal.cli import main; sys.exit(main())"
    ended = subprocess.run(
        [sys.executable, "-c", program, "describe", "snl"],
        cwd=ROOT,
        capture_output=True,
        env={"PYTHONIOENCODING": encoding, "OMP_NUM_THREADS": "1"},
    )
    assert ended.returncode == 0 and part in ended.stdout.decode(encoding), ended.stderr


def test_a_reader_that_has_seen_enough_ends_the_table_in_silence():
    command = [sys.executable, "-m", "gsp_nonlocal.cli", "describe"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as started:
        started.stdout.close()
        assert started.stderr.read() == b""
    assert started.returncode == 0
