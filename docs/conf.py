"""Configuration of Sphinx."""

from sphinx.application import Sphinx

import localnorm

project = "localnorm"
author = "the localnorm developers"
copyright = "2026, the localnorm developers"
release = localnorm.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build"]
html_theme = "furo"
html_extra_path = ["_extra"]
html_title = f"localnorm {release}"
default_role = "code"
autodoc_typehints = "none"
autodoc_member_order = "bysource"
nitpicky = True
# Types of other projects. Their inventories are not downloaded: the documentation is built without a network.
nitpick_ignore_regex = [("py:class", r"(collections\.abc|torch|numpy|jax|flax|keras)\..*")]


def _literal_blocks(
    _app: Sphinx, _what: str, name: str, _object: object, _options: object, lines: list[str]
) -> None:
    """Show the tree of errors as it is drawn in the docstring."""
    if name == "localnorm.errors":
        ends = [i for i, line in enumerate(lines[:-2]) if line.endswith(":") and lines[i + 2].startswith("    ")]
        for i in ends:
            lines[i] += ":"


def setup(app: Sphinx) -> None:
    """Connect the function above; called by Sphinx."""
    app.connect("autodoc-process-docstring", _literal_blocks)
