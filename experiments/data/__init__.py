"""Data sets that need no download, made from the handwritten digits that ship inside scikit-learn."""

from experiments.data.cued_scenes import CuedScenes
from experiments.data.digits import Digits

__all__ = ["CuedScenes", "Digits"]
