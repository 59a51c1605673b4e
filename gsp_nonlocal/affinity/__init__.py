"""Affinities: modules whose ``forward`` turns node features into a shift operator.

They are built as ``affinity(channels, inner_channels)`` and called ``affinity(nodes (B, N, C), spatial)``.

======================  ====================================  =================================  =========
affinity                weights ``M_ij``                      by default                         time
======================  ====================================  =================================  =========
``ReLUDot``             ``relu(θ_i)ᵀ relu(φ_j)``              averaged, ``D^{-1/2} M D^{-1/2}``  ``N``
``DotProduct``          ``θ_iᵀ φ_j``                          ``M / N``                          ``N``
``Concatenation``       ``relu(wᵀ[θ_i, φ_j])``                ``M / N``                          ``N log N``
``Gaussian``            ``exp(s x_iᵀ x_j)``                   ``D⁻¹ M``                          ``N²``
``EmbeddedGaussian``    ``exp(s θ_iᵀ φ_j)``                   ``D⁻¹ M``                          ``N²``
``RBF``                 ``exp(−γ‖θ_i − φ_j‖²)``               ``D^{-1/2} M D'^{-1/2}``           ``N²``
``TaylorRBF``           its Taylor series                     ``M``                              ``N``
``DoubleSoftmax``       ``softmax_r(θ_i)ᵀ softmax_N(φ)_j``    ``M``                              ``N``
``CrissCross``          ``exp(θ_iᵀ φ_j)`` on row and column   ``D⁻¹ M``                          ``N^1.5``
``GlobalContext``       ``softmax_N(X w)_j``                  fixed                              ``N``
``PyramidAttention``    softmax to pooled positions           fixed                              ``N``
======================  ====================================  =================================  =========

All keep memory linear in ``N``, but for ``CrissCross`` (``N^1.5``).
"""

from filters.registry import Registry
from gsp_nonlocal.affinity.base import Affinity, PairwiseAffinity
from gsp_nonlocal.affinity.concatenation import Concatenation
from gsp_nonlocal.affinity.criss_cross import CrissCross
from gsp_nonlocal.affinity.dot_product import DotProduct
from gsp_nonlocal.affinity.double_softmax import DoubleSoftmax
from gsp_nonlocal.affinity.embedded_gaussian import EmbeddedGaussian
from gsp_nonlocal.affinity.gaussian import Gaussian
from gsp_nonlocal.affinity.global_context import GlobalContext
from gsp_nonlocal.affinity.normalization import inverse_sqrt_degree
from gsp_nonlocal.affinity.pyramid_attention import PyramidAttention
from gsp_nonlocal.affinity.rbf import RBF
from gsp_nonlocal.affinity.relu_dot import ReLUDot
from gsp_nonlocal.affinity.relu_dot_factors import relu_dot_shift
from gsp_nonlocal.affinity.taylor_rbf import TaylorRBF

registry: Registry[type[Affinity]] = Registry("affinity")
_TABLE: dict[str, type[Affinity]] = {
    "concatenation": Concatenation,
    "criss_cross": CrissCross,
    "dot_product": DotProduct,
    "double_softmax": DoubleSoftmax,
    "embedded_gaussian": EmbeddedGaussian,
    "gaussian": Gaussian,
    "global_context": GlobalContext,
    "pyramid": PyramidAttention,
    "rbf": RBF,
    "relu_dot": ReLUDot,
    "taylor_rbf": TaylorRBF,
}
for _name, _affinity in _TABLE.items():
    registry.register(_name, _affinity)

__all__ = [
    "RBF",
    "Affinity",
    "Concatenation",
    "CrissCross",
    "DotProduct",
    "DoubleSoftmax",
    "EmbeddedGaussian",
    "Gaussian",
    "GlobalContext",
    "PairwiseAffinity",
    "PyramidAttention",
    "ReLUDot",
    "TaylorRBF",
    "inverse_sqrt_degree",
    "registry",
    "relu_dot_shift",
]
