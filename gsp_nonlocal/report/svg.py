"""Figures inside a page: inline SVG that takes the page's colours and fonts."""

from __future__ import annotations

import re

from gsp_nonlocal.report.drawing import PALETTE

PAPER = "#ffffff"
"""What a figure is drawn on: nothing in the page."""

_TAG = re.compile(r"<[a-z][^>]*>", re.IGNORECASE)  # matplotlib writes > as &gt; in text and attributes
_PAINT = re.compile(r'\b(?:style|fill|stroke)="[^"]*"')
_PATH = re.compile(r'\bd="([^"]*)"')
_STEP = re.compile(r"([A-Za-z])\s*([^A-Za-z\"]*)")


def inline(text: str, name: str) -> str:
    """A figure's SVG as an element whose ids start with ``name`` and whose colours are the page's.

    Text stays as it is: only what stands in tags is changed, such as ``#1f5fbf`` to ``var(--first)``.
    """
    text = re.sub(r"<style.*?</style>|<metadata.*?</metadata>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = _TAG.sub(lambda tag: _in_page(tag[0], name), text[text.index("<svg") :])
    text = re.sub(r">\s+<", "><", text)
    return text.replace("<svg ", '<svg aria-hidden="true" ', 1)


def _in_page(tag: str, name: str) -> str:
    """A tag with ids of its own, the page's colours, and short paths."""
    tag = re.sub(r'<g id="[^"]*"', "<g", tag)
    tag = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", tag)
    tag = _PAINT.sub(lambda paint: _coloured(paint[0]), tag)
    return _PATH.sub(lambda path: f'd="{_short(path[1])}"', tag)


def _coloured(paint: str) -> str:
    for name, colour in vars(PALETTE).items():
        paint = paint.replace(colour, f"var(--{name})")
    return paint.replace(PAPER, "none")


def _short(path: str) -> str:
    """A path to a tenth of a point, each step from the one before; one with curves stays as it is."""
    found, here, start = "", (0, 0), (0, 0)
    for letter, place in _STEP.findall(path):
        if letter not in "MLz":
            return path
        there = _tenths(place) if place else start
        found += letter if letter == "z" else _step(letter.lower(), there[0] - here[0], there[1] - here[1])
        start, here = (there if letter == "M" else start), there
    return found


def _tenths(place: str) -> tuple[int, int]:
    across, down = place.split()
    return round(10 * float(across)), round(10 * float(down))


def _step(letter: str, across: int, down: int) -> str:
    """A step in tenths, level and upright lines by their one number."""
    if letter == "l" and not (across and down):
        return f"v{_number(down)}" if down else f"h{_number(across)}"
    return f"{letter}{_number(across)}{'' if down < 0 else ' '}{_number(down)}"


def _number(tenths: int) -> str:
    return f"{tenths / 10}".removesuffix(".0")
