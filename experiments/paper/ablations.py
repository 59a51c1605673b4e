"""The ablations of the paper as networks of the grid, by family of the backbone."""

from collections.abc import Sequence

_FILTERS = ("chebyshev", "monomial", "bernstein", "cayley", "arma", "rational")
_BLOCK: dict[str, tuple[str, ...]] = {
    "stages": ("none", "snl:stages=1", "snl:stages=2", "snl:stages=3", "ns:stages=2", "ns:stages=3"),
    "order": ("none", *(f"snl:order={order}" for order in range(1, 6))),
    "filter": ("none", "snl", *(f"snl:filter={name},order=3" for name in _FILTERS)),
    "symmetry": ("none", "snl", "snl:symmetrization=none"),
    "normalization": (
        "none",
        *(f"snl:normalization={name}" for name in ("symmetric", "random_walk", "mean", "none")),
    ),
    "penalty": ("none", "snl", "snl:stable_penalty=0.01"),
}
ABLATIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "preresnet": {
        "place": ("none", *(f"{name}:layers=[{layer}]" for name in ("snl", "nl") for layer in (1, 2, 3))),
        "count": (
            "none",
            *(f"{name}:layers={layers}" for name in ("snl", "nl") for layers in ("[3]", "[2,3]", "[1,2,3]")),
        ),
        **_BLOCK,
    },
    "resnet": {
        "place": ("none", *(f"{name}:layers=[{layer}]" for name in ("snl", "nl") for layer in (1, 2, 3, 4))),
        "count": ("none", *(f"{name}:count={count}" for name in ("snl", "nl") for count in (1, 5))),
        **_BLOCK,
    },
}
"""Words of ``--blocks`` by family and name. ``place``: which layer has the one block; ``count``: how many."""
NAMES: tuple[str, ...] = tuple(ABLATIONS["resnet"])


def ablation(name: str, backbone: str) -> Sequence[str]:
    """Return the networks of an ablation; a backbone that is no preresnet has those of a resnet.

    >>> ablation("penalty", "preresnet20")
    ('none', 'snl', 'snl:stable_penalty=0.01')
    """
    return ABLATIONS["preresnet" if backbone.startswith("preresnet") else "resnet"][name]
