"""Maps over all layers, to be looked at beside the rows of each block."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor, nn

from gsp_nonlocal.analysis.model_inputs import Inputs
from gsp_nonlocal.attribution import relevance, rollout
from gsp_nonlocal.attribution.layers import layers_of
from gsp_nonlocal.probe import SpectralProbe, Trace
from gsp_nonlocal.probe.attention.traces import apply_shift
from gsp_nonlocal.report.explorer import View
from gsp_nonlocal.shifts import DenseShift
from gsp_nonlocal.spectral.layout import Layout

ROLLOUT = "all layers: rollout"
RELEVANCE = "all layers: relevance for class"
MEANS = {
    ROLLOUT: "What the position is made of after all layers, as half of each layer's mean attention and half "
    "of what came in; it knows nothing of the output.",
    RELEVANCE: "What the position collected over all layers that raises the score of the class, by attention "
    "and its gradient; the row of the token that the class is read from is the map.",
}
"""Said under a map whose name begins so."""


def rollout_of(probe: SpectralProbe, most: int) -> dict[str, Trace]:
    """The rollout by its name on the page, where two or more attentions follow each other on at most ``most``
    nodes; else nothing."""
    layers = probe.in_order
    if len(layers) < 2 or any(path in probe.blocks for path, _ in layers):
        return {}
    try:
        layers_of(probe)
    except ValueError:  # they have other nodes, so that there is no rollout to look at
        return {}
    trace = layers[0][1]
    if trace.shift.shape[-1] > most:
        return {}
    return {ROLLOUT: _as_trace(rollout(probe).to_dense(), trace.layout)}


def relevance_of(
    model: nn.Module, inputs: Inputs, target: int, probe: SpectralProbe, most: int
) -> dict[str, Trace]:
    """The relevance for a class by its name on the page, without the node's own: ``R − I``.

    Raises:
        ValueError: beyond ``most`` nodes, and where there is no relevance.
    """
    paths = None if probe.paths is None else sorted(probe.paths)
    layout = probe.in_order[0][1].layout
    nodes = layout.extra + layout.channels * layout.positions
    if nodes > most:
        raise ValueError(
            f"the relevance of {nodes} nodes is no map for this page, which forms matrices up to {most}; "
            "rows of it are attention_rows(gsp_nonlocal.attribution.relevance(model, inputs, target), nodes)"
        )
    matrix = relevance(model, inputs, target, paths=paths, max_nodes=probe.max_nodes).to_dense()
    own = torch.eye(nodes, dtype=matrix.dtype, device=matrix.device)
    return {f"{RELEVANCE} {target}": _as_trace(matrix - own, layout)}


def explained(views: Iterable[View]) -> list[View]:
    """The views, with a sentence on what a map over all layers is."""
    return [replace(view, note=f"{_meaning(view.path)} {view.note}".strip()) for view in views]


def _meaning(path: str) -> str:
    return next((said for name, said in MEANS.items() if path.startswith(name)), "")


def _as_trace(matrix: Tensor, layout: Layout) -> Trace:
    return Trace(DenseShift(matrix), matrix.new_empty(*matrix.shape[:2], 0), apply_shift, layout)
