"""Models of transformers and of one's own code, texts, and what a model makes of bad numbers."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    PreTrainedTokenizerFast,
    ViTConfig,
    ViTForImageClassification,
)

from gsp_nonlocal.analysis import snapshot
from gsp_nonlocal.analysis.quantities import Limits
from gsp_nonlocal.cli import main
from gsp_nonlocal.cli.networks import check_runs, library_model
from tests.cli.test_cli import refused

SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
WORDS = ["[UNK]", "[PAD]", "the", "<b>cat", "sat"]
OWN = """
import torch
from torch import nn

class Attention(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.embed = nn.Conv2d(3, width, 4, 4)
        self.attention = nn.MultiheadAttention(width, 2, batch_first=True)

    def forward(self, images):
        images.mul_(0)  # as an augmentation in place
        nodes = self.embed(images).flatten(2).mT
        return self.attention(nodes, nodes, nodes)[0]

def build(width=8):
    return Attention(width)

number, text = 3, dict
ended = exit
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with models of transformers, a module, texts and pictures."""
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    vision = ViTForImageClassification(ViTConfig(image_size=32, patch_size=8, **SMALL))
    vision.save_pretrained(folder / "vit")
    scaling = {"image_mean": [0.5, 0.25, 0], "image_std": [1, 1, 0.5], "size": {"height": 32, "width": 32}}
    (folder / "vit" / "preprocessor_config.json").write_text(json.dumps(scaling))
    CLIPTextModel(CLIPTextConfig(vocab_size=len(WORDS), max_position_embeddings=6, **SMALL)).save_pretrained(
        folder / "text"
    )
    tokens = Tokenizer(models.WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokens.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=tokens, unk_token="[UNK]", eos_token="[PAD]").save_pretrained(
        folder / "text"
    )
    torch.save(
        {"state_dict": {f"model.{k}": v + 1 for k, v in vision.state_dict().items()}}, folder / "more.ckpt"
    )
    (folder / "mine_15.py").write_text(OWN)
    (folder / "texts.txt").write_text("the <b>cat sat\n\nthe dog\nsat sat sat sat sat sat sat sat\n")
    (folder / "latin.txt").write_bytes("é".encode("latin-1"))
    (folder / "blank.txt").write_text("\n \n")
    Image.new("RGB", (8, 8), (250, 100, 50)).save(folder / "photo.png")
    return folder


def changed(place, name, **entries):
    """A copy of the folder ``vit`` whose weights are others, by the ends of their names in the file."""
    target = place / name
    target.mkdir(exist_ok=True)
    for file in (place / "vit").glob("*.json"):
        (target / file.name).write_text(file.read_text())
    state = load_file(place / "vit" / "model.safetensors")
    for end, value in entries.items():
        state[next((key for key in state if key.endswith(end)), end)] = value
    save_file(
        {k: v for k, v in state.items() if v is not None}, target / "model.safetensors", {"format": "pt"}
    )
    return target


def test_a_folder_of_transformers_is_read_with_its_weights_and_its_scaling(place):
    network = library_model(f"hf.{place / 'vit'}", {}, [], None)
    own = ViTForImageClassification.from_pretrained(place / "vit").state_dict()
    torch.testing.assert_close(network.model.state_dict(), own, rtol=0, atol=0)
    assert network.trained and network.keyword == "pixel_values" and network.form.size == (32, 32)
    assert (network.form.mean, network.form.std) == ((0.5, 0.25, 0), (1, 1, 0.5))


def test_a_config_a_kind_and_a_file_of_weights_are_read_too(place):
    bare = library_model(f"hf.{place / 'vit' / 'config.json'}", {"num_labels": 7}, [], None)
    assert not bare.trained and bare.model.classifier.out_features == 7
    kind = library_model("hf.vit", SMALL | {"image_size": 16, "num_channels": 1}, [], None)
    assert not kind.trained and kind.form.size == (16, 16) and kind.form.channels == 1
    loaded = library_model(
        f"hf.{place / 'vit' / 'config.json'}", {}, [], place / "more.ckpt"
    ).model.state_dict()
    own = library_model(f"hf.{place / 'vit'}", {}, [], None).model.state_dict()
    torch.testing.assert_close(loaded, {key: value + 1 for key, value in own.items()}, rtol=0, atol=0)


def test_a_callable_of_ones_own_is_read_and_its_images_stay_as_they_are(place, monkeypatch, undrawn, capsys):
    monkeypatch.chdir(place)
    arguments = ["--model", "mine_15:build", "--model_options", '{"width": 16}', "--images", "photo.png"]
    assert main(["analyze", *arguments, "--size", "8", "8", "--output", "own"]) == 0
    said = capsys.readouterr()
    assert "unless --size" in said.err and "attention (MultiheadAttention" in said.out
    network = library_model("mine_15:Attention", {"width": 4}, [], None)
    assert network.model.attention.embed_dim == 4
    images = torch.ones(1, 3, 8, 8)
    check_runs(network, images, None, "own")
    snapshot(network.model, images, limits=Limits(graphs=1))
    assert (images == 1).all()


def test_texts_are_analysed_and_their_words_are_on_the_page(place, tmp_path, undrawn, capsys):
    arguments = ["--model", f"hf.{place / 'text'}", "--text", str(place / "texts.txt"), "--graphs", "1"]
    assert main(["analyze", *arguments, "--output", str(tmp_path / "new")]) == 0
    assert "encoder.layers.0.self_attn (CLIPAttention" in capsys.readouterr().out
    page = (tmp_path / "new" / "index.html").read_text(encoding="utf-8")
    assert (
        '"words": ["the", "\\u003cb>cat", "sat", "[PAD]", "[PAD]", "[PAD]"]' in page and "<b>cat" not in page
    )
    [read] = json.loads((tmp_path / "new" / "analysis.json").read_text())["snapshots"]
    assert read["shape"] == [3, 6]  # cut to what the model takes


BAD = {
    "no text": (["hf.{0}/text", "--text", "{0}/none.txt"], "no file '{0}/none.txt'; give --text a file"),
    "other letters": (["hf.{0}/text", "--text", "{0}/latin.txt"], "latin.txt' is no text in UTF-8"),
    "blank": (["hf.{0}/text", "--text", "{0}/blank.txt"], "has no text in it"),
    "nothing given": (["hf.{0}/text"], "give --images, files or folders, or --text"),
    "no tokens": (["mine_15:build", "--text", "{0}/texts.txt"], "--text is for models of texts"),
    "fewer images": (
        ["hf.{0}/text", "--text", "{0}/texts.txt", "--images", "{0}/photo.png"],
        "as many images as texts, got 1 and 3",
    ),
    "no folder": (
        ["hf.{0}/vitt", "--images", "{0}"],
        "no folder, file or kind of model '{0}/vitt', and it cannot",
    ),
    "near": (
        ["hf.vitt", "--images", "{0}"],
        "without a network give a folder of the model; near matches: vit",
    ),
    "an empty folder": (["hf.{0}/empty", "--images", "{0}"], "cannot be built"),
    "missing weights": (
        ["hf.{0}/part", "--images", "{0}"],
        "not all of a ViTForImageClassification: missing vit.",
    ),
    "setting": (
        ["hf.{0}/vit", "--images", "{0}", "--model_options", '{{"hiden_size": 3}}'],
        "ViTConfig has no setting 'hiden_size'; near matches: hidden_size",
    ),
    "setting of a kind": (
        ["hf.vit", "--images", "{0}", "--model_options", '{{"a": 3}}'],
        "has no setting 'a'",
    ),
    "no module": (
        ["mine_16:build", "--images", "{0}"],
        "No module named 'mine_16'; its folder is to be the current",
    ),
    "no callable": (["mine_15:buld", "--images", "{0}"], "no function or class 'buld'; near matches: build"),
    "a number": (["mine_15:number", "--images", "{0}"], "no function or class 'number'"),
    "no model": (["mine_15:text", "--images", "{0}"], "text returned a dict, which is no nn.Module"),
    "an end": (["mine_15:ended", "--images", "{0}"], "its code ended the program"),
    "no such option": (
        ["mine_15:build", "--images", "{0}", "--model_options", '{{"depth": 3}}'],
        "unexpected keyword argument 'depth'",
    ),
    "other images": (
        ["hf.{0}/vit", "--images", "{0}/photo.png", "--size", "8", "16"],
        "does not take images of 3 × 8 × 16 (",
    ),
    "NaN": (
        ["hf.{0}/nan", "--images", "{0}/photo.png"],
        "module vit.layers.0.layernorm_before: 1 of the 16 values",
    ),
    "NaN unused": (
        ["mine_15:build", "--images", "{0}/photo.png", "--size", "8", "8", "--weights", "{0}/nan.pth"],
        "module attention: 1 of the 8 values of its 'out_proj.bias' are NaN",
    ),
    "half a file": (["mine_15:build", "--images", "{0}", "--weights", "{0}/half.pth"], "missing: attention."),
}


@pytest.fixture(scope="module")
def broken(place):
    """The folder with models and weights that are not as they should be."""
    (place / "empty").mkdir()
    (place / "noise.png").write_bytes(b"\x89PNG")
    changed(place, "part", **{"vit.layernorm.weight": None})
    spoiled = torch.ones(16)
    spoiled[3] = torch.nan
    changed(place, "nan", **{"layernorm_before.weight": spoiled, "classifier.bias": spoiled[2:4].clone()})
    space: dict = {}
    exec(OWN, space)
    state = space["Attention"](8).state_dict()
    torch.save({key: state[key] for key in state if "embed" in key}, place / "half.pth")
    state["attention.out_proj.bias"][0] = torch.nan
    torch.save(state, place / "nan.pth")
    return place


@pytest.mark.parametrize(("arguments", "part"), BAD.values(), ids=BAD.keys())
def test_bad_input_ends_in_one_line(arguments, part, broken, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(broken)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("gsp_nonlocal.cli.analyze.analyze", lambda *a, **k: pytest.fail("analysed"))
    given = [argument.format(broken) for argument in arguments]
    said = refused(capsys, "analyze", "--model", *given, "--output", tmp_path / "new")
    assert part.format(broken) in said and not list(tmp_path.iterdir())


def test_weights_beside_those_of_the_model_are_told(place):
    folder = changed(place, "beside", **{"teacher.weight": torch.ones(2)})
    assert library_model(f"hf.{folder}", {}, [], None).notes[0].endswith("left out: teacher.weight")


def test_names_with_markup_are_text_on_the_page(place, tmp_path, undrawn, monkeypatch, capsys):
    """A file's name is a label there, and a line break in it would end the line of the terminal."""
    monkeypatch.chdir(place)
    names = ["<img src=x>\n1.pth", "<img src=x>\n2.pth"]
    for seed, name in enumerate(names):
        torch.manual_seed(seed)
        torch.save(library_model("mine_15:build", {}, [], None).model.state_dict(), place / name)
    arguments = ["--model", "mine_15:build", "--weights", *names, "--images", "photo.png", "--size", "8", "8"]
    assert main(["analyze", *arguments, "--output", str(tmp_path / "new")]) == 0
    page = (tmp_path / "new" / "index.html").read_text(encoding="utf-8")
    assert "&lt;img src=x&gt;\\n1" in page and "<img src=x>" not in page
    assert "Attention <img src=x>\\n2" in capsys.readouterr().out
    assert Path(names[0]).is_file()


class Words(nn.Module):
    """Attention over the vectors of ids, masked by a keyword."""

    def __init__(self):
        super().__init__()
        self.vectors = nn.Embedding(5, 8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, input_ids, hidden=None):
        nodes = self.vectors(input_ids)
        return {"out": (self.attention(nodes, nodes, nodes, key_padding_mask=hidden)[0], "text")}


def test_ids_and_keywords_are_inputs_of_an_analysis():
    ids, limits = torch.tensor([[1, 2, 3], [4, 4, 0]]), Limits(graphs=1)
    plain = snapshot(Words(), ids, limits=limits)
    assert plain.shape == [2, 3] and plain.blocks[0].nodes == 3
    model, hidden = Words(), ids == 0
    masked = snapshot(model, {"input_ids": ids, "hidden": hidden}, limits=limits)
    assert masked.shape == [2, 3] and masked.blocks[0].nodes == 3
    assert "<td>attention</td><td>MultiheadAttention</td><td>3</td><td>2</td>" in masked._repr_html_()


@pytest.mark.parametrize(
    ("inputs", "error", "said"),
    [
        ({}, TypeError, "at least one; got none"),
        ({"input_ids": [[1]]}, TypeError, "{'input_ids': 'list'}"),
        (torch.zeros(2, 0).long(), ValueError, r"\(B, N\), got \(2, 0\)"),
        (torch.zeros(2, 3, 4).long(), TypeError, "int64.*float"),
        ({"input_ids": torch.zeros(2, 3).long(), "hidden": torch.zeros(1, 3)}, ValueError, "'hidden': 1"),
        (
            {"input_ids": torch.zeros(1, 3).long(), "a": torch.tensor([torch.nan])},
            ValueError,
            "of the a are NaN",
        ),
    ],
)
def test_inputs_that_are_none_are_named(inputs, error, said):
    with pytest.raises(error, match=said):
        snapshot(Words(), inputs)
