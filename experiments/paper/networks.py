"""Networks of the paper's grid as words of a command line: ``snl:filter=cayley,order=3``."""

import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Any

import yaml
from jsonargparse import ArgumentError, ArgumentParser

from experiments.tasks import Classification
from experiments.tasks.blocks import block_names

_GRIDS = {"self", "backbone", "num_classes", "in_channels", "image_size", "block", "depth"}
_PLACES = ("count", "layers", "at")
FLAGS = tuple(name for name in inspect.signature(Classification).parameters if name not in _GRIDS)
"""What a network may be given beside its block: arguments of ``Classification``."""
DEFAULTS: dict[str, dict[str, Any]] = {"cgnl": {"block_options": {"groups": 4}}}
"""What a block has beside its defaults, as in ``experiments.comparison``."""


@dataclass(frozen=True)
class Network:
    """A block, or ``none``, and flags of the task.

    Attributes:
        label: The word it is from, as in tables: ``"snl:order=3"``.
        block: Name of the block.
        flags: Values by name, as YAML.
    """

    label: str
    block: str
    flags: tuple[tuple[str, str], ...]

    @property
    def options(self) -> list[str]:
        """The network as options of ``python -m experiments fit``."""
        given = dict(self.flags)
        for name, value in DEFAULTS.get(self.block, {}).items():
            given.setdefault(name, yaml.safe_dump(value, default_flow_style=True).strip())
        if self.block == "none" or given.keys() & set(_PLACES):
            given = {**dict.fromkeys(_PLACES, "null"), **given}  # in place of the config's own
        block = f"--model.block={self.block}"
        return [block, *(f"--model.{name}={value}" for name, value in given.items())]

    @property
    def settings(self) -> dict[str, Any]:
        """The network as arguments of ``Classification``, read as the command line reads them.

        Raises:
            ValueError: If a value is of another type; names the flag.
        """
        try:
            given = _parser().parse_args(self.options).as_dict()["model"]
        except ArgumentError as error:
            raise ValueError(f"--blocks {self.label}: {error}") from error
        names = [option.removeprefix("--model.").partition("=")[0] for option in self.options]
        return {name: given[name] for name in names}


@cache
def _parser() -> ArgumentParser:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(Classification, "model")
    return parser


def parse_networks(words: Sequence[str]) -> list[Network]:
    """Return the networks of ``words``, each once.

    Raises:
        ValueError: As :func:`parse_network` does.
    """
    return list({network.label: network for network in map(parse_network, words)}.values())


def parse_network(word: str) -> Network:
    """Return the network of ``name`` or ``name:flag=value,flag=value``; a list is ``[a, b]``.

    Raises:
        ValueError: If the block or a flag is unknown (near matches are listed), or the word is no such form.

    >>> parse_network("snl:filter=cayley,order=3").options
    ['--model.block=snl', '--model.filter=cayley', '--model.order=3']
    >>> parse_network("nl:layers=[1,2]").options
    ['--model.block=nl', '--model.count=null', '--model.layers=[1,2]', '--model.at=null']
    """
    block, colon, rest = word.partition(":")
    _check("block", block, ["none", *block_names()], word)
    pairs = [_pair(part, word) for part in _split(rest)] if colon else []
    if len(dict(pairs)) < len(pairs):
        raise ValueError(f"--blocks {word}: a flag is given twice; give each once")
    return Network(word, block, tuple(pairs))


def _split(text: str) -> list[str]:
    """Split at the commas that are not within brackets."""
    return re.split(r",(?![^\[{]*[\]}])", text)


def _pair(part: str, word: str) -> tuple[str, str]:
    name, sign, value = part.partition("=")
    if not sign or not value:
        raise ValueError(f"--blocks {word}: {part!r} is no flag=value; write as snl:filter=cayley,order=3")
    _check("flag", name, FLAGS, word)
    return name, value


def _check(kind: str, name: str, known: Sequence[str], word: str) -> None:
    if name not in known:
        near = get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise ValueError(f"--blocks {word}: unknown {kind} {name!r}; {hint}choose one of {', '.join(known)}")
