"""Weights to start from: files of torchvision, timm, or of a training of one's own."""

from pathlib import Path

from torch import Tensor, nn

from gsp_nonlocal.reading import read_checkpoint, weights

_REMEDY = "give a file of weights of this backbone, or leave out pretrained"


def load_pretrained(network: nn.Module, path: str | Path) -> list[str]:
    """Load what fits of a file of weights, all but the first and the last layer at least.

    The first layer may be of other channels or another stem, the last of other classes; both then keep their
    random weights. Load before blocks are inserted.

    Args:
        network: The network without blocks.
        path: A file of ``torch.save`` or safetensors: weights by key, plain or under ``"state_dict"`` or
            ``"model"``.

    Returns:
        What was not loaded: a line for each key, with the reason.

    Raises:
        ValueError: If the file cannot be read, or is of another network; keys that do not fit are listed.
    """
    content = read_checkpoint(path, checked=False, absent=_REMEDY, damaged=_REMEDY)
    found, own = weights(content, path, _REMEDY), network.state_dict()
    fitting = {key: value for key, value in found.items() if key in own and value.shape == own[key].shape}
    left = _differences(own, found)
    excused = _ends(network)
    wrong = [text for key, text in left.items() if not _under(key, excused)]
    if wrong:
        raise ValueError(f"'{path}' is of another network ({_few(wrong)}); {_REMEDY}")
    network.load_state_dict(fitting, strict=False)
    return list(left.values())


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
