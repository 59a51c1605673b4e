"""What is trained: a network, its loss, its metric and its optimiser."""

from experiments.tasks.classification import Classification
from experiments.tasks.segmentation import Segmentation
from experiments.tasks.semantic_segmentation import SemanticSegmentation
from experiments.tasks.slide_segmentation import SlideSegmentation
from experiments.tasks.video_segmentation import VideoSegmentation

__all__ = [
    "Classification",
    "Segmentation",
    "SemanticSegmentation",
    "SlideSegmentation",
    "VideoSegmentation",
]
