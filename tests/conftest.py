"""Shape annotations of the library are checked while the tests run."""

from tests.shape_checks import install

install(["filters", "gsp_nonlocal"])
