"""How Sphinx builds the documentation; warnings are errors (``make docs``), so a dead reference cannot stay."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import aiosipreg.testing

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

from tables import without_ids

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

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "state_diagram", "tables"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "performance"]

html_theme = "furo"
html_title = f"aiosipreg {release}"
html_show_sphinx = False
html_static_path = ["static"]
html_css_files = ["width.css"]

myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3

default_role = "py:obj"
autodoc_member_order = "bysource"
python_maximum_signature_line_length = 88
python_use_unqualified_type_names = True
autodoc_default_options = {"members": True}
autodoc_inherit_docstrings = False
napoleon_numpy_docstring = False
napoleon_use_ivar = True

# A reference to our own names must lead somewhere; there is no network at build time to look up those of others.
nitpicky = True
# Types of inner rooms stay unlinked.
nitpick_ignore_regex = [(r"py:.*", r"(?!aiosipreg).*"), (r"py:class", r"aiosipreg(\.[a-z_]+)+\._?[A-Z]\w*")]


# Annotations of lower floors that stand for something which users know by another name.
STANDS_FOR = {"Owner": "Core"}
# Classes that only the package makes: how to is nobody else's business.
MADE_BY_THE_PACKAGE = {"aiosipreg.Draft", "aiosipreg.IncomingRequest", "aiosipreg.ProxyConfig", "aiosipreg.Stats"}


def public_name(app: Sphinx, env: BuildEnvironment, node: pending_xref, contnode: TextElement) -> reference | None:
    """Follow a type by its last name to the public one: Sphinx cannot look up what is imported for types only."""
    python = env.domains.python_domain
    last = node.get("reftarget", "").rpartition(".")[2]
    last = STANDS_FOR.get(last, last)
    found = [name for name, entry in python.objects.items() if name.rpartition(".")[2] == last and not entry.aliased]
    if node.get("refdomain") != "py" or len(found) != 1:
        return None
    return python.resolve_xref(env, node["refdoc"], app.builder, "obj", found[0], node, contnode)


def plain_signature(
    app: Sphinx, what: str, name: str, obj: object, options: object, signature: str | None, returned: str | None
) -> tuple[str, str | None] | None:
    """No constructor where nobody calls one, and a default that Sphinx can read where a dataclass has a factory."""
    if signature is None:
        return None
    return "" if name in MADE_BY_THE_PACKAGE else signature.replace("<factory>", "{}"), returned


def keep_first_line(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Napoleon takes what stands before a colon in the first line of a property for its type; ours are sentences."""
    if what == "property":
        lines[:0] = ["..", ""]  # an empty comment


def leave_out_ids(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """The rows of the specification are for those who change the program, not for those who use it."""
    lines[:] = without_ids("\n".join(lines)).split("\n")


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    for name in aiosipreg.testing.__all__:  # loaded when first asked for, and autodoc does not ask
        getattr(aiosipreg.testing, name)
    app.connect("missing-reference", public_name)
    app.connect("autodoc-process-signature", plain_signature)
    app.connect("autodoc-process-docstring", leave_out_ids, priority=300)
    app.connect("autodoc-process-docstring", keep_first_line, priority=400)
