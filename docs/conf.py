"""The documentation site: ``make docs`` builds it, without a network, and a warning is an error."""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import matplotlib
from sphinx_gallery.sorting import ExplicitOrder

import gsp_nonlocal

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS / "_ext"))
# Kernels of the executed pages are processes of their own: one thread each. Their figures come into the page
# by the backend that a kernel chooses where no other is asked for; in this process there is no screen.
matplotlib.use("agg")
os.environ.update({"OMP_NUM_THREADS": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1"})
os.environ.pop("MPLBACKEND", None)
# They write into the build, not into the home of the reader, and do not warn that they use the local network.
IPYTHON = DOCS / "_build" / "ipython"
(IPYTHON / "profile_default").mkdir(parents=True, exist_ok=True)
(IPYTHON / "profile_default" / "ipython_kernel_config.py").write_text("c.IPKernelApp.log_level = 40\n")
os.environ["IPYTHONDIR"] = str(IPYTHON)

project = "gsp-nonlocal"
author = "The gsp-nonlocal authors"
copyright = f"{datetime.now(UTC).year}, {author}"
version = release = gsp_nonlocal.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "formulas",
    "reference",
    "pictures",
    "citations",
    "repository_links",
]
exclude_patterns = [
    "_build",
    "gallery/**",
    "auto_gallery/**/*.ipynb",
    "auto_gallery/**/*.py",
    "**/GALLERY_HEADER.rst",
    "**/sg_execution_times.rst",
    "sg_execution_times.rst",
]
nitpicky = False

# The reference is made of docstrings, and signatures show jaxtyping's shapes as they are written.
autosummary_generate = False
autodoc_member_order = "bysource"
autodoc_default_options = {"exclude-members": "extra_repr"}
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
napoleon_numpy_docstring = False
napoleon_custom_sections = [("Deviation", "notes"), ("Deviations", "notes"), ("Shapes", "notes")]
add_module_names = False
toc_object_entries_show_parents = "hide"
html_math_renderer = "drawn"

myst_enable_extensions = ["dollarmath", "deflist", "attrs_inline"]
myst_heading_anchors = 4
nb_execution_mode = "cache"
nb_execution_timeout = 120
nb_execution_raise_on_error = True
nb_merge_streams = True

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "auto_gallery",
    "subsection_order": ExplicitOrder(
        [f"gallery/{name}" for name in ("blocks", "attention", "filters", "graphs")]
    ),
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "reset_modules": ("matplotlib",),
    "doc_module": ("filters", "gsp_nonlocal"),
    "backreferences_dir": "auto_gallery/uses",
    "remove_config_comments": True,
    "show_memory": False,
    "min_reported_time": 5,
    "plot_gallery": True,
    "capture_repr": (),
}

html_theme = "furo"
html_title = f"gsp-nonlocal {release}"
html_static_path = ["_static"]
templates_path = ["_templates"]
html_css_files = ["site.css"]
html_js_files = ["versions.js"]
html_show_sourcelink = False
html_theme_options = {
    "source_repository": "https://github.com/gsp-nonlocal/gsp-nonlocal/",
    "source_branch": "main",
    "source_directory": "docs/",
}
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "versions.html",
        "sidebar/scroll-end.html",
    ]
}
