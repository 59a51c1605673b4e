"""What attention did for an output, not only what it is: maps, and curves that tell what a map is worth.

==================================  =========================================================================
name                                is
==================================  =========================================================================
``rollout(probe)``                  ``Π (½ S̄ + ½ I)`` over the layers of a forward pass, as a shift
``relevance(model, inputs)``        ``Π (I + (∇A ∘ A)⁺)`` for a chosen class, as a shift
``cross_relevance(model, inputs)``  the same over two sets of nodes, of encoders and decoders
``CrossRelevance``                  its four matrices
``norm_weighted(trace)``            ``‖Σ_h S_ij f(x_j)‖``: weights times what they carry, as a shift
``token_norms(model, inputs)``      ``‖x_i‖`` of what modules return, in which artefacts stand out
``deletion_curve``                  a class's probability as a map's greatest positions are taken away
``insertion_curve``                 the same as they are put in
``Curve``                           one of these, beside random orders
``mean_color``, ``blurred``         what stands where a position is taken away
==================================  =========================================================================

Rollout, relevance and norms are shifts ``(B, N, N)``, one graph an image: rows of them are maps,
``attention_map(rollout(probe), node=0)``, and no ``N²`` numbers are formed for it.
"""

from gsp_nonlocal.attribution.baselines import blurred, mean_color
from gsp_nonlocal.attribution.cross_relevance import CrossRelevance, cross_relevance
from gsp_nonlocal.attribution.curves import Curve, deletion_curve, insertion_curve
from gsp_nonlocal.attribution.norms import norm_weighted, token_norms
from gsp_nonlocal.attribution.relevance import relevance
from gsp_nonlocal.attribution.rollout import rollout

__all__ = [
    "CrossRelevance",
    "Curve",
    "blurred",
    "cross_relevance",
    "deletion_curve",
    "insertion_curve",
    "mean_color",
    "norm_weighted",
    "relevance",
    "rollout",
    "token_norms",
]
