"""Description of the machine that figures were taken on."""

import os
import platform
from pathlib import Path

import lightning
import torch


def describe_machine() -> dict[str, str]:
    """Return processor, cores in use, and versions; no names of hosts or folders."""
    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "torch threads": str(torch.get_num_threads()),
        "torch": torch.__version__,
        "lightning": lightning.__version__,
        "python": platform.python_version(),
        "system": platform.system(),
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def machine_table() -> list[str]:
    """The description as lines of a Markdown table, between empty lines."""
    rows = [f"| {name} | {value} |" for name, value in describe_machine().items()]
    return ["", "| machine | |", "|---|---|", *rows, ""]
