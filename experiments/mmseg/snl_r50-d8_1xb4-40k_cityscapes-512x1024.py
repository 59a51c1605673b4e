"""As the authors trained it: four images a step, on one GPU."""

_base_ = "snl_r50-d8_4xb2-40k_cityscapes-512x1024.py"
train_dataloader = {"batch_size": 4}
