"""The state diagram of the design page, drawn from the table that the machine itself goes by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docutils import nodes
from drawing import draw
from sphinx.util.docutils import SphinxDirective

from aiosipreg.engine.transitions import TRANSITIONS

if TYPE_CHECKING:
    from sphinx.application import Sphinx


class StateDiagram(SphinxDirective):
    """``state-diagram``: the picture."""

    def run(self) -> list[nodes.Node]:
        """Called by docutils."""
        return [nodes.raw("", draw(TRANSITIONS.values()), format="html")]


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("state-diagram", StateDiagram)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
