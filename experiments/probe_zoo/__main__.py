"""Fills the table and prints its numbers."""

from __future__ import annotations

import argparse
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from tqdm import tqdm

from experiments import probe_zoo
from experiments.probe_zoo.networks import is_there, models, woken
from experiments.probe_zoo.table import summary
from experiments.probe_zoo.trial import Row, tried
from experiments.zoo_rows import read_rows, write_rows

TABLE = Path(__file__).parents[1] / "results" / "probe.csv"


def main(arguments: Sequence[str] | None = None) -> None:
    """Fill the table and print it."""
    parser = argparse.ArgumentParser(prog="python -m experiments.probe_zoo", description=probe_zoo.__doc__)
    parser.add_argument("--models", nargs="+", default=None, metavar="NAME", help="Run these again.")
    parser.add_argument("--table", type=Path, default=TABLE, help="A CSV file; by default %(default)s.")
    chosen = parser.parse_args(arguments)
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    names = dict(models())
    unknown = [name for name in chosen.models or [] if name not in names]
    if unknown:
        parser.error(f"no model {unknown[0]!r} in the zoo; choose of {', '.join(names)}")
    rows = {name: row for name, row in read_rows(Row, chosen.table).items() if name in names}
    wanted = [name for name in names if name not in rows] if chosen.models is None else chosen.models
    waiting = [name for name in wanted if is_there(name)]
    for name in (bar := tqdm(waiting, desc="models")):
        bar.set_postfix_str(name)
        torch.manual_seed(0)
        network, given = names[name].build()
        rows[name] = tried(name, names[name].family, woken(network, given), given)
        write_rows(Row, chosen.table, [rows[known] for known in names if known in rows])
    print(summary(list(rows.values())))
    for name in sorted(set(wanted) - set(waiting)):
        print(f"{name}: left out, its library is not installed; make probe-zoo installs it")
    print(f"table: {chosen.table}")


if __name__ == "__main__":
    main()
