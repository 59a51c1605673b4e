"""A filter, an affinity, a block and a reader are really added to a copy of the repository: 3 files each."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]


class Part(NamedTuple):
    """A file of its own, and lines to put before others: ``(file, line, what stands before it)``."""

    file: str
    text: str
    lines: list[tuple[str, str, str]]


FILTER = Part(
    "filters/nested.py",
    '''
from filters.base import Filter
from filters.operators.signal import mix


class Nested(Filter):
    """``y = Σ_k ((I + S)/2)^k z W_k`` by Horner's scheme."""

    def evaluate(self, shift, z, weight):
        y = mix(z, weight[-1])
        for w in reversed(weight[:-1].unbind()):
            y = 0.5 * (y + shift(y)) + mix(z, w)
        return y
''',
    [
        ("filters/__init__.py", "from filters.rational import", "from filters.nested import Nested\n"),
        ("filters/__init__.py", "\n__all__", 'registry.register("nested", Nested)\n'),
        ("filters/__init__.py", '    "Rational",\n', '    "Nested",\n'),
        ("tests/cases/filters.py", "    Rational,\n", "    Nested,\n"),
        (
            "tests/cases/filters.py",
            '    "aggregation": (',
            '    "nested": (Nested, lambda n: lambda lam: [(1 - lam / 2) ** k for k in range(n + 1)]),\n',
        ),
    ],
)
AFFINITY = Part(
    "gsp_nonlocal/affinity/cosine.py",
    '''
import torch
from torch.nn.functional import normalize

from gsp_nonlocal.affinity.base import FactorAffinity
from gsp_nonlocal.shifts import LowRankShift


class Cosine(FactorAffinity):
    """``M_ij = (1 + cos(θ_i, φ_j)) / 2 ≥ 0``, by its exact factors ``[1, θ/‖θ‖] / √2``."""

    formula = "(1 + cos(θ_i, φ_j))/2"

    def weights(self, query, key):
        return LowRankShift(*map(self.factor, (query, key)), is_symmetric=False)

    def factor(self, x):
        return torch.cat([torch.ones_like(x[..., :1]), normalize(x, dim=-1)], dim=-1) * 0.5**0.5
''',
    [
        (
            "gsp_nonlocal/affinity/__init__.py",
            "from gsp_nonlocal.affinity.criss_cross",
            "from gsp_nonlocal.affinity.cosine import Cosine\n",
        ),
        ("gsp_nonlocal/affinity/__init__.py", '    "criss_cross": ', '    "cosine": Cosine,\n'),
        ("gsp_nonlocal/affinity/__init__.py", '    "CrissCross",\n', '    "Cosine",\n'),
        ("tests/cases/affinities.py", "    CrissCross,\n", "    Cosine,\n"),
        (
            "tests/cases/affinities.py",
            "AFFINITIES: dict",
            """def cosine(affinity, nodes):
    q, k = affinity.embeddings(nodes)
    return (1 + torch.cosine_similarity(q[:, :, None], k[:, None], dim=-1)) / 2


""",
        ),
        ("tests/cases/affinities.py", '    "criss_cross": ', '    "cosine": AffinityCase(Cosine, cosine),\n'),
    ],
)
BLOCK = Part(
    "gsp_nonlocal/blocks/cosine.py",
    '''
from functools import partial

from gsp_nonlocal.affinity import Cosine
from gsp_nonlocal.blocks.nonlocal_block import NonlocalBlock


class Cos(NonlocalBlock):
    """The cosine affinity, averaged and normalised symmetrically, in a block."""

    def __init__(self, channels, inner_channels=None, *, gate=True, device=None, dtype=None):
        super().__init__(
            channels,
            inner_channels,
            affinity=partial(Cosine, symmetrization="average", normalization="symmetric"),
            gate=gate,
            device=device,
            dtype=dtype,
        )
''',
    [
        (
            "gsp_nonlocal/blocks/__init__.py",
            "from gsp_nonlocal.blocks.describe",
            "from gsp_nonlocal.blocks.cosine import Cos\n",
        ),
        ("gsp_nonlocal/blocks/__init__.py", '    "Description",\n', '    "Cos",\n'),
        ("gsp_nonlocal/blocks/__init__.py", "GC):\n    registry", "Cos, "),
        ("tests/cases/blocks.py", "DNL, GC, NL, NS, SNL, UNNORMALISED", "Cos, "),
        ("tests/cases/blocks.py", '    "dnl": ', '    "cos": BlockCase(Cos),\n'),
    ],
)
READER = Part(
    "gsp_nonlocal/probe/foreign_readers/averages.py",
    '''
import torch

from gsp_nonlocal.probe.trace import Trace
from gsp_nonlocal.shifts import LowRankShift
from gsp_nonlocal.spectral.layout import Layout


def read_average(module, call):
    """``S_ij = 1/N``."""
    x = call.argument(0, "x")
    ones = torch.ones_like(x[..., :1])
    yield Trace(LowRankShift(ones / x.shape[1], ones), x, lambda z, S: S @ z, Layout(x.shape[1:2]))
''',
    [
        (
            "gsp_nonlocal/probe/foreign_readers/__init__.py",
            "from gsp_nonlocal.probe.foreign_readers.converted",
            "from gsp_nonlocal.probe.foreign_readers.averages import read_average\n",
        ),
        (
            "gsp_nonlocal/probe/foreign_readers/__init__.py",
            '        "timm.NonLocalAttn": ',
            '        "tests.Average": read_average,\n',
        ),
        (
            "tests/cases/readers.py",
            "READERS: dict",
            """class Average(nn.Module):
    def forward(self, x):
        return x.mean(dim=1, keepdim=True).expand_as(x)


""",
        ),
        (
            "tests/cases/readers.py",
            '    "timm.NonLocalAttn": ',
            '    "tests.Average": ReaderCase(Average, lambda: (tokens(),), lambda _, t: t.filtered),\n',
        ),
    ],
)
PARTS = {"filter": FILTER, "affinity": AFFINITY, "block": BLOCK, "reader": READER}

GENERATED = """
import json
import filters
from experiments import comparison
from experiments.benchmark import block_sections
from experiments.tasks.blocks import block_names
from gsp_nonlocal import affinity, blocks, cli
from gsp_nonlocal.cli import describe
from gsp_nonlocal.probe.readers import known_kinds
from tests.library import compile_program

print(json.dumps({
    "filter": filters.registry.names(),
    "affinity": affinity.registry.names(),
    "block": blocks.registry.names(),
    "reader": known_kinds(),
    "families": [*comparison.FAMILIES],
    "compared": [*comparison.BLOCKS],
    "measured": [name.lower() for name in block_sections.BLOCKS],
    "block names": block_names(),
    "compiled": [name for backend in ("eager", "aot_eager") for name, _, _ in compile_program.cases(backend)],
}))
describe.main(["--format", "markdown"])
"""
NAMES = {
    "filter": "nested",
    "affinity": "cosine",
    "block": "cos",
    "reader": "tests.Average",
    "families": "nested",
    "block names": "cos",
    "compared": "cos",
    "measured": "cos",
}


def add(part: Part, folder: Path) -> set[str]:
    """Add a part, and return the files that this touched."""
    assert not (folder / part.file).exists()
    (folder / part.file).write_text(part.text.lstrip(), encoding="utf-8")
    for file, line, before in part.lines:
        text = (folder / file).read_text(encoding="utf-8")
        assert line in text, f"{file} has no line {line!r}"
        (folder / file).write_text(text.replace(line, before + line, 1), encoding="utf-8")
    return {part.file, *(file for file, _, _ in part.lines)}


def run(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of this repository, with all four parts."""
    folder = tmp_path_factory.mktemp("copy")
    for name in ("filters", "gsp_nonlocal", "experiments", "tests", "docs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "CONTRIBUTING.md"):
        shutil.copyfile(ROOT / name, folder / name)
    for kind, part in PARTS.items():
        assert len(add(part, folder)) == 3, kind
    return folder


def test_new_parts_are_in_everything_that_is_generated(copy):
    lists, *table = run(copy, "-c", GENERATED).splitlines()
    found = json.loads(lists)
    for kind, name in NAMES.items():
        assert name in found[kind], kind
    assert {"filter nested", "cos"} <= set(found["compiled"])
    assert any(row.startswith("| cos |") and "(1 + cos(θ_i, φ_j))/2" in row for row in table)


def test_new_parts_keep_the_laws(copy):
    ids = {
        "tests/filters/test_filter_laws.py": [
            "test_a_filter_keeps_the_laws[nested-2]",
            "test_a_filter_keeps_the_laws_on_every_shift[nested-2-low-rank]",
            "test_the_response_is_the_sum_of_the_terms[nested-2]",
        ],
        "tests/affinity/test_affinities.py": [
            *(f"test_an_affinity_keeps_the_laws[cosine-none-{n}]" for n in ("random_walk", "symmetric")),
            "test_an_affinity_keeps_the_laws[cosine-average-symmetric]",
            "test_an_affinity_is_its_equation[cosine-none-random_walk]",
            "test_the_table_holds_every_affinity_that_has_a_name",
        ],
        "tests/blocks/test_known_blocks.py": [
            "test_a_block_keeps_the_laws[cos]",
            "test_every_block_that_has_a_name_is_in_the_table",
        ],
        "tests/probe/test_readers.py": [
            "test_what_is_read_keeps_the_laws[tests.Average]",
            "test_every_reader_has_a_row",
        ],
        "tests/filters/test_own_filters.py": ["test_every_registered_family_has_a_row"],
    }
    chosen = [f"{file}::{name}" for file, names in ids.items() for name in names]
    told = run(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", *chosen)
    assert f"{len(chosen)} passed" in told
