"""Arrows run one way: experiments → cli → report → … → filters → torch. Every import counts."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ALLOWED_BY_FILTERS = {"torch", "jaxtyping"}
LAYERS = [  # each may import those before it, and itself
    ["filters.operators", "filters.checks", "filters.export", "filters.precision"],
    ["filters", "gsp_nonlocal.filters"],
    ["gsp_nonlocal.extras", "gsp_nonlocal.creation"],
    ["gsp_nonlocal.shifts"],
    ["gsp_nonlocal.nodes", "gsp_nonlocal.norm"],
    ["gsp_nonlocal.affinity"],
    ["gsp_nonlocal.blocks"],
    ["gsp_nonlocal.distributed"],
    ["gsp_nonlocal.insert"],
    ["gsp_nonlocal.models"],
    ["gsp_nonlocal"],  # the file itself: names of the layers before
    ["gsp_nonlocal.reading", "gsp_nonlocal.weights"],
    ["gsp_nonlocal.spectral"],
    ["gsp_nonlocal.signals"],
    ["gsp_nonlocal.graphs"],
    ["gsp_nonlocal.interop"],
    ["gsp_nonlocal.probe"],
    ["gsp_nonlocal.testing"],
    ["gsp_nonlocal.analysis"],
    ["gsp_nonlocal.attribution"],
    ["gsp_nonlocal.report"],
    ["gsp_nonlocal.cli"],
    ["experiments"],
]
"""The packages in their order; a module belongs to the longest name that it begins with."""


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {
    name_of(path): path
    for package in ("filters", "gsp_nonlocal", "experiments")
    for path in sorted((ROOT / package).rglob("*.py"))
}


def foreign_and_own(path: Path) -> set[str]:
    """Modules that a file imports: at its top, in functions, and for types alone."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {named(node, alias.name, path) for alias in node.names}
    return found


def named(node: ast.ImportFrom, alias: str, path: Path) -> str:
    """The module of ``from … import alias``: ``alias`` itself, where that is a module."""
    base = node.module or ""
    if node.level:  # relative: counted from the file's own folder
        folder = path.relative_to(ROOT).parent.parts
        base = ".".join([*folder[: len(folder) - node.level + 1], *filter(None, [base])])
    return f"{base}.{alias}" if f"{base}.{alias}" in MODULES else base


IMPORTS = {module: foreign_and_own(path) for module, path in MODULES.items()}
GRAPH = {module: {other for other in found if other in MODULES} for module, found in IMPORTS.items()}


def layer(module: str) -> int:
    """Index of the layer that ``module`` belongs to; a package's file ``gsp_nonlocal`` is no folder."""
    matches = [
        (len(name), index)
        for index, names in enumerate(LAYERS)
        for name in names
        if module == name or (module.startswith(name + ".") and name != "gsp_nonlocal")
    ]
    assert matches, f"{module} stands in no layer"
    return max(matches)[1]


def circles(graph: dict[str, set[str]]) -> set[frozenset[str]]:
    """Sets of nodes each of which is reached from each other: the strongly connected ones of two or more."""
    reached = {node: reach(graph, node) for node in graph}
    groups = {frozenset({b for b in reached[a] if a in reached[b]}) for a in graph}
    return {group for group in groups if group}


def reach(graph: dict[str, set[str]], start: str) -> set[str]:
    """Nodes that a path of one step or more leads to."""
    found: set[str] = set()
    waiting = [*graph[start]]
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += graph[node]
    return found


def test_the_arrows_are_seen():
    """What the laws below rest on: imports of every kind are found, and circles."""
    assert "gsp_nonlocal.report.report" in GRAPH["gsp_nonlocal.report"]  # for types alone
    assert "torchvision.models" in IMPORTS["gsp_nonlocal.interop.library_models"]  # in a function
    assert "gsp_nonlocal.report.figure_files" in GRAPH["gsp_nonlocal.report.report"]
    relative = ast.parse("from ..nodes import x\nfrom . import base").body
    path = ROOT / "gsp_nonlocal" / "affinity" / "context.py"
    found = [named(node, node.names[0].name, path) for node in relative if isinstance(node, ast.ImportFrom)]
    assert found == ["gsp_nonlocal.nodes", "gsp_nonlocal.affinity.base"]
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"d"}}) == {frozenset("bc"), frozenset("d")}


@pytest.mark.parametrize("module", [name for name in MODULES if name.split(".")[0] == "filters"])
def test_filters_import_torch_only(module):
    packages = {name.split(".")[0] for name in IMPORTS[module]} - {"filters"}
    assert packages - set(sys.stdlib_module_names) <= ALLOWED_BY_FILTERS


@pytest.mark.parametrize("module", MODULES)
def test_nothing_imports_upwards(module):
    above = {other for other in GRAPH[module] if layer(other) > layer(module)}
    assert not above
    assert not any(name.split(".")[0] == "tests" for name in IMPORTS[module])


def test_no_files_import_each_other_in_a_circle():
    """A package's own file is left out: it gathers what its files define, and those name each other."""
    files = {name for name, path in MODULES.items() if path.name != "__init__.py"}
    assert not circles({name: GRAPH[name] & files for name in files})


def test_no_layers_import_each_other_in_a_circle():
    arrows = {str(names): set() for names in LAYERS}
    for module in MODULES:
        arrows[str(LAYERS[layer(module)])] |= {str(LAYERS[layer(other)]) for other in GRAPH[module]}
    own = {names: others - {names} for names, others in arrows.items()}
    assert not circles(own)


def test_the_library_works_without_the_extras():
    """No module of the report or the experiments is loaded by the library itself."""
    program = (
        "import sys, gsp_nonlocal, gsp_nonlocal.spectral, gsp_nonlocal.interop.official;"
        "import gsp_nonlocal.cli, gsp_nonlocal.cli.describe, gsp_nonlocal.reading, gsp_nonlocal.probe;"
        "heavy = {'torch_geometric', 'matplotlib', 'jinja2', 'lightning', 'sklearn'};"
        "heavy |= {'experiments', 'rich', 'torchvision', 'timm', 'PIL'};"
        "sys.exit(' '.join(heavy & set(sys.modules)) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("name", ["SpectralProbe", "Trace", "snapshot", "Limits", "analyze", "plot_response"])
def test_names_that_have_moved_are_found_where_they_were(name):
    import gsp_nonlocal.spectral as former

    with pytest.warns(DeprecationWarning, match=rf"{name} has moved to gsp_nonlocal\.\w+"):
        found = getattr(former, name)
    assert found.__module__.startswith(("gsp_nonlocal.probe", "gsp_nonlocal.analysis", "gsp_nonlocal.report"))
