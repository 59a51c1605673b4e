"""What is trained: a network, its loss, its metric and its optimiser."""

from experiments.tasks.classification import Classification
from experiments.tasks.segmentation import Segmentation
from experiments.tasks.semantic_segmentation import SemanticSegmentation

__all__ = ["Classification", "Segmentation", "SemanticSegmentation"]
