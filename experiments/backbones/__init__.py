"""Networks for classification by name, where their blocks go, and weights to start from."""

from experiments.backbones.assembly import network_with_blocks
from experiments.backbones.networks import build
from experiments.backbones.places import block_places
from experiments.backbones.pretrained import load_pretrained

__all__ = ["block_places", "build", "load_pretrained", "network_with_blocks"]
