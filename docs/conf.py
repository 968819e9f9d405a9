"""How Sphinx builds the documentation; warnings are errors (``make docs``), so a dead reference cannot stay."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import aiosipreg.testing

if TYPE_CHECKING:
    from docutils.nodes import TextElement, reference
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

ROOT = Path(__file__).parent.parent
METADATA = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = "aiosipreg"
author = "the aiosipreg authors"
project_copyright = author
release = version = METADATA["version"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"aiosipreg {release}"
html_show_sphinx = False

myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3

default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_inherit_docstrings = False
napoleon_numpy_docstring = False
napoleon_use_ivar = True

# A reference to our own names must lead somewhere; there is no network at build time to look up those of others.
nitpicky = True
nitpick_ignore_regex = [(r"py:.*", r"(?!aiosipreg).*")]


def public_name(app: Sphinx, env: BuildEnvironment, node: pending_xref, contnode: TextElement) -> reference | None:
    """Follow a type to where it is documented: annotations name the module that defines it, readers the package."""
    python = env.domains.python_domain
    target = node.get("reftarget", "")
    found = [name for name in python.objects if name.rpartition(".")[2] == target.rpartition(".")[2]]
    if node.get("refdomain") != "py" or len(found) != 1:
        return None
    return python.resolve_xref(env, node["refdoc"], app.builder, "obj", found[0], node, contnode)


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    for name in aiosipreg.testing.__all__:  # loaded when first asked for, and autodoc does not ask
        getattr(aiosipreg.testing, name)
    app.connect("missing-reference", public_name)
