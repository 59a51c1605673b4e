"""Numbers that sum up a graph: its eigenvalues, its matrix, its rows, and a signal on it.

==================================================  ===================================  ===================
measure                                             is                                   of
==================================================  ===================================  ===================
``dirichlet_energy``, ``total_variation``           how rough a signal is                a signal, a shift
``spectral_gap``                                    how well the graph hangs together    a spectrum
``effective_rank``, ``spectral_entropy``            how many eigenvalues carry it        a spectrum
``departure_from_normality``                        how much eigenvalues leave unsaid    a shift
``eigenvector_condition``                           how far from orthogonal they are     a shift
``asymmetry``                                       how directed the graph is            a shift
``distance_to_rank_one``                            how far from one common pattern      a shift
``row_entropy``, ``row_distance``                   how widely, how far a node looks     rows of a shift
``row_agreement``                                   whether all nodes look at the same   rows of a shift
==================================================  ===================================  ===================
"""

from gsp_nonlocal.spectral.measures.condition import eigenvector_condition
from gsp_nonlocal.spectral.measures.eigenvalues import effective_rank, spectral_entropy, spectral_gap
from gsp_nonlocal.spectral.measures.normality import asymmetry, departure_from_normality, distance_to_rank_one
from gsp_nonlocal.spectral.measures.rows import row_agreement, row_distance, row_entropy
from gsp_nonlocal.spectral.measures.signals import dirichlet_energy, total_variation

__all__ = [
    "asymmetry",
    "departure_from_normality",
    "dirichlet_energy",
    "distance_to_rank_one",
    "effective_rank",
    "eigenvector_condition",
    "row_agreement",
    "row_distance",
    "row_entropy",
    "spectral_entropy",
    "spectral_gap",
    "total_variation",
]
