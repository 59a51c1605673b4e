"""Runs of the spectral study on disk: plain numbers, from which the document is written."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from experiments.cells import Key
from experiments.files import replacing
from gsp_nonlocal.analysis import Snapshot
from gsp_nonlocal.analysis.record import BlockRecord

DIGITS = 5
VISIBLE = 5e-5
Numbers = list[float | None]


@dataclass(frozen=True)
class Powers:
    """What repeated application of one block's shifts does, for each power a number a graph.

    Attributes:
        exponents: The powers ``k``.
        deviation: ``‖S^k − S‖_F / ‖S‖_F``.
        outside: ``min_c ‖S^k − c S‖_F / ‖S^k‖_F``, the share of ``S^k`` that no multiple of ``S`` is.
        excess: ``‖S^k‖_2 / ρ^k`` with the spectral radius ``ρ``.
    """

    exponents: list[int]
    deviation: list[Numbers]
    outside: list[Numbers]
    excess: list[Numbers]

    def mean(self, name: str, exponent: int) -> float | None:
        """The mean of one of them over the graphs where it is known."""
        known = [v for v in getattr(self, name)[self.exponents.index(exponent)] if v is not None]
        return sum(known) / len(known) if known else None


@dataclass(frozen=True)
class Run:
    """What one training gave.

    Attributes:
        block: Name of the network.
        seed: Seed of weights and training scenes.
        steps: Training steps.
        val: IoU of the best validation checkpoint on the validation scenes.
        test: The same on the test scenes.
        seconds: Of the training, its measurements among them.
        before: The untrained network.
        after: The chosen checkpoint.
        course: Step, and the measures at that step as ``{"block/measure": mean}``.
        powers: By application of the block, ``(before, after)``.
        spread: ``(before, after)``, each ``‖x − mean over positions‖_F / ‖x‖_F`` of what the block is given,
            and of what it returns.
    """

    block: str
    seed: int
    steps: int
    val: float
    test: float
    seconds: float
    before: Snapshot
    after: Snapshot
    course: list[tuple[int, dict[str, float]]]
    powers: dict[str, tuple[Powers, Powers]]
    spread: tuple[tuple[float, float], tuple[float, float]]

    @property
    def key(self) -> Key:
        """What no two runs of a file share."""
        return Key("scenes", self.block, self.seed, self.steps)


class Study(NamedTuple):
    """All runs, and the machine that the last of them was trained on."""

    runs: list[Run]
    machine: dict[str, str]


class Applied(NamedTuple):
    """One application of one block in a run, with a name that is its own in the study."""

    name: str
    run: Run
    before: BlockRecord
    after: BlockRecord
    powers: tuple[Powers, Powers]

    def course(self, measure: str) -> list[tuple[int, float]]:
        """Steps at which a measure is known, and its values."""
        key = f"{self.after.name}/{measure}"
        return [(step, values[key]) for step, values in self.run.course if key in values]


def applications(runs: Sequence[Run]) -> list[Applied]:
    """Return each application of each run; the name tells the seed if there are several."""
    seeds = {run.seed for run in runs}
    return [one for run in runs for one in _applications(run, len(seeds) > 1)]


def _applications(run: Run, with_seed: bool) -> list[Applied]:
    name = f"{run.block}, seed {run.seed}" if with_seed else run.block
    before = {block.name: block for block in run.before.blocks}
    several = len(run.after.blocks) > 1
    return [
        Applied(f"{name} #{number}" if several else name, run, before[b.name], b, run.powers[b.name])
        for number, b in enumerate(run.after.blocks, start=1)
    ]


def read_study(path: str | Path) -> Study:
    """Return the runs of a JSON file, none if there is no file.

    Raises:
        ValueError: If the file holds something else, or a run twice.
    """
    if not Path(path).exists():
        return Study([], {})
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
        study = Study([_run(run) for run in values["runs"]], values["machine"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(
            f"'{path}' holds no runs of this study ({type(error).__name__}: {error}); move it away"
        ) from error
    _check_once(study, path)
    return study


def _check_once(study: Study, path: str | Path) -> None:
    keys = [run.key for run in study.runs]
    for key in keys:
        if keys.count(key) > 1:
            raise ValueError(f"'{path}' has a run of {key} twice; remove one of them")


def keep_run(run: Run, machine: dict[str, str], path: str | Path) -> None:
    """Add a run to the file; one that another run of the study has added meanwhile stays."""
    runs = read_study(path).runs
    if run.key not in {kept.key for kept in runs}:
        write_study(Study([*runs, run], machine), path)


def write_study(study: Study, path: str | Path) -> None:
    """Write all runs; the file is the old one or the new one at any time."""
    values = {"machine": study.machine, "runs": [_plain(run) for run in study.runs]}
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(rounded(values), allow_nan=False), encoding="utf-8")


def rounded(values: Any) -> Any:
    """Return the same with five digits of each number, and ``None`` for what is not finite."""
    if isinstance(values, float):
        return float(f"{values:.{DIGITS}g}") if math.isfinite(values) else None
    if isinstance(values, dict):
        return {key: rounded(value) for key, value in values.items()}
    return [rounded(value) for value in values] if isinstance(values, list | tuple) else values


def _plain(run: Run) -> dict[str, Any]:
    """Return what the document is written from: no histograms, and no eigenvalues that cannot be seen."""
    values = asdict(run)
    for snapshot in (values["before"], values["after"]):
        for graph in (graph for block in snapshot["blocks"] for graph in block["graphs"]):
            graph |= {"density": [], "before": [], "after": []}
            graph["eigenvalues"] = _visible(graph["eigenvalues"])
    return values


def _visible(eigenvalues: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Those that can be seen in a picture, to four places; the measures are of all."""
    return [(round(re, 4), round(im, 4)) for re, im in eigenvalues if math.hypot(re, im) > VISIBLE]


def _run(values: dict[str, Any]) -> Run:
    snapshots = {name: Snapshot.from_dict(values[name]) for name in ("before", "after")}
    course = [(step, measures) for step, measures in values["course"]]
    powers = {name: (Powers(**pair[0]), Powers(**pair[1])) for name, pair in values["powers"].items()}
    before, after = values["spread"]
    spread = ((before[0], before[1]), (after[0], after[1]))
    return Run(**values | snapshots | {"course": course, "powers": powers, "spread": spread})
