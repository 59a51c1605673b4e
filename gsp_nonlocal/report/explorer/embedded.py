"""The explorer in a page: its data, its script, and the hash that lets the script run."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from math import isqrt
from typing import Any

from markupsafe import Markup
from torch import Tensor

from gsp_nonlocal.analysis.model_inputs import is_tokens
from gsp_nonlocal.report import pictures
from gsp_nonlocal.report.explorer.build import VIEWS_BYTES
from gsp_nonlocal.report.explorer.inputs import input_picture, text_picture
from gsp_nonlocal.report.explorer.view import View

INPUT_BYTES = 400_000
"""Most bytes of the pictures of all inputs: one for a pixel, and a third for the text they are written in."""

LONGEST_INPUT = 224
"""Longest side, in pixels, of an input's picture."""


@dataclass(frozen=True)
class Explorer:
    """What the template ``explorer.html`` needs.

    Attributes:
        data: JSON that may stand in a ``<script>``.
        script: the program; the page must hold it unchanged.
        script_hash: of the program, as ``script-src`` of a Content-Security-Policy takes it.
    """

    data: Markup
    script: Markup
    script_hash: str


def explorer(
    views: Sequence[View], inputs: Tensor | None = None, words: Sequence[Sequence[str]] = ()
) -> Explorer:
    """The explorer of some views.

    Args:
        views: of any blocks, times and heads, all of the same images.
        inputs: signals, images or clips ``(B, C, *spatial)``, or ids of tokens ``(B, N)``, that the views are
            of, in the same order; by default the maps stand alone.
        words: what the tokens of each input are called; by default by their ids.

    Raises:
        ValueError: if there is no view, or views and inputs are of different numbers of images.
    """
    counts = {len(view.pictures) for view in views} | ({len(inputs)} if inputs is not None else set())
    if not views or len(counts) != 1:
        raise ValueError(
            "an explorer has at least one view, and its views and inputs are of the same images; "
            f"got {len(views)} views, and {' and '.join(map(str, sorted(counts))) or 'no'} images"
        )
    frames = {view.grid[0] if view.overlaid else 1 for view in views}
    shown = {
        "images": [_pictures(inputs, image, frames, words) for image in range(counts.pop())],
        "ramps": {
            "plain": pictures.css_colours(pictures.even_palette()),
            "signed": pictures.css_colours(pictures.signed_palette()),
        },
        "most": pictures.MOST_TIMES,
    }
    data = f'{json.dumps(shown)[:-1]}, "views": [{",".join(view.json() for view in views)}]}}'
    templates = files("gsp_nonlocal.report") / "templates"
    script = (templates / "explorer.js").read_text(encoding="utf-8")
    return Explorer(Markup(data.replace("<", "\\u003c")), Markup(script), script_hash(script))


def share_of_budget(calls: int) -> int:
    """The ``budget`` of each of so many calls of ``views`` or ``all_views`` for one page."""
    return VIEWS_BYTES // max(1, calls)


def script_hash(script: str) -> str:
    """What in ``script-src`` lets this very script run: ``'sha256-…'``, with its quotes.

    Example:
        >>> script_hash("")
        "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
    """
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def _pictures(
    inputs: Tensor | None, image: int, frames: set[int], words: Sequence[Sequence[str]]
) -> dict[str, dict[str, Any]]:
    """The pictures of an input by the number of frames that they show."""
    if inputs is None:
        return {}
    if is_tokens(inputs):
        tokens = [str(token) for token in inputs[image].tolist()]
        named = words[image] if words else tokens
        shown = text_picture([*named, *[""] * len(tokens)][: len(tokens)])  # a padded text has fewer words
        return {str(count): shown._asdict() for count in frames}
    longest = min(LONGEST_INPUT, isqrt(3 * INPUT_BYTES // (4 * len(inputs) * len(frames))))
    return {str(count): input_picture(inputs[image], count, max(1, longest))._asdict() for count in frames}
