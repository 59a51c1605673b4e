"""The affinity of the spectral nonlocal block."""

import torch
from torch import Tensor, nn

from gsp_nonlocal.affinity.normalization import relu_dot_shift
from gsp_nonlocal.nodes import PointwiseProjection
from gsp_nonlocal.shifts import Form, ShiftOperator
from gsp_nonlocal.shifts.form import require_form


class ReLUDot(nn.Module):
    r"""``Â = D^{-1/2} M̂ D^{-1/2}``, ``M̂ = ½(M + Mᵀ)``, ``M = relu(X θ) relu(X φ)ᵀ``.

    Symmetric, spectrum in ``[−1, 1]``, rank at most ``2r``. The affinity is computed in float32 or
    better, also under autocast.

    Args:
        channels: ``C`` of the node features ``X (B, N, C)``.
        inner_channels: ``r``, the width of the embeddings ``θ`` and ``φ``; at least 1.
        form: ``"auto"``, ``"dense"`` or ``"low_rank"``: how the shift is kept.

    Raises:
        ValueError: for an unknown form.

    References:
        Zhu, She, Li, Lu, Kang, Hu, Wang (2021), *Unifying Nonlocal Blocks for Neural Networks*.

    Example:
        >>> shift = ReLUDot(16, 8)(torch.randn(2, 100, 16))
        >>> shift.shape, shift.spectral_bound
        (torch.Size([2, 100, 100]), 1.0)
    """

    def __init__(self, channels: int, inner_channels: int, *, form: Form = "auto") -> None:
        super().__init__()
        require_form(form)
        self.form = form
        self.theta_phi = PointwiseProjection(channels, 2 * inner_channels)

    def forward(self, nodes: Tensor) -> ShiftOperator:
        """The shift on ``N`` nodes of ``nodes (B, N, C)``."""
        embeddings = self.theta_phi(nodes)
        with torch.autocast(device_type=nodes.device.type, enabled=False):
            embeddings = embeddings.to(torch.promote_types(embeddings.dtype, torch.float32))
            return relu_dot_shift(embeddings, self.form)

    def extra_repr(self) -> str:
        """What ``repr`` shows of the settings."""
        return f"form={self.form!r}"
