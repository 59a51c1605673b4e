"""Heading of each figure, and the sentence beneath it: what it shows, and when it is a bad sign."""

CAPTIONS = {
    "singular values": (
        "Singular values",
        "How fast the singular values fall, a line a graph: a matrix from one set of nodes to another has "
        "these in place of eigenvalues. A bad sign is a cliff after the first: all queries collect the same.",
    ),
    "maps of queries": (
        "Maps of queries",
        "What some queries, by their numbers, collect from each key: the first image, mean of the heads; "
        "the keys lie as the image's patches where their number fits. A bad sign is that all look alike.",
    ),
    "spectrum": (
        "Spectrum",
        "How many eigenvalues lie at each graph frequency; the ticks below are the frequencies, one row for "
        "each graph. Where frequencies are complex, each is a point of the plane. A bad sign is one "
        "eigenvalue near λ = 0 and all others at λ = 1: a graph that only averages the whole map.",
    ),
    "density": (
        "Density",
        "How many eigenvalues have which real part of the frequency; the ticks below are one row for each "
        "graph. Where only the greatest are known, this is the density of the symmetric part. A bad sign is "
        "one peak at λ = 1 and nothing else: a graph with hardly any effect.",
    ),
    "decay": (
        "Decay of the eigenvalues",
        "How fast |μ| falls, one line for each graph. A bad sign is a cliff after the first, where every "
        "position collects the same, or no fall at all, where each collects only from itself.",
    ),
    "response": (
        "Learned response",
        "How much value projection and filter amplify each frequency (without norm, activation and gate); "
        "the ticks below are the frequencies that the graphs have. A bad sign is a flat line: a block that "
        "does not use its graph.",
    ),
    "energy": (
        "Energy of the signal",
        "At which frequencies the signal's energy lies before and after the filter (for a directed graph, "
        "the frequencies of its symmetric part). A bad sign is all of it at λ = 0 afterwards: all positions "
        "have become the same.",
    ),
    "over time": (
        "Spectrum over time",
        "How many eigenvalues lie at each frequency, on a logarithmic scale and without exact zeros, one "
        "panel for each snapshot. A bad sign is a spectrum that shrinks to λ = 0 and λ = 1: S comes close to "
        "rank one.",
    ),
    "measures over time": (
        "Measures over time",
        "Means over the graphs. A bad sign is an agreement of rows that rises to 1, or a distance to rank "
        "one that falls to 0.",
    ),
}
