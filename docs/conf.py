"""Configuration of the documentation's builder."""

import localnorm

project = "localnorm"
author = "the localnorm developers"
copyright = "2026, the localnorm developers"
release = localnorm.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"localnorm {release}"
default_role = "code"
nitpicky = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
