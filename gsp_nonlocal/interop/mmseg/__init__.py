"""Nonlocal heads for mmsegmentation, registered by importing this package.

In a config: ``custom_imports = dict(imports=["gsp_nonlocal.interop.mmseg"])``; then
``decode_head=dict(type="SNLHead", …)`` and ``decode_head=dict(type="NonlocalHead", block="dnl", …)``.
"""

from gsp_nonlocal.interop.mmseg.environment import prepare

prepare()

from gsp_nonlocal.interop.mmseg.decode_heads import NonlocalHead, SNLHead  # noqa: E402

__all__ = ["NonlocalHead", "SNLHead"]
