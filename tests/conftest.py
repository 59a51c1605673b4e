"""Shape annotations of the library are checked while the tests run."""

from jaxtyping import install_import_hook

from tests.shape_checks import check_shapes

install_import_hook(["filters", "gsp_nonlocal"], f"{check_shapes.__module__}.{check_shapes.__name__}")
