"""Messages of libraries that no user of these experiments can act on, and lines of our own."""

import logging
import warnings

from lightning.pytorch.utilities import rank_zero_only

_BESIDE_THE_POINT = (
    ".*does not have many workers.*",
    ".*LeafSpec.*is deprecated.*",
    ".*callbacks used to create the checkpoint need to be provided.*",
    ".*exists and is not empty.*",
    ".*smaller than the logging interval.*",
)


def hush() -> None:
    """Silence them: hints at loader workers, deprecations inside Lightning, notes on devices."""
    for message in _BESIDE_THE_POINT:
        warnings.filterwarnings("ignore", message=message)
    for name in ("lightning.pytorch.utilities.rank_zero", "lightning.fabric.utilities.seed"):
        logging.getLogger(name).setLevel(logging.WARNING)


@rank_zero_only
def say(line: str) -> None:
    """Print a line at once, in the first of several processes."""
    print(line, flush=True)
