"""How much is carried along an edge, and how long the features of nodes are."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor, nn

from gsp_nonlocal.analysis.model_inputs import Inputs, check_inputs, run_copies
from gsp_nonlocal.probe import Trace, evaluation
from gsp_nonlocal.probe.attention.circuit import HeadResponse
from gsp_nonlocal.shifts.carried_norms import CarriedNorms


@torch.no_grad()
def norm_weighted(trace: Trace) -> CarriedNorms:
    r"""``‖Σ_h S^h_ij f^h(x_j)‖₂`` with ``f^h(x) = (x W_v^h + b_v^h) W_o^h``: what goes from ``j`` to ``i``.

    A great weight on a node whose values are almost 0, as attention sinks are, carries nothing. The sum over
    heads is one of vectors, and heads may cancel. Of a row, ``G² N`` numbers are held; ``N²`` by
    ``.to_dense()`` alone.

    Args:
        trace: of an attention whose map after the heads is known, which has a ``respond``.

    Returns:
        A shift ``(B, N, N)`` without negative entries, one graph an image.

    Raises:
        ValueError: where the map after the heads is not known: something else, such as a norm or a gate,
            stands between, or the block is none of heads.

    References:
        Kobayashi, Kuribayashi, Yokoi, Inui (2020), *Attention is Not Only a Weight*.

    Example:
        >>> from gsp_nonlocal.probe import SpectralProbe
        >>> model = nn.TransformerEncoderLayer(8, 2, batch_first=True).eval()
        >>> with SpectralProbe(model) as probe:
        ...     _ = model(torch.randn(4, 5, 8))
        >>> norm_weighted(probe.traces["self_attn"][0]).shape
        torch.Size([4, 5, 5])
    """
    responses = [] if trace.respond is None else trace.respond(None)
    maps = [found.filtered[0] for found in responses if isinstance(found, HeadResponse)]
    if len(maps) != trace.graphs or trace.windows > 1:
        raise ValueError(
            "the map W_o after the heads of this attention is not known: something stands between, or its "
            "nodes are windows; norms of what modules return are token_norms(model, inputs, paths)"
        )
    value = trace.signal.unflatten(0, (-1, trace.graphs))
    carried = torch.stack([value[:, head].double() @ out for head, out in enumerate(maps)], dim=2)
    return CarriedNorms(trace.shift, (carried @ carried.mT).to(trace.signal.dtype), trace.graphs)


def token_norms(model: nn.Module, inputs: Inputs, paths: Sequence[str]) -> dict[str, Tensor]:
    r"""``‖x_i‖₂`` of each node of what modules return.

    Large vision transformers keep global numbers in patches of the background: their norms are ten times
    those of others, and they draw attention of all nodes without saying anything of their place.

    Args:
        model: its modes are restored.
        inputs: images ``(B, C, *spatial)``, ids of tokens ``(B, N)``, or tensors by keyword.
        paths: modules that return ``(B, N, C)``, such as ``"blocks.11"``.

    Returns:
        ``(B, N)`` for each path; of a module that runs several times, the last time.

    Raises:
        ValueError: for a path that is no module, did not run, or returns something of another shape.

    References:
        Darcet, Oquab, Mairal, Bojanowski (2024), *Vision Transformers Need Registers*.

    Example:
        >>> model = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, batch_first=True), 3)
        >>> token_norms(model, torch.randn(4, 5, 8), ["layers.2"])["layers.2"].shape
        torch.Size([4, 5])
    """
    check_inputs(inputs)
    known = dict(model.named_modules())
    for path in paths:
        if path not in known:
            near = get_close_matches(path, known, 3) or list(known)[1:9]
            raise ValueError(f"{type(model).__name__} has no module {path!r}; near it are {', '.join(near)}")
    found: dict[str, Tensor] = {}
    handles = [known[path].register_forward_hook(_noting(path, found)) for path in paths]
    try:
        with evaluation(model):
            run_copies(model, inputs)
    finally:
        for handle in handles:
            handle.remove()
    if missing := [path for path in paths if path not in found]:
        raise ValueError(f"these modules did not run: {', '.join(missing)}")
    return found


def _noting(path: str, found: dict[str, Tensor]) -> Any:
    def note(module: nn.Module, args: Any, output: Any) -> None:
        features = output[0] if isinstance(output, tuple) and output else output
        if not isinstance(features, Tensor) or features.dim() != 3:
            got = tuple(features.shape) if isinstance(features, Tensor) else type(features).__name__
            raise ValueError(f"{path} returns no features of nodes (B, N, C), but {got}")
        found[path] = torch.linalg.vector_norm(features, dim=-1)

    return note
