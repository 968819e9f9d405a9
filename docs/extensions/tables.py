"""Tables of the reference, made at build time from what the program itself goes by."""

from __future__ import annotations

import ast
import dataclasses
import enum
import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective

import aiosipreg
from aiosipreg import Core, ProxyParams, Reason, RegistrationState
from aiosipreg.engine.edits import EDITS, Edit
from aiosipreg.engine.replies import TABLE, TROUBLES, Row, Then, decide
from aiosipreg.engine.transitions import TRANSITIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from docutils import nodes
    from sphinx.application import Sphinx

# Rows of the specification that tests are named after, which mean nothing to a reader: "(AUTH-26)", "RFC 3581; NAT-3".
ID = r"[A-Z]{1,5}-\d{1,2}(?:(?:,| to| and) [A-Z]{1,5}-\d{1,2}| to \d{1,2}| and \d{1,2}|, \d{1,2})*"
IDS = re.compile(rf"\s*\((?:section \d+, )?{ID}\)|[;,] {ID}(?=\))|(?<=\(){ID}[;,] ")
FLOOR = re.compile(r" \(floor \d[^)]*\)")
ENTRY = re.compile(r"^    (\w+): (.*(?:\n        .*)*)", re.MULTILINE)

NEXT = {
    Then.SUCCEED: "registered",
    Then.CHALLENGE: "answered with credentials at once; refused for good if they were wrong, or if there are none",
    Then.REPAIR: "sent again at once with what the server wants changed; not repeated if that does not help",
    Then.REDIRECT: "followed as far as `redirect` allows, else repeated slowly",
    Then.NEXT_TARGET: "sent to the next target at once; after the last one repeated with back-off",
    Then.BACK_OFF: "repeated with back-off",
    Then.SLOW: "repeated after 15 to 30 minutes",
    Then.SOON_ONCE: "repeated after 2.1 to 4 s, then with back-off",
    Then.STOP: "not repeated by itself",
}

EDITED = {
    Edit.NOTHING: "nothing",
    Edit.REFRESH: "one REGISTER",
    Edit.MOVE: "removal, then a new registration",
    Edit.START: "a registration",
    Edit.STOP: "a registration or a removal",
}


def markdown(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table as Markdown text."""
    lines = [list(head), *(list(row) for row in rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |" for cells in lines)


def without_ids(text: str) -> str:
    """A docstring without references to the specification."""
    return IDS.sub("", text)


def described(owner: type) -> dict[str, str]:
    """What the docstring of a class says of its attributes or arguments."""
    text = without_ids(inspect.getdoc(owner) or "")
    return {name: " ".join(words.split()) for name, words in ENTRY.findall(text)}


def shown(value: object) -> str:
    """A default value as one would write it."""
    if isinstance(value, enum.Enum):
        return f"`{type(value).__name__}.{value.name}`"
    if dataclasses.is_dataclass(value):
        return f"`{type(value).__name__}()`"
    return f"`{value!r}`"


def fields_of(owner: type) -> Iterator[tuple[str, str]]:
    """The fields of a dataclass and their defaults."""
    for field in dataclasses.fields(owner):
        if not field.init:
            continue
        if field.default is not dataclasses.MISSING:
            yield field.name, shown(field.default)
        elif field.default_factory is not dataclasses.MISSING:
            yield field.name, "`{}`"
        else:
            yield field.name, "required"


def settings(name: str) -> str:
    """Every setting of a public class: its default, its meaning with the unit, and what an edit of it sends."""
    module, _, last = name.rpartition(".")
    owner = getattr(import_module(module), last)
    meaning = described(owner)
    if owner is Core:
        parameters = inspect.signature(Core).parameters.values()
        # A default that is left open stands for the value of its class without arguments.
        defaults = [(p.name, shown(p.default)) for p in parameters]
        return markdown(("Argument", "Default", "Meaning"), ((f"`{n}`", d, meaning[n]) for n, d in defaults))
    if owner is ProxyParams:
        rows = ((f"`{n}`", d, meaning[n], EDITED[EDITS[n]]) for n, d in fields_of(owner))
        return markdown(("Setting", "Default", "Meaning", "A change sends"), rows)
    return markdown(("Setting", "Default", "Meaning"), ((f"`{n}`", d, meaning[n]) for n, d in fields_of(owner)))


def fields(name: str) -> str:
    """What an object of a public class tells."""
    module, _, last = name.rpartition(".")
    owner = getattr(import_module(module), last)
    meaning = described(owner)
    return markdown(("Field", "Meaning"), ((f"`{n}`", meaning[n]) for n, _ in fields_of(owner)))


def rooms(_: str) -> str:
    """Every module, and what its first line says of it."""
    root = Path(aiosipreg.__file__).parent
    rows = []
    for path in sorted(root.rglob("*.py"), key=lambda path: (len(path.relative_to(root).parts), path)):
        name = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        first = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]
        if not path.name.startswith("__") or path.parent != root:
            rows.append((f"`{name}`", without_ids(FLOOR.sub("", first)).replace("`", "")))
    return markdown(("Module", "What it is"), rows)


def transitions(_: str) -> str:
    """The state table."""
    rows = (
        (
            row.id,
            ", ".join(str(state) for state in RegistrationState if state in row.sources),
            str(row.target),
            row.event,
        )
        for row in TRANSITIONS.values()
    )
    return markdown(("Row", "From", "To", "When"), rows)


def followed_by(row: Row) -> str:
    """What happens after an answer."""
    if row.id == "RSP-423":
        return "sent again at once with the lifetime that the server wants, up to a day; else repeated with back-off"
    text = NEXT[row.then]
    return f"{text}; with Retry-After repeated with back-off" if row.or_later else text


def answers(_: str) -> str:
    """What each answer of a server leads to."""
    head = ("Answer", "`event.reason`", "What happens next", "Said of it")
    final = [(str(status), row) for status, row in TABLE.items() if status >= 200]
    others = [(f"other {number}xx", decide(100 * number + 99)) for number in (2, 3, 4, 5, 6)]
    rows = ((status, f"`{row.reason.name}`", followed_by(row), row.advice) for status, row in [*final, *others])
    return markdown(head, rows)


def troubles(_: str) -> str:
    """What goes wrong without an answer that decides."""
    head = ("What is said", "`event.reason`", "What happens next")
    return markdown(head, ((row.advice, f"`{row.reason.name}`", followed_by(row)) for row in TROUBLES.values()))


def reasons(_: str) -> str:
    """Every reason, what it means and which answers have it."""
    told = ModuleAnalyzer.for_module("aiosipreg.states").find_attr_docs()
    rows = []
    for reason in Reason:
        codes = [str(status) for status, row in TABLE.items() if row.reason is reason and status >= 300]
        meaning = " ".join(told.get(("Reason", reason.name), [])).strip()
        rows.append((f"`{reason.name}`", meaning, ", ".join(codes)))
    return markdown(("Reason", "Meaning", "Answers"), rows)


def states(_: str) -> str:
    """The six states."""
    told = ModuleAnalyzer.for_module("aiosipreg.states").find_attr_docs()
    rows = (
        (f"`{state.name}`", str(state), " ".join(told["RegistrationState", state.name]).strip())
        for state in RegistrationState
    )
    return markdown(("State", "`str()`", "Meaning"), rows)


TABLES = {
    "answers": answers,
    "fields": fields,
    "reasons": reasons,
    "rooms": rooms,
    "settings": settings,
    "states": states,
    "transitions": transitions,
    "troubles": troubles,
}


class GeneratedTable(SphinxDirective):
    """``generated-table``: the name of a table and, where it takes one, of what it is about."""

    required_arguments = 1
    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Called by docutils."""
        return self.parse_text_to_nodes(TABLES[self.arguments[0]](self.arguments[1] if self.arguments[1:] else ""))


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("generated-table", GeneratedTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
