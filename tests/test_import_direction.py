"""Arrows run one way: experiments → gsp_nonlocal → filters → torch; inside the library, downwards."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ALLOWED_BY_FILTERS = {"torch", "jaxtyping"}
LAYERS = [  # each may import those before it
    {"filters", "gsp_nonlocal.filters"},
    {"gsp_nonlocal.shifts"},
    {"gsp_nonlocal.nodes", "gsp_nonlocal.norm"},
    {"gsp_nonlocal.affinity"},
    {"gsp_nonlocal.blocks"},
    {"gsp_nonlocal.insert"},
    {"gsp_nonlocal.models"},
    {"gsp_nonlocal.spectral", "gsp_nonlocal.interop"},
]


def imports(path: Path) -> set[str]:
    """Modules that a file imports, at any depth of it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def files(package: str) -> list[Path]:
    found = sorted((ROOT / package).rglob("*.py"))
    assert found
    return found


def layer(module: str) -> int | None:
    """Index of the layer that ``module`` belongs to."""
    for index, names in enumerate(LAYERS):
        if any(module == name or module.startswith(name + ".") for name in names):
            return index
    return None


def in_standard_library(module: str) -> bool:
    import sys

    return module.split(".")[0] in sys.stdlib_module_names


@pytest.mark.parametrize("path", files("filters"), ids=lambda p: p.name)
def test_filters_import_torch_only(path):
    foreign = {m for m in imports(path) if not in_standard_library(m) and not m.startswith("filters")}
    assert {m.split(".")[0] for m in foreign} <= ALLOWED_BY_FILTERS


@pytest.mark.parametrize("path", files("gsp_nonlocal"), ids=lambda p: str(p.relative_to(ROOT)))
def test_the_library_imports_downwards(path):
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    assert not any(m.split(".")[0] in {"experiments", "tests"} for m in imports(path))
    own = layer(module)
    if own is None:
        assert module == "gsp_nonlocal", f"{module} stands in no layer"
        return
    above = {m for m in imports(path) if (layer(m) or 0) > own}
    assert not above


SPECTRAL = ("probe", "analysis", "report")
"""Folders of ``gsp_nonlocal.spectral``: each may import those before it, and the files beside them."""


def place(module: str) -> int:
    """Index in ``SPECTRAL`` of the folder that ``module`` is in, counted from 1; 0 for the files beside."""
    parts = module.split(".")
    folder = parts[2] if parts[:2] == ["gsp_nonlocal", "spectral"] and len(parts) > 2 else ""
    return SPECTRAL.index(folder) + 1 if folder in SPECTRAL else 0


@pytest.mark.parametrize("path", files("gsp_nonlocal/spectral"), ids=lambda p: str(p.relative_to(ROOT)))
def test_spectral_analysis_imports_leftwards(path):
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    if module == "gsp_nonlocal.spectral.__init__":
        return
    assert not {m for m in imports(path) if place(m) > place(module)}


def test_the_library_works_without_the_extras():
    """No module of the report or the experiments is loaded by the library itself."""
    import subprocess
    import sys

    program = (
        "import sys, gsp_nonlocal, gsp_nonlocal.spectral, gsp_nonlocal.interop.official;"
        "heavy = {'torch_geometric', 'matplotlib', 'jinja2', 'lightning', 'sklearn', 'torchvision'};"
        "heavy |= {'experiments', 'rich'};"
        "sys.exit(' '.join(heavy & set(sys.modules)) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
