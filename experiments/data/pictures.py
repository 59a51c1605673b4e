"""Images from files; the reader is that of the installed command."""

from gsp_nonlocal.cli.pictures import Format, Pictures, read_pictures
from gsp_nonlocal.reading import first_line

__all__ = ["Format", "Pictures", "first_line", "read_pictures"]
