"""ResNet-50-D8 with the disentangled nonlocal block in its head, on four GPUs."""

_base_ = "_base_/nonlocal_r50-d8_4xb2-40k_cityscapes-512x1024.py"
model = {"decode_head": {"block": "dnl"}}
