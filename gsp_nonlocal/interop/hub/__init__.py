"""Networks with nonlocal blocks on the Hugging Face Hub.

============================================  ==============================================================
name                                          is
============================================  ==============================================================
``HubNetwork(network, model, arguments)``     a network with ``save_pretrained``, ``push_to_hub`` and
                                              ``HubNetwork.from_pretrained``: safetensors, plain JSON, a card
``configuration(network, model, arguments)``  the plain values from which it is built again
``build(config)``                             the network of them, with random weights
============================================  ==============================================================
"""

from gsp_nonlocal.interop.hub.configuration import build, configuration
from gsp_nonlocal.interop.hub.network import HubNetwork

__all__ = ["HubNetwork", "build", "configuration"]
