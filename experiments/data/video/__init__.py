"""Video classification data sets in the formats that people have them in."""

from experiments.data.video.ucf101 import UCF101

__all__ = ["UCF101"]
