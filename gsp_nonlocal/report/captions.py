"""Heading of each figure, and the sentence beneath it: what it shows, and when it is a bad sign."""

CAPTIONS = {
    "spectrum": (
        "Spectrum",
        "How many eigenvalues lie at each graph frequency, and below them a row of ticks a graph; where "
        "frequencies are complex, each as a point of the plane. A bad sign is one eigenvalue near λ = 0 and "
        "all others at λ = 1: a graph that only averages the whole map.",
    ),
    "density": (
        "Density",
        "How many eigenvalues have which real part of the frequency, over a row of ticks a graph; where only "
        "the greatest are known, by the density of the symmetric part. A bad sign is one heap at λ = 1: a "
        "graph that reaches next to nothing.",
    ),
    "decay": (
        "Decay of the eigenvalues",
        "How fast |μ| falls, a line a graph. A bad sign is a cliff after the first, where every position "
        "gathers the same, or no fall at all, where each sees only itself.",
    ),
    "response": (
        "Learned response",
        "What value projection and filter do to each frequency (norm, activation and gate left out), above "
        "the frequencies that the graphs have. A bad sign is a flat line: a block that does not use its "
        "graph.",
    ),
    "energy": (
        "Energy of the signal",
        "Where in frequency the signal's energy lies before and after the filter (of a directed graph: over "
        "the frequencies of its symmetric part). A bad sign is all of it at λ = 0 afterwards: the map has "
        "become even.",
    ),
    "over time": (
        "Spectrum over time",
        "How many eigenvalues lie at each frequency, on a logarithmic scale and without exact zeros, one "
        "panel a snapshot. A bad sign is a spectrum that shrinks to λ = 0 and λ = 1: the affinity comes "
        "close to rank one.",
    ),
    "measures over time": (
        "Measures over time",
        "Means over the graphs. A bad sign is agreement of rows that rises to 1, or a distance to rank one "
        "that falls to 0.",
    ),
}
