"""Which attentions of a forward pass follow each other on one set of nodes."""

from __future__ import annotations

from collections.abc import Sequence

from gsp_nonlocal.probe import CrossTrace, SpectralProbe, Trace

Layers = Sequence[tuple[str, Trace]]

_REMEDY = "choose layers of one set of nodes with paths=[...]"


def layers_of(probe: SpectralProbe) -> Layers:
    """Every trace with its path, in the order of the forward pass.

    Raises:
        ValueError: where they are none, or not all on the same nodes.
    """
    check_layers(probe.in_order, probe.crossings)
    return probe.in_order


def check_layers(layers: Layers, crossings: dict[str, list[CrossTrace]]) -> None:
    """Raise unless all layers are graphs on the same nodes of as many images."""
    if crossings:
        path, (found, *_) = next(iter(crossings.items()))
        nodes, sources = found.weights.shape[1:]
        raise ValueError(
            f"{named(path)} joins {sources} nodes to {nodes} others (cross-attention, or pooled keys); such "
            f"layers have no common nodes to follow; {_REMEDY}, or ask cross_relevance(model, inputs)"
        )
    if not layers:
        raise ValueError("no attention to follow: run the model inside of the probe first")
    check_windows(layers)
    _check_counts(layers)


def check_windows(layers: Sequence[tuple[str, Trace | CrossTrace]]) -> None:
    """Raise where a layer has windows, and it is not known where they lie."""
    for path, trace in layers:
        if trace.windows > 1:
            raise ValueError(
                f"{named(path)} has {trace.windows} windows of {trace.signal.shape[1]} nodes an image, and "
                f"where they lie is not known; {_REMEDY}"
            )


def images_of(trace: Trace | CrossTrace) -> int:
    """How many images a trace is of."""
    return len(trace.signal) // trace.graphs


def _check_counts(layers: Layers) -> None:
    found: dict[tuple[int, int], list[str]] = {}
    for path, trace in layers:
        found.setdefault((trace.shift.shape[-1], images_of(trace)), []).append(named(path))
    if len(found) > 1:
        said = "; ".join(
            f"{nodes} nodes of {images} images: {', '.join(paths[:3])}{' …' if len(paths) > 3 else ''}"
            for (nodes, images), paths in found.items()
        )
        raise ValueError(f"layers that follow each other have the same nodes; here are {said}; {_REMEDY}")


def named(path: str) -> str:
    """A path for people."""
    return path or "the model itself"
