"""``python -m experiments.benchmark.gpu``: time and memory on a GPU, into ``docs/benchmarks_gpu.md``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from rich.console import Console

from experiments.benchmark.document import ROOT
from experiments.benchmark.gpu_sections import gpu_sections
from experiments.benchmark.output import Conditions, Results, print_results, tables
from experiments.benchmark.watch import watch
from experiments.command import command
from experiments.files import check_writable, replacing
from experiments.machine import describe_machine
from experiments.settings import check_whole

HEAD = """# Benchmarks on a GPU

`make benchmark-gpu` measured all of it on one {card}. Times are medians, and what is compared was measured
in turns within one run.

- `rates` is what the card does at most: a copy, and matrix products by cuBLAS in float32, TF32 and bfloat16.
- `SNL` and `NL` time a training step as Python runs it: on small maps that is the time in which kernels are
  started, not that in which they run. `captured` has the same steps in TF32, each recorded once as a CUDA
  graph by `torch.cuda.make_graphed_callables`, as a user can (`torch.compile(mode="reduce-overhead")` does
  so too). *textbook* has its affinity as a matrix; the *floor* of SNL is seven
  1×1 convolutions, that of NL PyTorch's fused attention alone. *share* is that of the operations a second in
  a matrix product of the same precision.
- `orders` and `families` have filters alone, with their shift, at 65,536 nodes and 128 → 256 channels.
- `spectra` takes all eigenvalues of SNL's affinity (`r = 128`) from its factors; `growth` is a training step
  of SNL of order 3.

"""


@command
def main(arguments: list[str] | None = None) -> int:
    """Measure and write the document; 2 without a CUDA device, or for numbers or a file that cannot be."""
    parser = argparse.ArgumentParser(prog="python -m experiments.benchmark.gpu", description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "docs/benchmarks_gpu.md", help="the document")
    parser.add_argument("--rounds", type=int, default=15, help="measured rounds a case (default 15)")
    options = parser.parse_args(arguments)
    try:
        check_whole("--rounds", options.rounds, 1)
        check_writable(options.output.parent)
        if not torch.cuda.is_available():
            raise ValueError(
                "PyTorch sees no CUDA device here; run this where there is one ('make benchmark' is for the "
                "processor)"
            )
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    console = Console()
    measured, conditions = watch(gpu_sections(options.rounds), console)
    print_results(measured, console)
    with replacing(options.output) as file:
        file.write_text(document(measured, conditions, torch.cuda.get_device_name()), encoding="utf-8")
    console.print(f"wrote {options.output}")
    return 0


def document(measured: Results, conditions: Conditions, card: str) -> str:
    """The page, with the name of the card."""
    found = tables(measured, {"card": card, **describe_machine()}, conditions, command="make benchmark-gpu")
    return f"{HEAD.format(card=card)}{found}\n"


if __name__ == "__main__":
    sys.exit(main())
