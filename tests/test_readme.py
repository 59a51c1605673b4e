"""The README's Python code runs, and its commands and files exist."""

import re
import subprocess
from pathlib import Path

import pytest

from gsp_nonlocal.blocks import describe_all, registry

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)


def test_the_code_of_the_readme_runs(tmp_path, monkeypatch):
    """All blocks in one namespace, in their order, as a reader would paste them."""
    monkeypatch.chdir(tmp_path)
    assert len(BLOCKS) >= 3
    namespace: dict[str, object] = {"__name__": "readme"}
    for block in BLOCKS:
        exec(compile(block, "README.md", "exec"), namespace)  # our own text
    assert (tmp_path / "analysis" / "index.html").stat().st_size > 10_000


def test_the_table_of_blocks_is_the_generated_one():
    """To renew it: ``python -m gsp_nonlocal.blocks``."""
    assert describe_all({name: registry.get(name)(64) for name in registry.names()}) in TEXT


@pytest.mark.parametrize("target", sorted(set(re.findall(r"make ([a-z]+)", TEXT))))
def test_make_targets_exist(target):
    result = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\(((?!http)[^)#]+)\)", TEXT))))
def test_linked_files_exist(path):
    assert (ROOT / path).exists()


@pytest.mark.parametrize("path", sorted(set(re.findall(r"experiments/configs/\w+\.yaml", TEXT))))
def test_named_configs_exist(path):
    assert (ROOT / path).exists()
