"""``python -m gsp_nonlocal.cli``: the command where its script is not on the path."""

import sys

from gsp_nonlocal.cli import main

sys.exit(main())
