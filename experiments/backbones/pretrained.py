"""Weights to start from: files of torchvision, timm, or of a training of one's own."""

import re
from pathlib import Path

from torch import Tensor, nn

from gsp_nonlocal.reading import read_checkpoint
from gsp_nonlocal.weights import fitting

_REMEDY = "give a file of weights of this backbone, or leave out pretrained"


def load_pretrained(network: nn.Module, path: str | Path) -> list[str]:
    """Load what fits of a file of weights, all but the first and the last layer at least.

    The first layer may be of other channels or another stem, the last of other classes; both then keep their
    random weights. Load before blocks are inserted.

    Args:
        network: The network without blocks.
        path: A file of ``torch.save`` or safetensors, with weights by key as
            :func:`~gsp_nonlocal.weights.fitting` finds them; also a checkpoint of a training without blocks.

    Returns:
        What was not loaded: a line for each key with the reason, and what else is in the file.

    Raises:
        ValueError: If the file cannot be read, has numbers that are NaN or infinite, or is of another
            network; keys that do not fit are listed.
    """
    content = read_checkpoint(path, checked=False, absent=_REMEDY, damaged=_REMEDY)
    source, own = fitting(network, content, path, _REMEDY), network.state_dict()
    found = {_stem(key): value for key, value in source.tensors.items()}
    _check_finite(found, path)
    alike = {key: value for key, value in found.items() if key in own and value.shape == own[key].shape}
    left = _differences(own, found)
    excused = _ends(network)
    wrong = [text for key, text in left.items() if not _under(key, excused)]
    if wrong:
        raise ValueError(f"'{path}' is of another network ({_few(wrong)}); {_REMEDY}")
    network.load_state_dict(alike, strict=False)
    return [*left.values(), *source.notes(path)]


def _stem(key: str) -> str:
    """The name in timm's deep ResNets of a weight of ResNetV1c, whose stem is one sequence."""
    return re.sub(r"^stem\.(?=\d)", "conv1.", re.sub(r"^stem\.7\.", "bn1.", key))


def _check_finite(found: dict[str, Tensor], path: str | Path) -> None:
    wrong = [key for key, value in found.items() if not value.isfinite().all()]
    if wrong:
        raise ValueError(f"'{path}' has NaN or infinity in {_few(wrong)}; {_REMEDY}")


def _differences(own: dict[str, Tensor], found: dict[str, Tensor]) -> dict[str, str]:
    """By key, how a file differs from the network; counters of batches may be missing."""
    texts = {key: f"{key} is missing" for key in own.keys() - found.keys() if "num_batches" not in key}
    texts |= {key: f"{key} is surplus" for key in found.keys() - own.keys()}
    for key in own.keys() & found.keys():
        if own[key].shape != found[key].shape:
            texts[key] = f"{key} is {tuple(found[key].shape)}, not {tuple(own[key].shape)}"
    return {key: texts[key] for key in sorted(texts)}


def _ends(network: nn.Module) -> list[str]:
    """Module paths of the first convolution and of the last linear layer."""
    named = list(network.named_modules())
    first = next((path for path, m in named if isinstance(m, nn.Conv1d | nn.Conv2d | nn.Conv3d)), None)
    last = [path for path, m in named if isinstance(m, nn.Linear)][-1:]
    return [path for path in [first, *last] if path is not None]


def _under(key: str, paths: list[str]) -> bool:
    return key.rpartition(".")[0] in paths


def _few(lines: list[str], most: int = 4) -> str:
    more = f"; … {len(lines)} in all" if len(lines) > most else ""
    return "; ".join(lines[:most]) + more
