"""How the documentation is built: ``make docs``."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_ext")]

import eks_win_capacity as ewc  # noqa: E402

project = "eks-win-capacity"
author = "The eks-win-capacity authors"
copyright = "2026, The eks-win-capacity authors; Apache-2.0"  # noqa: A001
release = version = ewc.__version__

extensions = ["sphinx.ext.autodoc", "numpydoc", "myst_nb", "made_pages"]
exclude_patterns = ["_build", "_ext", "jupyter_execute"]
html_theme = "pydata_sphinx_theme"
html_title = "eks-win-capacity"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_theme_options = {
    "show_prev_next": False,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "header_links_before_dropdown": 4,
}
html_sidebars = {
    name: []
    for name in (
        "catalogue",
        "commands",
        "clusters",
        "planning",
        "guides/scale",
        "json",
        "comparison",
        "changelog",
    )
}

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
suppress_warnings = ["config.cache"]
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True

autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
nitpicky = False
