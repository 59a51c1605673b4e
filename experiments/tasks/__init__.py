"""What is trained: a network, its loss, its metric and its optimiser."""

from experiments.tasks.classification import Classification
from experiments.tasks.segmentation import Segmentation

__all__ = ["Classification", "Segmentation"]
