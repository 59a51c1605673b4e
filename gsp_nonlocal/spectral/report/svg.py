"""Figures inside a page: inline SVG that takes the page's colours and fonts."""

from __future__ import annotations

import io
import re

from matplotlib.figure import Figure

from gsp_nonlocal.spectral.report.figures import Palette

STAND_INS = Palette("#010101", "#020202", "#030303", "#040404", "#050505", "#060606")
"""Colours to draw with; :func:`inline` makes ``#030303`` the page's ``var(--first)``."""


def inline(figure: Figure, name: str) -> str:
    """The figure as an ``<svg>`` element whose ids start with ``name`` and whose colours are the page's."""
    buffer = io.StringIO()
    empty = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(buffer, format="svg", transparent=True, metadata=empty)
    text = buffer.getvalue()
    text = re.sub(r"<style.*?</style>|<metadata.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", text[text.index("<svg") :])
    for colour, stand_in in vars(STAND_INS).items():
        text = text.replace(stand_in, f"var(--{colour})")
    return text.replace("<svg ", '<svg aria-hidden="true" ', 1)
