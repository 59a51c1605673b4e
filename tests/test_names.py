"""``gsp_nonlocal.filters`` is ``filters``; another package of that name is refused with its file."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOREIGN = {"a module": "filters.py", "a package": "filters/__init__.py"}


def run(program, *folders):
    """The program's last line on stderr, with ``folders`` first in the path."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders)), "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [sys.executable, "-P", "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        cwd=ROOT.parent,
    )
    return result.returncode, (result.stderr.strip().splitlines() or [""])[-1]


@pytest.mark.parametrize(
    "first",
    [
        "import gsp_nonlocal.filters",
        "import filters",
        "from gsp_nonlocal.filters.wavelets import itersine",
        "from gsp_nonlocal import blocks",
    ],
)
def test_both_names_are_one_package(first):
    program = (
        f"{first}\n"
        "import importlib, pickle, pkgutil, filters, gsp_nonlocal, gsp_nonlocal.filters as other\n"
        "from gsp_nonlocal.filters import Cayley\n"
        "from gsp_nonlocal.filters.base import Filter\n"
        "assert other is filters is gsp_nonlocal.filters, other\n"
        "assert Cayley is filters.Cayley and Filter is filters.Filter\n"
        "names = [m.name for m in pkgutil.walk_packages(filters.__path__, 'filters.')]\n"
        "assert len(names) > 10\n"
        "for name in names:\n"
        "    assert importlib.import_module(name) is importlib.import_module('gsp_nonlocal.' + name), name\n"
        "assert filters.__name__ == filters.__spec__.name == 'filters'\n"
        "assert Cayley.__module__ == 'filters.cayley'\n"
        "pickle.loads(pickle.dumps(Cayley(2, 2)))\n"
    )
    assert run(program, ROOT) == (0, "")


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize(
    "program", ["import gsp_nonlocal", "import gsp_nonlocal.filters", "from gsp_nonlocal.blocks import SNL"]
)
@pytest.mark.parametrize("content", ["", "raise SystemExit('run')", "class ARMA: ..."])
def test_another_package_of_that_name_is_refused(kind, program, content, tmp_path):
    file = tmp_path / FOREIGN[kind]
    file.parent.mkdir(exist_ok=True)
    file.write_text(content)
    code, said = run(program, tmp_path, ROOT)
    assert code == 1 and said.startswith(f"ImportError: {file} shadows the package filters"), said


def test_one_that_is_loaded_already_is_refused(tmp_path):
    (tmp_path / "filters.py").write_text("")
    shadow = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import filters; sys.path.pop(0)"
    program = f"{shadow}; import gsp_nonlocal"
    code, said = run(program, ROOT)
    assert code == 1 and str(tmp_path / "filters.py") in said


def test_a_folder_of_that_name_without_python_is_no_package(tmp_path):
    (tmp_path / "filters").mkdir()
    assert run("import gsp_nonlocal", tmp_path, ROOT) == (0, "")
