"""Every public name says what it is, takes and raises, by which formula and from which source."""

import dataclasses
import inspect
import re
import tomllib
from itertools import chain
from pathlib import Path

import pytest
from citations import forms
from public_names import homes

NAMES = [name for name in homes().values() if name.directive != "autodata"]
MADE_ELSEWHERE = {"args", "kwargs", "self"}
FORMULA = re.compile(r"``[^`]*[=≤≥·×Σ∏‖⁻ᵀ²≈←↦∈][^`]*``|\.\. math::|``\([^`]*, [^`]*\)``|\|\w+\| ≤")
"""A formula, or the shape of what is returned or held."""
SHAPE = re.compile(r"\((\.\.\.|[0-9]|\*?[A-Z][\w{}+]*)(,| [+·]|·)|any shape")

WITHOUT_FORMULA = {
    "names of classes": ["filters.Registry"],
    "what is in a model, or taken out of it": [
        "gsp_nonlocal.insert.inserted_blocks",
        "gsp_nonlocal.insert.remove_blocks",
        "gsp_nonlocal.probe.evaluation",
        "gsp_nonlocal.probe.register_reader",
    ],
    "the formula is PreResNet's": [f"gsp_nonlocal.models.preresnet{n}" for n in (20, 56, 110)],
    "sums over processes": ["gsp_nonlocal.distributed.ProcessRanks"],
    "all measures of a model": ["gsp_nonlocal.analysis.snapshot"],
    "between two forms of the same thing": [
        "gsp_nonlocal.graphs.from_networkx",
        "gsp_nonlocal.graphs.to_networkx",
        "gsp_nonlocal.interop.timm.convert",
        "gsp_nonlocal.interop.timm.load_block",
        "gsp_nonlocal.interop.official.head_state",
        "gsp_nonlocal.interop.official.load_network",
        "gsp_nonlocal.interop.hub.build",
        "gsp_nonlocal.interop.hub.configuration",
        "gsp_nonlocal.interop.mmcv.convert",
        "gsp_nonlocal.interop.mmcv.load_block",
        "gsp_nonlocal.interop.gcnet.load_block",
    ],
}
"""Names that compute nothing, by what they are in place of it."""

WITHOUT_ERROR = {
    "the type of a signal, and of a layout": ["filters.Signal", "gsp_nonlocal.insert.OutputLayout"]
}
"""Names that raise nothing, by why."""

WITHOUT_SOURCE = {
    "matrices and their sums and products": [
        "filters.DenseShift",
        "filters.DiagonalShift",
        "filters.Identity",
        "filters.Signal",
        "filters.as_shift",
        "filters.mix",
        "gsp_nonlocal.shifts.ScaledShift",
        "gsp_nonlocal.shifts.SumShift",
        "gsp_nonlocal.shifts.scaled",
    ],
    "counted here": ["gsp_nonlocal.shifts.choose_form"],
    "rows of a shift, and how far they are from symmetric": [
        "gsp_nonlocal.spectral.asymmetry",
        "gsp_nonlocal.spectral.attention_map",
        "gsp_nonlocal.spectral.attention_rows",
    ],
    "names of classes": ["filters.Registry"],
    "what is in a model, or taken out of it": [
        "gsp_nonlocal.insert.OutputLayout",
        "gsp_nonlocal.insert.insert_blocks",
        "gsp_nonlocal.insert.inserted_blocks",
        "gsp_nonlocal.insert.remove_blocks",
        "gsp_nonlocal.probe.SpectralProbe",
        "gsp_nonlocal.probe.evaluation",
        "gsp_nonlocal.probe.register_reader",
    ],
    "measures that name their own sources, on a page": [
        "gsp_nonlocal.analysis.snapshot",
        "gsp_nonlocal.report.analyze",
        "gsp_nonlocal.report.plot_response",
        "gsp_nonlocal.report.plot_spectrum",
        "gsp_nonlocal.report.write_analyses",
    ],
    "between two forms of the same thing": [
        "gsp_nonlocal.graphs.from_networkx",
        "gsp_nonlocal.graphs.from_scipy",
        "gsp_nonlocal.graphs.to_networkx",
        "gsp_nonlocal.graphs.to_scipy",
        "gsp_nonlocal.interop.pyg.combine",
        "gsp_nonlocal.interop.pyg.from_data",
        "gsp_nonlocal.interop.pyg.to_data",
        "gsp_nonlocal.interop.hub.HubNetwork",
        "gsp_nonlocal.interop.hub.build",
        "gsp_nonlocal.interop.hub.configuration",
        "gsp_nonlocal.interop.mmcv.state_dict_of",
    ],
    "laws of this library": [
        f"gsp_nonlocal.testing.check_{part}"
        for part in ("affinity", "block", "filter", "promises", "reader", "shift")
    ],
}
"""Names that no publication stands behind, by what they are."""

WORKS = forms(tomllib.loads((Path(__file__).parents[1] / "references.toml").read_text(encoding="utf-8")))
CITED = re.compile("|".join(map(re.escape, WORKS)))


def text(name):
    return inspect.getdoc(name.value) or ""


def parameters(name):
    try:
        return {k: p for k, p in inspect.signature(name.value).parameters.items() if k not in MADE_ELSEWHERE}
    except ValueError:  # of a class whose making is Python's own
        return {}


def is_record(name):
    """Whether it only holds what a function found, which says the rest: records, and errors."""
    value = name.value
    if not inspect.isclass(value):
        return False
    named = issubclass(value, tuple | list) or dataclasses.is_dataclass(value)
    return named or issubclass(value, Exception)


def held(name, has, exempt):
    """A name has what is asked, or is among those that cannot have it: never both."""
    assert has != (name.path in chain(*exempt.values())), (
        f"{name.path} has it now: take it out of the table" if has else f"{name.path} lacks it: write it"
    )


def ids(name):
    return name.path


@pytest.mark.parametrize("name", NAMES, ids=ids)
def test_it_has_an_example(name):
    assert ">>> " in text(name)


@pytest.mark.parametrize("name", [n for n in NAMES if parameters(n)], ids=ids)
def test_it_says_what_it_takes(name):
    assert "Args:" in text(name) or "Attributes:" in text(name)


@pytest.mark.parametrize("name", NAMES, ids=ids)
def test_it_begins_with_a_sentence(name):
    first = text(name).split("\n\n")[0]
    assert first.rstrip().endswith((".", ":")) and len(first) > 15


@pytest.mark.parametrize("name", [n for n in NAMES if not is_record(n)], ids=ids)
def test_it_has_a_formula(name):
    held(name, bool(FORMULA.search(text(name).split("Example:")[0])), WITHOUT_FORMULA)


@pytest.mark.parametrize("name", [n for n in NAMES if not is_record(n)], ids=ids)
def test_it_says_what_it_raises(name):
    held(name, "Raises:" in text(name), WITHOUT_ERROR)


@pytest.mark.parametrize("name", [n for n in NAMES if not is_record(n)], ids=ids)
def test_it_names_its_source(name):
    held(name, "References:" in text(name), WITHOUT_SOURCE)


@pytest.mark.parametrize("name", [n for n in NAMES if "References:" in text(n)], ids=ids)
def test_its_source_is_in_the_bibliography(name):
    section = text(name).split("References:")[1].split("Example:")[0]
    assert CITED.search(" ".join(section.split())) or ":doc:" in section


@pytest.mark.parametrize("table", [WITHOUT_FORMULA, WITHOUT_ERROR, WITHOUT_SOURCE])
def test_exceptions_are_names(table):
    assert set(chain(*table.values())) <= {name.path for name in NAMES}


@pytest.mark.parametrize("name", NAMES, ids=ids)
def test_tensors_have_shapes(name):
    if any("Tensor" in str(p.annotation) for p in parameters(name).values()):
        assert SHAPE.search(text(name).split("Example:")[0])
