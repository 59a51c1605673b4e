"""Drawing many cases: each kind of failure is shrunk and printed once, and counted ever after."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.internal.conjecture import engine
from hypothesis.reporting import with_reporter
from hypothesis.strategies import SearchStrategy
from tqdm import tqdm

from tests.fuzz.case import Failure, Outcome, as_test

SHRINKING = 8.0
"""Seconds for which a failing case is made smaller."""


@dataclass
class Found:
    """A kind of failure: the smallest case seen, its error, and how many cases failed so."""

    case: object
    error: Failure
    count: int = 1


@dataclass
class Tally:
    """What became of all cases."""

    verdicts: Counter[tuple[str, str]] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    failures: dict[str, Found] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def examples(self) -> int:
        """How many cases were drawn, those of shrinking left out."""
        return sum(self.verdicts.values())


class _Run:
    """One run of hypothesis, which ends at the first new kind of failure."""

    def __init__(self, kind: str, check: Callable[[Any], Outcome], tally: Tally, bar: Any) -> None:
        self.kind, self.check, self.tally, self.bar = kind, check, tally, bar
        self.target: str | None = None
        self.smallest: Found | None = None

    def __call__(self, case: object) -> None:
        """Check a case; raise for a failure of a kind that is new, and of no other once one was found."""
        try:
            outcome = self.check(case)
        except Failure as failure:
            if self.target is None:
                self._count("failed")
                known = self.tally.failures.get(failure.signature)
                if known is not None:
                    known.count += 1
                    return
                self.target = failure.signature
            if failure.signature == self.target:
                self.smallest = Found(case, failure)
                raise
            return
        if self.target is None:
            self._count(outcome.verdict)
            if outcome.verdict == "refused":
                self.tally.refusals[outcome.reason] += 1

    def _count(self, verdict: str) -> None:
        self.tally.verdicts[self.kind, verdict] += 1
        self.bar.update()
        self.bar.set_postfix(kind=self.kind, failures=len(self.tally.failures), refresh=False)


def hunt(
    kind: str,
    strategy: SearchStrategy[Any],
    check: Callable[[Any], Outcome],
    examples: int,
    start: int,
    tally: Tally,
    bar: Any,
    show: Callable[[str], None] = print,
) -> None:
    """Draw ``examples`` cases; after a new kind of failure, go on with another seed."""
    begun, turn = time.perf_counter(), 0
    goal = sum(n for (k, _), n in tally.verdicts.items() if k == kind) + examples
    while (left := goal - sum(n for (k, _), n in tally.verdicts.items() if k == kind)) > 0:
        run = _Run(kind, check, tally, bar)
        _drawn(run, strategy, left, start + 1000 * turn)
        turn += 1
        if run.smallest is not None and run.target is not None:
            tally.failures[run.target] = run.smallest
            show(f"\n# {run.target}\n{as_test(run.smallest.case, run.smallest.error)}")
        elif turn > 5 * examples:
            break
    tally.seconds += time.perf_counter() - begun


def first_failure(
    kind: str,
    strategy: SearchStrategy[Any],
    check: Callable[[Any], Outcome],
    examples: int,
    start: int,
    tally: Tally,
) -> None:
    """Draw cases up to the first failure, and do not shrink it."""
    run = _Run(kind, check, tally, bar_of(examples, quiet=True))
    _drawn(run, strategy, examples, start, [Phase.generate])
    if run.smallest is not None and run.target is not None:
        tally.failures[run.target] = run.smallest


def _drawn(
    run: _Run,
    strategy: SearchStrategy[Any],
    examples: int,
    start: int,
    phases: Sequence[Phase] = (Phase.generate, Phase.shrink),
) -> None:
    kept, engine.MAX_SHRINKING_SECONDS = engine.MAX_SHRINKING_SECONDS, SHRINKING
    test = settings(
        max_examples=examples,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
        phases=phases,
    )(seed(start)(given(strategy)(lambda case: run(case))))
    try:
        with with_reporter(lambda text: None):
            test()
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) or run.smallest is None:
            raise
        notes = getattr(error, "__notes__", [])
        blob = next((note for note in notes if "reproduce_failure" in note), "")
        if blob:
            run.bar.write(blob.strip())
    finally:
        engine.MAX_SHRINKING_SECONDS = kept


def bar_of(total: int, quiet: bool = False) -> Any:
    """The bar of a hunt."""
    return tqdm(total=total, desc="fuzz", unit=" examples", disable=quiet)
