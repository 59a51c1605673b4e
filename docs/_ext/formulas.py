"""Formulas as drawings: ziamath sets them, with a font of its own, when the site is built."""

from html import escape
from typing import Any

import ziamath
from docutils import nodes
from sphinx.application import Sphinx

SIZE = 17  # pixels, beside the theme's text of 16
ziamath.config.svg2 = False  # glyphs as paths: no identifiers that many formulas of a page would share


def inline(translator: Any, node: nodes.math) -> None:
    """Write a formula within a line, on its base line."""
    drawn = _set(node, inline=True)
    style = f"vertical-align: {drawn.getyofst():.1f}px"
    translator.body.append(f'<span class="formula" style="{style}">{_drawing(drawn, node)}</span>')
    raise nodes.SkipNode


def block(translator: Any, node: nodes.math_block) -> None:
    """Write a formula of its own, which scrolls where the page is narrow."""
    drawn = _set(node, inline=False)
    translator.body.append(f'<div class="formula">{_drawing(drawn, node)}</div>')
    raise nodes.SkipNode


def _set(node: nodes.Element, *, inline: bool) -> Any:
    return ziamath.Math.fromlatex(node.astext(), size=SIZE, inline=inline, color="currentColor")


def _drawing(drawn: Any, node: nodes.Element) -> str:
    """The drawing, which is read aloud as its LaTeX."""
    return str(drawn.svg()).replace("<svg ", f'<svg role="img" aria-label="{escape(node.astext())}" ', 1)


def setup(app: Sphinx) -> dict[str, bool]:
    """Offer the renderer by the name ``drawn``."""
    app.add_html_math_renderer("drawn", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
