"""Pages of the repository as pages of the site: links that leave ``docs`` lead to the repository.

Two pages are files at the top of the repository, which stay where people look for them.
"""

import re
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
ADDRESS = "https://github.com/gsp-nonlocal/gsp-nonlocal/blob/main"
AT_THE_TOP = {"contributing": ROOT / "CONTRIBUTING.md", "changes": ROOT / "CHANGELOG.md"}
LINK = re.compile(r"(?P<text>!?\[[^\]]*\]\()(?P<path>[^)\s#:]+)(?P<anchor>#[^)\s]*)?\)")


def rewrite(app: Sphinx, name: str, source: list[str]) -> None:
    """Replace each link that leaves ``docs``; one to a file that is not there is an error."""
    file = AT_THE_TOP.get(name, Path(app.env.doc2path(name)))
    if file.suffix == ".md":
        text = source[0] if name not in AT_THE_TOP else file.read_text(encoding="utf-8")
        source[0] = LINK.sub(lambda found: _replaced(found, file, DOCS / name), text)


def _replaced(found: re.Match[str], file: Path, page: Path) -> str:
    target = (file.parent / found["path"]).resolve()
    if not target.exists():
        raise ExtensionError(f"{file.name} links to {found['path']}, which does not exist")
    page_of = {top: DOCS / f"{name}.md" for name, top in AT_THE_TOP.items()}
    target = page_of.get(target, target)
    if found["text"].startswith("!"):  # a picture is copied into the site, wherever it is
        return found.group()
    if target.is_relative_to(DOCS):
        return f"{found['text']}{_relative(target, page.parent)}{found['anchor'] or ''})"
    return f"{found['text']}{ADDRESS}/{target.relative_to(ROOT).as_posix()}{found['anchor'] or ''})"


def _relative(target: Path, folder: Path) -> str:
    """Up from the page's folder to ``docs``, and down."""
    up = "../" * len(folder.relative_to(DOCS).parts)
    return up + target.relative_to(DOCS).as_posix()


def setup(app: Sphinx) -> dict[str, bool]:
    """Listen to the pages' sources."""
    app.connect("source-read", rewrite)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
