"""One name, one meaning: what two files of the library both define is one concept, and here is why."""

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILES = sorted(path for package in ("filters", "gsp_nonlocal") for path in (ROOT / package).rglob("*.py"))
SHARED = {
    "registry": "a family of parts by name, one a package",
    "load_block": "a foreign block's weights in ours, one a foreign package",
    "convert": "a foreign network's blocks become ours, one a foreign package",
    "main": "what a command runs",
}
"""Names with one meaning that are defined once a package, and why."""
SHARED_FILES = {
    "__init__.py": "Python's",
    "__main__.py": "Python's",
    "base.py": "what a package's parts have in common",
    "criss_cross.py": "the criss-cross graph: as a shift, and as an affinity",
    "describe.py": "what describes a block, and the command that prints it",
    "pictures.py": "pixels read for the command, and pixels written for a page",
}


def defined(path: Path) -> set[str]:
    """Public functions, classes and values at the top of a file; names that are imported are not."""
    names: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {one.id for target in targets for one in ast.walk(target) if isinstance(one, ast.Name)}
    return {name for name in names if not name.startswith("_")}


def test_a_public_name_has_one_meaning():
    places = defaultdict(list)
    for path in FILES:
        for name in defined(path):
            places[name].append(str(path.relative_to(ROOT)))
    assert len(places) > 300
    assert {name: where for name, where in places.items() if len(where) > 1 and name not in SHARED} == {}
    assert {name for name in SHARED if len(places[name]) < 2} == set(), "no exception any more"


def test_a_files_name_has_one_meaning():
    places = defaultdict(list)
    for path in FILES:
        places[path.name].append(str(path.relative_to(ROOT)))
    assert {n: where for n, where in places.items() if len(where) > 1 and n not in SHARED_FILES} == {}
    assert {name for name in SHARED_FILES if len(places[name]) < 2} == set(), "no exception any more"
