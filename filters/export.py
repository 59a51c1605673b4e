"""Whether a network is being exported: then one program serves all sizes of its input."""

import torch


def is_exporting() -> bool:
    """Whether ``torch.export`` records the code that runs.

    What is chosen by size (the cheaper of two forms, chunks of rows) is fixed then, for all sizes alike: a
    comparison of sizes would become a condition of the exported program.
    """
    return bool(torch.compiler.is_exporting())
