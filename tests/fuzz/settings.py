"""The surroundings of a case: threads, and a watch over it."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from tests.fuzz.case import as_test

PATIENCE = 120.0
"""Seconds after which a case hangs: it is printed, and the process ends; no Python code can stop MKL."""


@contextmanager
def surroundings(case: object, threads: int) -> Iterator[None]:
    """``threads`` threads; a case that hangs is printed."""
    before = torch.get_num_threads()
    watch = threading.Timer(PATIENCE, _end, (case,))
    watch.daemon = True
    watch.start()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        watch.cancel()


def _end(case: object) -> None:
    print(as_test(case, TimeoutError(f"hangs for {PATIENCE:g} s")), file=sys.stderr, flush=True)
    os._exit(3)
