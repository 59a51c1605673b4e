"""Bridges to other code: the authors' checkpoints."""
