"""The model card: what the blocks of a network are as graph filters, their responses and spectra."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gsp_nonlocal.blocks import NonlocalBlock
from gsp_nonlocal.insert import inserted_blocks
from gsp_nonlocal.insert.passes import undisturbed
from gsp_nonlocal.nodes import to_nodes
from gsp_nonlocal.shifts import ShiftOperator
from gsp_nonlocal.shifts.structure import has_closed_spectrum
from gsp_nonlocal.spectral import Response, Spectrum, block_response, spectrum

PICTURE = "spectra.png"
_GRID = torch.linspace(0, 2, 5, dtype=torch.float64)
_QUARTILES = ("least λ", "quarter", "median", "three quarters", "greatest λ")
_ALL, _SOME = 1024, 24
"""Up to so many nodes all eigenvalues are found; beyond, so many of the greatest ``|μ|``."""


@dataclass(frozen=True, eq=False)
class BlockSpectrum:
    """What a card says of a block: its ``response``, ``None`` where it is not linear, and the spectrum
    ``found`` of graphs of so many ``nodes``, ``None`` also without images."""

    path: str
    block: NonlocalBlock
    response: Response | None
    found: Spectrum | None = None
    nodes: int = 0


@torch.no_grad()
def spectra_of(network: nn.Module, images: Tensor | None) -> list[BlockSpectrum]:
    """Responses of all inserted blocks, and the spectra of the graphs that they make of ``images``."""
    records = [(r.path, r.block) for r in inserted_blocks(network) if isinstance(r.block, NonlocalBlock)]
    maps = {} if images is None else _maps(network, dict(records), images)
    return [_spectrum(path, block, maps.get(path)) for path, block in records]


def model_card(
    config: Mapping[str, Any], spectra: Sequence[BlockSpectrum], metadata: Mapping[str, Any]
) -> str:
    """The card in Markdown, with its ``metadata`` in front.

    Args:
        config: of the network.
        spectra: of its blocks.
        metadata: ``library_name``, ``tags``, ``license``, …: plain values.
    """
    from huggingface_hub import ModelCardData

    return "\n".join(
        [
            f"---\n{ModelCardData(**metadata)}\n---\n",
            f"# {config['architecture']} with {len(spectra)} nonlocal block{'s' * (len(spectra) != 1)}\n",
            "```python\nfrom gsp_nonlocal.interop.hub import HubNetwork\n",
            'model = HubNetwork.from_pretrained("<this folder or repository>")\n```\n',
            "A block lets all positions of a map see each other: a filter on the graph of a shift `S`.\n",
            *_sections(config, spectra),
        ]
    )


def _sections(config: Mapping[str, Any], spectra: Sequence[BlockSpectrum]) -> Iterable[str]:
    if not spectra:
        return
    yield "## Blocks\n"
    yield _table(["after", "block", "channels", "shift", "response", "bound"], map(_block_row, spectra))
    yield "## Responses\n"
    yield "Mean gain of the linear part of the first unit, before norm and gate, at the graph frequency λ.\n"
    yield _table(["after", "gate γ", *(f"λ = {lam:g}" for lam in _GRID), "kind"], map(_gain_row, spectra))
    yield "## Spectra\n"
    if any(one.found is not None for one in spectra):
        yield "Graph frequencies λ = 1 − μ of the shifts of a few images, all of them together.\n"
        yield _table(["after", "nodes", "eigenvalues", *_QUARTILES], map(_spectrum_row, spectra))
    else:
        yield "No images were given; `HubNetwork(…, images=x)` shows the graphs that blocks make of them.\n"
    if find_spec("matplotlib") is not None:
        yield f"![Spectra and responses of the blocks]({PICTURE})\n"
    yield "## Settings\n"
    for path, record in config["blocks"].items():
        yield f"- `{path}`: `{json.dumps(record['settings'])}`"


def draw_spectra(spectra: Sequence[BlockSpectrum], path: Path) -> None:
    """A panel a block: how many eigenvalues are where, and the mean gain. Nothing without matplotlib."""
    if not spectra or find_spec("matplotlib") is None:
        return
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 2.4 * len(spectra)), layout="constrained")
    for axes, one in zip(figure.subplots(len(spectra), squeeze=False)[:, 0], spectra, strict=True):
        axes.set(title=f"{type(one.block).__name__} after {one.path}", xlabel="graph frequency λ")
        if one.found is not None:
            frequencies = one.found.frequencies.real.flatten().cpu().numpy()
            axes.hist(frequencies, bins=60, color="0.75")
            axes.set(ylabel="eigenvalues", yscale="log", ylim=(0.7, None))
            axes.minorticks_off()
        if one.response is not None:
            gains = axes.twinx()
            gains.plot(one.response.frequencies, one.response.mean_gain)
            gains.set(ylabel="mean gain", ylim=(0, None))
    figure.savefig(path)


def _maps(network: nn.Module, blocks: Mapping[str, nn.Module], images: Tensor) -> dict[str, Tensor]:
    """What each block gets in a pass of ``images``."""
    maps: dict[str, Tensor] = {}
    handles = []
    for path, block in blocks.items():

        def note(_: nn.Module, args: tuple[Tensor], path: str = path) -> None:
            maps[path] = args[0]

        handles.append(block.register_forward_pre_hook(note))
    try:
        with undisturbed(network):
            network(images)
    finally:
        for handle in handles:
            handle.remove()
    return maps


def _spectrum(path: str, block: NonlocalBlock, x: Tensor | None) -> BlockSpectrum:
    """Response and spectrum of the first unit, each where there is one."""
    if getattr(block.affinity, "sub_sample", None) == "max":
        return BlockSpectrum(path, block, None)
    if x is None:
        return BlockSpectrum(path, block, block_response(block))
    with undisturbed(block):
        shift: ShiftOperator = block.shift(x)
        own = block.units[0].affinity
        if own is not None:
            shift = shift + own(to_nodes(x), x.shape[2:])
        nodes = shift.shape[-1]
        whole = has_closed_spectrum(shift) or nodes <= _ALL
        return BlockSpectrum(
            path, block, block_response(block), spectrum(shift, None if whole else _SOME), nodes
        )


def _block_row(one: BlockSpectrum) -> list[str]:
    said = one.block.describe()
    return [
        f"`{one.path}`",
        type(one.block).__name__,
        f"{one.block.channels}",
        said.shift,
        said.response,
        said.spectrum,
    ]


def _gain_row(one: BlockSpectrum) -> list[str]:
    gate = one.block.units[0].gate
    start = [f"`{one.path}`", "none" if gate is None else f"{gate.item():.3g}"]
    if one.response is None:
        return [*start, *["–"] * len(_GRID), "max pooling is not linear"]
    nearest = [int((one.response.frequencies.cpu() - lam).abs().argmin()) for lam in _GRID]
    return [*start, *(f"{gain:.3g}" for gain in one.response.mean_gain[nearest]), one.response.kind]


def _spectrum_row(one: BlockSpectrum) -> list[str]:
    if one.found is None:
        return [f"`{one.path}`", *["–"] * 7]
    values = one.found.frequencies.real.cpu()
    which = "all" if one.found.is_complete else f"{values.shape[-1]} of greatest |μ|"
    quartiles = values.flatten().quantile(torch.linspace(0, 1, 5, dtype=values.dtype))
    return [
        f"`{one.path}`",
        f"{one.nodes}",
        which,
        *(f"{value:.3f}".replace("-0.000", "0.000") for value in quartiles),
    ]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = [list(head), ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells) + "\n"
