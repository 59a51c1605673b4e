"""``python -m experiments.insertion_zoo``: a block in one model of each family of timm and torchvision.

Every model gets an SNL block after its last stage but one, with random weights, on a small input. The table
says whether it was right (width and layout as the library says them, and one run of the block in a forward
pass), or refused at the call. It goes on where an earlier run stopped; ``--models`` runs chosen ones again.
"""
