"""``python -m tests.fuzz.run N SEED``: draws ``N`` cases of all kinds, prints failures as tests."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from hypothesis.strategies import SearchStrategy

from tests.fuzz import analysis_case, bad_case, block_case, draw, filter_case, promise_case
from tests.fuzz.case import Outcome
from tests.fuzz.engine import Tally, bar_of, hunt

Kind = tuple[SearchStrategy[Any], Callable[[Any], Outcome], float]
KINDS: dict[str, Kind] = {
    "filters": (draw.filter_cases(), filter_case.check, 0.5),
    "blocks": (draw.block_cases(), block_case.check, 0.15),
    "analysis": (draw.analysis_cases(), analysis_case.check, 0.15),
    "promises": (draw.promise_cases(), promise_case.check, 0.15),
    "bad input": (draw.bad_cases(), bad_case.check, 0.05),
}
"""Strategy, check, and share of all examples."""


def fuzz(examples: int, seed: int, quiet: bool = False, show: Callable[[str], None] = print) -> Tally:
    """Draw ``examples`` cases of all kinds, by the share of each."""
    tally, bar = Tally(), bar_of(examples, quiet)
    for kind, (strategy, check, share) in KINDS.items():
        hunt(kind, strategy, check, max(round(share * examples), 1), seed, tally, bar, show)
    bar.close()
    return tally


def summary(tally: Tally) -> str:
    """Examples by kind and verdict, refusals by message, failures by kind."""
    verdicts = ("held", "refused", "not judged", "failed")
    lines = [
        f"\n{tally.examples} examples in {tally.seconds:.0f} s: {tally.examples / tally.seconds:.1f} a second"
    ]
    lines += [f"{'':12}" + "".join(f"{verdict:>12}" for verdict in verdicts)]
    for kind in KINDS:
        lines.append(f"{kind:12}" + "".join(f"{tally.verdicts[kind, verdict]:12}" for verdict in verdicts))
    lines += ["\nrefusals"] + [f"{count:6}  {message}" for message, count in tally.refusals.most_common()]
    lines += [f"\n{len(tally.failures)} kinds of failure"]
    for signature, found in sorted(tally.failures.items(), key=lambda item: -item[1].count):
        lines.append(f"{found.count:6}  {signature}: {found.error}"[:220])
    return "\n".join(lines)


def main() -> int:
    """Run; 1 where something failed."""
    examples, seed = (int(word) for word in (*sys.argv[1:], "1000", "0")[:2])
    tally = fuzz(examples, seed)
    print(summary(tally))
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
