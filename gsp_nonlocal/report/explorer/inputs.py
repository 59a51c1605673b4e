"""The explorer's pictures of a model's inputs: signals, images, clips and texts."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from gsp_nonlocal.analysis.arrangement import montage
from gsp_nonlocal.report import pictures

SIGNAL_POINTS = 600
"""Most points of a drawn signal."""

SIGNAL_ASPECT = 5.0
"""Width over height of a drawn signal, and of a text."""

LONGEST_WORD = 12
"""Most letters of a token that are drawn."""


class InputPicture(NamedTuple):
    """A picture of one input: its data URI, width over height, and the words at the positions of a text."""

    src: str
    aspect: float
    words: tuple[str, ...] = ()


def input_picture(values: Tensor, frames: int, longest: int) -> InputPicture:
    """A signal ``(C, L)`` as a line, an image ``(C, H, W)``, or so many frames of a clip ``(C, T, H, W)``.

    Args:
        values: of one input; what is not finite is drawn as 0.
        frames: of a clip: evenly chosen, in a montage.
        longest: side of the picture, in pixels.
    """
    values = values.detach().float().cpu().nan_to_num(0.0, 0.0, 0.0)
    if values.dim() == 2:
        return InputPicture(_line_svg(values.mean(dim=0)), SIGNAL_ASPECT)
    if values.dim() > 3:
        values = values.flatten(1, -3)
        chosen = ((torch.arange(frames) + 0.5) * values.shape[1] / frames).long()
        values = montage(values[:, chosen])
    return InputPicture(pictures.image_png(values, longest, colours=256), values.shape[2] / values.shape[1])


def text_picture(words: Sequence[str]) -> InputPicture:
    r"""The words of a text, each written upwards over its position of a strip.

    Example:
        >>> svg = base64.b64decode(text_picture(["<b>", "a\0"]).src.partition(",")[2]).decode()
        >>> "&lt;b&gt;</text>" in svg, "a\ufffd</text>" in svg
        (True, True)
    """
    size = min(16.0, 400 / max(1, len(words)))
    drawn = "".join(
        f'<text transform="translate({(place + 0.5) * 500 / len(words):.1f} 97) rotate(-90)" '
        f'dominant-baseline="central">{escape(_NOT_IN_XML.sub("�", word[:LONGEST_WORD]))}</text>'
        for place, word in enumerate(words)
    )
    return InputPicture(
        _uri(f'<g font-family="monospace" font-size="{size:.2f}" fill="#dfe6ee">{drawn}</g>'),
        SIGNAL_ASPECT,
        tuple(words),
    )


_NOT_IN_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML may hold, not even escaped."""


def _line_svg(line: Tensor) -> str:
    """``(L,)`` as a light line for a dark ground."""
    if len(line) > SIGNAL_POINTS:
        line = interpolate(line.view(1, 1, -1), size=SIGNAL_POINTS, mode="linear")[0, 0]
    across = (torch.arange(len(line)) + 0.5) * 500 / len(line)
    down = 95 - 90 * (line - line.min()) / (line.max() - line.min()).clamp(min=1e-12)
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in torch.stack([across, down], dim=1).tolist())
    return _uri(
        f'<polyline points="{points}" fill="none" stroke="#dfe6ee" stroke-width="1.5" '
        'vector-effect="non-scaling-stroke"/>'
    )


def _uri(drawn: str) -> str:
    """An SVG of 500 by 100 units as a data URI."""
    head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 500 100" preserveAspectRatio="none">'
    svg = f"{head}{drawn}</svg>".encode()
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode("ascii")
