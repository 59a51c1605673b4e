"""Put the built site beside those of other versions: ``python docs/publish.py SITE PAGES NAME``.

Copies the folder ``SITE`` to ``PAGES/NAME``, in place of what is there; ``PAGES/versions.json`` then lists
all versions for the switch in the sidebar, and ``PAGES/index.html`` leads to the newest release, or to
``main``.
"""

import json
import re
import shutil
import sys
from pathlib import Path

REDIRECT = """<!doctype html>
<meta charset="utf-8">
<meta http-equiv="refresh" content="0; url={0}/index.html">
<a href="{0}/index.html">{0}</a>
"""


def publish(site: Path, pages: Path, name: str) -> list[str]:
    """Copy one version, and return the names of all, ``main`` first and then the newest release.

    Raises:
        ValueError: if ``site`` is no built site, or ``name`` is no name of a branch or version.
    """
    if not (site / "index.html").is_file():
        raise ValueError(f"{site} has no index.html: build the site with make docs")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ValueError(f"{name!r} is no name of a version, such as main or v0.1.0")
    shutil.rmtree(pages / name, ignore_errors=True)
    shutil.copytree(site, pages / name)
    found = [path.parent.name for path in pages.glob("*/index.html")]
    releases = sorted((one for one in found if _number(one)), key=_number, reverse=True)
    names = sorted(set(found) - set(releases)) + releases
    (pages / "versions.json").write_text(json.dumps(names) + "\n", encoding="utf-8")
    (pages / "index.html").write_text(REDIRECT.format((releases or names)[0]), encoding="utf-8")
    (pages / ".nojekyll").touch()  # the host would leave out folders that begin with an underscore
    return names


def _number(name: str) -> tuple[int, ...]:
    """``(0, 10, 0)`` of ``v0.10.0``; nothing of a branch."""
    return tuple(map(int, name[1:].split("."))) if re.fullmatch(r"v\d+(\.\d+)*", name) else ()


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    print(*publish(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
