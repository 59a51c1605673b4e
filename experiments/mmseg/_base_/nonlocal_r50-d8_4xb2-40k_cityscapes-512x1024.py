"""ResNetV1c-50-D8 with a nonlocal head on Cityscapes, the authors' settings: what all configs here share.

SGD 0.01 with weight decay 5e-4, poly 0.9 to 1e-4, 40,000 iterations, an auxiliary FCN head at stage 3 with
weight 0.4, crops of 512×1024, and a test of whole images at one scale: all of it is mmsegmentation's.
"""

_base_ = [
    "mmseg::_base_/models/fcn_r50-d8.py",
    "mmseg::_base_/datasets/cityscapes.py",
    "mmseg::_base_/default_runtime.py",
    "mmseg::_base_/schedules/schedule_40k.py",
]
custom_imports = {"imports": ["gsp_nonlocal.interop.mmseg"], "allow_failed_imports": False}
model = {"data_preprocessor": {"size": (512, 1024)}, "decode_head": {"type": "NonlocalHead"}}
