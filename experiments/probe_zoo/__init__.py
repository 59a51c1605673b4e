"""``python -m experiments.probe_zoo``: attention of models of four libraries, by the probe and by a witness.

Models of timm, torchvision, transformers and diffusers with random weights run once plain, once under the
probe, and once under a witness that counts attention by another principle. The table says how many there
were, and how many of them the probe read, named, or left out without a word. It goes on where an earlier run
stopped; ``--models`` runs chosen ones again. Models of a library that is not installed keep their rows.
"""
