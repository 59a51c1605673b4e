"""What README and docs say: their Python runs as it is pasted, their commands, files and headings exist."""

import code
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import matplotlib
import pytest

from experiments.benchmark import document
from gsp_nonlocal.blocks import describe_all, registry

ROOT = Path(__file__).parents[1]
TEXTS = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
}
README = TEXTS["README.md"]
REPOSITORY = "https://github.com/gsp-nonlocal/gsp-nonlocal"
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```", flags=re.DOTALL | re.MULTILINE)
PAGES = ["docs/parts.md", "docs/training.md", "docs/analysis.md", "docs/insertion.md", "docs/recipes.md"]
PAGES += ["docs/from_pygsp.md", "docs/from_pyg_spectral.md"]
PAGES += [name for name in TEXTS if name.startswith("docs/extend/")]


def blocks(*names: str) -> list[object]:
    """The Python of documents, a case a block."""
    found = [(name, re.findall(r"```python\n(.*?)```", TEXTS[name], flags=re.DOTALL)) for name in names]
    return [pytest.param(block, id=f"{name}-{i}") for name, own in found for i, block in enumerate(own)]


class Console(code.InteractiveConsole):
    """Python's prompt, at which a statement that fails ends everything."""

    def showtraceback(self) -> None:
        raise

    def showsyntaxerror(self, filename: str | None = None, **_: object) -> None:
        raise


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty one to work in, without a screen."""
    monkeypatch.chdir(tmp_path)
    matplotlib.use("Agg")
    return tmp_path


@pytest.mark.parametrize("block", blocks("README.md"))
def test_a_block_of_the_readme_runs_by_itself_at_the_prompt(block, folder):
    """Line by line, as it is pasted: a blank line within a class or a missing one after it is an error."""
    console = Console({"__name__": "pasted"})
    unfinished = [console.push(line) for line in [*block.splitlines(), ""]][-1]
    assert not unfinished
    if '.write("analysis")' in block:
        assert (folder / "analysis" / "index.html").stat().st_size > 10_000


@pytest.mark.parametrize("block", blocks(*PAGES))
def test_a_block_of_another_page_runs_by_itself(block, folder, monkeypatch):
    module = ModuleType("pasted")
    monkeypatch.setitem(sys.modules, "pasted", module)  # as classes need that are pickled
    exec(compile(block, "page", "exec"), vars(module))  # our own text


def test_the_prompt_of_these_tests_ends_at_an_error():
    for wrong in ("missing", "1 +", "raise ValueError(1)"):
        with pytest.raises((NameError, SyntaxError, ValueError)):
            Console({}).push(wrong)


def test_the_readme_is_short_and_has_three_uses():
    assert len(README.splitlines()) <= 130
    assert len(README.split()) <= 1300
    assert len(blocks("README.md")) == 3


def test_the_readme_reads_on_a_package_index():
    """Whose pages show no file beside it."""
    assert [link for link in LINK.findall(README) if not link.startswith("https://")] == []
    assert f'"{REPOSITORY}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_the_table_of_blocks_is_the_generated_one():
    """To renew it: ``python -m gsp_nonlocal.blocks``."""
    table = describe_all({name: registry.get(name)(64) for name in registry.names()})
    assert table in TEXTS["docs/parts.md"]


def test_the_measured_tables_are_the_generated_ones():
    """To renew them: ``python -m experiments.benchmark.document``."""
    text, results = TEXTS["docs/benchmarks.md"], ROOT / "experiments/results/benchmark.json"
    assert document.renewed(text, results) == text
    assert "| 1×32×1024×1024 | 1,048,576 |" in text


def test_a_document_without_marks_is_not_written(tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text("by hand\n", encoding="utf-8")
    assert document.main(["--document", str(page)]) == 2
    assert document.BEGIN in capsys.readouterr().err
    assert page.read_text(encoding="utf-8") == "by hand\n"


def named(pattern: str) -> list[str]:
    """What matches in any of the documents."""
    return sorted({found for text in TEXTS.values() for found in re.findall(pattern, text)})


@pytest.mark.parametrize("target", named(r"`make ([a-z-]+)") + named(r"(?m)^make ([a-z-]+)"))
def test_make_targets_exist(target):
    result = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("path", named(r"experiments/configs/\w+\.yaml"))
def test_named_configs_exist(path):
    assert (ROOT / path).exists()


@pytest.mark.parametrize("module", named(r"python -m ((?:experiments|gsp_nonlocal)[\w.]*)"))
def test_named_commands_exist(module):
    place = ROOT / module.replace(".", "/")
    assert place.with_suffix(".py").exists() or (place / "__main__.py").exists()


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives to headings."""
    headings = re.findall(r"^#+ (.*)$", FENCED.sub("", text), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", TEXTS)
def test_links_lead_to_files_and_headings(name):
    """Of this repository, whole addresses of it included."""
    for link in LINK.findall(FENCED.sub("", TEXTS[name])):
        inside = re.sub(rf"^{REPOSITORY}/(blob|raw)/main/", "/", link)
        if inside.startswith("http"):
            continue
        path, _, anchor = inside.partition("#")
        base = ROOT if path.startswith("/") else (ROOT / name).parent
        target = (base / path.lstrip("/")).resolve() if path else ROOT / name
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), link


def test_the_index_of_decisions_is_whole():
    """Every heading of the second and third order stands in the index, in its order."""
    text = TEXTS["docs/decisions.md"]
    listed = re.findall(r"^ *- \[(.+?)\]\(#", text.partition("\n## ")[0], flags=re.MULTILINE)
    assert listed == re.findall(r"^##+ (.+)$", text, flags=re.MULTILINE)
