"""Published top-1 accuracies, to stand beside what is measured here; what is not known is left out."""

SOURCE = "Yue et al. (2018), *Compact Generalized Non-local Network*, as their PyTorch code reports"
PUBLISHED: dict[str, dict[str, float]] = {
    "cub resnet50": {"none": 86.45, "nl": 86.69, "cgnl": 87.06},
    "imagenet resnet50": {"none": 76.15, "cgnl": 77.69},
}
"""Percent by data set and backbone, then by network."""


def published(task: str, network: str) -> str:
    """Return the figure in percent, or a dash.

    >>> published("cub resnet50", "nl"), published("cub resnet50", "snl")
    ('86.69', '–')
    """
    found = PUBLISHED.get(task, {}).get(network)
    return "–" if found is None else f"{found:.2f}"
