"""Kinds of shifts are known to their own packages alone; others ask ``shifts/structure.py``, or the shift."""

import ast
from pathlib import Path

import pytest
import torch

import gsp_nonlocal.affinity  # noqa: F401  (that every kind is there)
from gsp_nonlocal.shifts import LowRankShift, ShiftOperator
from gsp_nonlocal.shifts.structure import entries, factored, rows, symmetric_part
from tests.cases.shifts import SHIFTS
from tests.cases.signals import NODES, features, relative

ROOT = Path(__file__).parents[2]
AT_HOME = ("filters/operators/", "gsp_nonlocal/shifts/")
EXCEPTIONS: dict[str, str] = {}
"""Files elsewhere that ask for a kind, each with its reason."""
shifts_table = pytest.mark.parametrize("graph", SHIFTS)


def kinds(base: type = ShiftOperator) -> set[str]:
    """The names of all kinds of shifts."""
    found = {kind for kind in base.__subclasses__() if not kind.__module__.startswith("tests")}
    return {kind.__name__ for kind in found}.union(*map(kinds, found))


def named(nodes: list[ast.expr | None]) -> set[str]:
    """Names in these expressions, ``package.Name`` as ``Name``."""
    parts = [part for node in nodes if node is not None for part in ast.walk(node)]
    return {part.id if isinstance(part, ast.Name) else part.attr for part in parts if _is_name(part)}


def _is_name(node: ast.AST) -> bool:
    return isinstance(node, ast.Name | ast.Attribute)


def asked(tree: ast.AST) -> set[str]:
    """Kinds that a program tells apart: by isinstance, by a registered answer, or by a pattern."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and named([node.func]) & {"isinstance", "issubclass", "register"}:
            found |= named(node.args[-1:])
        if isinstance(node, ast.FunctionDef) and "register" in named([*node.decorator_list]):
            found |= named([argument.annotation for argument in node.args.args[:1]])
        if isinstance(node, ast.MatchClass):
            found |= named([node.cls])
    return found & kinds()


def test_the_question_is_seen():
    for program in (
        "isinstance(x, DenseShift)",
        "isinstance(x, int | shifts.LowRankShift)",
        "issubclass(x, (SumShift, int))",
        "@rows.register\ndef _(shift: HingeShift): ...",
        "rows.register(PooledShift)",
        "match x:\n    case SparseShift(): ...",
    ):
        assert len(asked(ast.parse(program))) == 1, program
    assert not asked(ast.parse("isinstance(x, ShiftOperator)\nDenseShift(x)"))


def test_nobody_else_tells_kinds_of_shifts_apart():
    paths = [
        path
        for package in ("filters", "gsp_nonlocal", "experiments")
        for path in ROOT.glob(f"{package}/**/*.py")
    ]
    told = {str(path.relative_to(ROOT)): asked(ast.parse(path.read_text(encoding="utf-8"))) for path in paths}
    outside = {name for name, found in told.items() if found and not name.startswith(AT_HOME)}
    assert outside == set(EXCEPTIONS)
    assert told["gsp_nonlocal/shifts/structure.py"] > {"DenseShift", "LowRankShift"}


@shifts_table
def test_every_kind_answers_as_its_matrix_does(graph):
    shift = SHIFTS[graph]()
    matrix, sources = (
        shift.to_dense(),
        torch.arange(NODES).roll(3).expand(shift.shape[0], NODES, NODES)[..., :4],
    )
    assert relative(rows(shift, torch.tensor([5, 0])), matrix[:, [5, 0]]) < 1e-12
    assert relative(entries(shift, sources), matrix.gather(-1, sources)) < 1e-12
    assert relative(symmetric_part(shift).to_dense(), 0.5 * (matrix + matrix.mT)) < 1e-12
    if shift.diagonal is not None:
        assert torch.equal(torch.diag_embed(shift.diagonal), matrix)


@pytest.mark.parametrize("core", [None, features(rank=4)[:, :4]])
def test_the_small_matrix_is_the_whole_one_rotated(core):
    shift = LowRankShift(features(rank=4), features(rank=4, seed=1), core)
    small, matrix = factored(shift).rotated(), shift.to_dense()
    assert small.shape[-1] == 8
    for one, other in (
        (small, matrix),
        (small - small.mT, matrix - matrix.mT),
        (small @ small, matrix @ matrix),
    ):
        assert relative(torch.linalg.svdvals(one), torch.linalg.svdvals(other)[:, :8]) < 1e-12
