"""Files of tensors; the reader is that of the library."""

from gsp_nonlocal.reading import UnreadableError, read_tensors

__all__ = ["UnreadableError", "read_tensors"]
