"""What is done to signals on a graph: cleaned, filled in, sampled, cut by frequency and place, made coarser.

======================================  =====================================================================
name                                    is
======================================  =====================================================================
``denoise(z, shift, method)``           a smoother signal close to ``z``: Tikhonov, heat, or total variation
``interpolate(values, mask, shift)``    the smoothest signal with these values at some nodes
``classify(labels, mask, shift)``       labels of all nodes from those of a few
``sample(z, mask)``                     the values at some nodes
``reconstruct(values, mask, shift)``    the signal of a low band with these values
``grad(z, graph)``, ``div(e, graph)``   differences along edges, and their adjoint
``localise(filter, node, shift)``       a filter's response to an impulse at a node
``spectrogram(z, shift, bands)``        energy of a signal by node and frequency
``atom_energies(shift, bands)``         the same of impulses: what the graph itself has there
``modulate(z, k, found)``                a signal times an eigenvector
``windowed_gft(z, window, found)``      a signal by node and eigenvector; ``windowed_igft`` is the way back
``kron_reduction(graph, keep)``         the graph of some nodes that acts on them as the whole one does
``sparsify(graph, epsilon)``             fewer edges, drawn by effective resistances, with unbiased weights
``graph_pyramid(z, shift, levels)``     a signal on coarser and coarser graphs; ``synthesise`` is the way back
``tree_multiresolution(tree, levels)``  trees of the nodes of even depth
======================================  =====================================================================

The Laplacian is that of the library's convention, ``L = I − S`` with frequencies ``λ ∈ [0, 2]``. A
combinatorial one, ``D − A``, is ``λ_max L / 2``: a weight ``α`` on its energy is ``α λ_max / 2`` here.
"""

from gsp_nonlocal.signals.band_limited import reconstruct, sample
from gsp_nonlocal.signals.classification import Classification, classify
from gsp_nonlocal.signals.denoising import denoise
from gsp_nonlocal.signals.differences import div, grad
from gsp_nonlocal.signals.graph_pyramid import Pyramid, graph_pyramid, synthesise
from gsp_nonlocal.signals.interpolation import interpolate
from gsp_nonlocal.signals.kron import kron_reduction
from gsp_nonlocal.signals.localisation import atom_energies, localise, spectrogram
from gsp_nonlocal.signals.modulation import modulate, windowed_gft, windowed_igft
from gsp_nonlocal.signals.sparsification import Sparsification, sparsify
from gsp_nonlocal.signals.trees import TreeLevels, tree_multiresolution

__all__ = [
    "Classification",
    "Pyramid",
    "Sparsification",
    "TreeLevels",
    "atom_energies",
    "classify",
    "denoise",
    "div",
    "grad",
    "graph_pyramid",
    "interpolate",
    "kron_reduction",
    "localise",
    "modulate",
    "reconstruct",
    "sample",
    "sparsify",
    "spectrogram",
    "synthesise",
    "tree_multiresolution",
    "windowed_gft",
    "windowed_igft",
]
