"""Attention seen by the functions that compute it, whatever module calls them.

====================  =======================================================================================
file                  holds
====================  =======================================================================================
``mode.py``           the mode that sees every function of a forward pass, and what it does with each
``products.py``       which product is ``q kᵀ`` and which ``A v``: matmul, bmm, einsum
``lineage.py``        what a tensor of scores or weights is made of, followed through casts, views and masks
``recorded.py``       one attention: queries and keys, or the matrix
``traces.py``         it as a graph, or as a join of two sets of nodes
``fused.py``        attention in one function: scaled dot products, multi-head attention
``flex.py``           flex attention
``circuit.py``        the linear maps around the heads, which give their response
====================  =======================================================================================

No class of another package is named. What is seen: ``scaled_dot_product_attention``,
``multi_head_attention_forward``, ``flex_attention``, a softmax that is followed by a product with values, and
products ``q (kᵀ v)``.
"""

from gsp_nonlocal.probe.attention.mode import AttentionMode
from gsp_nonlocal.probe.attention.recorded import Attention
from gsp_nonlocal.probe.attention.traces import trace_of

__all__ = ["Attention", "AttentionMode", "trace_of"]
