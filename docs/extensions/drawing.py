"""Draws a state table as SVG: six states in their places, an arrow for each pair, the rows written beside it.

What stands in the picture comes from the table; only the places are chosen here. A pair of states without a place of
its own gets a straight line.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from textwrap import wrap
from typing import TYPE_CHECKING, Literal, TypeAlias

from aiosipreg import RegistrationState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aiosipreg.engine.transitions import Transition

NONE, PROGRESS, OK, REFRESHING, CLEARED, FAILED = RegistrationState

Point: TypeAlias = tuple[float, float]

TOP, WIDTH, HEIGHT = 45, 880, 850
NODE_WIDTH, NODE_HEIGHT = 124, 46
FONT_SIZE = 13
LINE = 16
CHARACTER = 6.2  # pixels, about what browsers make of FONT_SIZE

PLACES: dict[RegistrationState, Point] = {
    CLEARED: (105, 170),
    PROGRESS: (450, 170),
    NONE: (775, 170),
    OK: (450, 430),
    FAILED: (105, 730),
    REFRESHING: (775, 730),
}


@dataclass(frozen=True, slots=True)
class Label:
    """Where the rows of an arrow are written.

    Attributes:
        x: The side that the text is aligned with.
        y: Top, middle or bottom of the lines.
        align: Which side ``x`` is: where the text starts, its middle, or its end.
        stand: Which height ``y`` is.
        width: Characters of a line.
    """

    x: float
    y: float
    align: Literal["start", "middle", "end"] = "start"
    stand: Literal["below", "beside", "above"] = "beside"
    width: int = 22


@dataclass(frozen=True, slots=True)
class Route:
    """An arrow: start, two control points and end of a curve, and its label."""

    curve: tuple[Point, Point, Point, Point]
    label: Label


def line(start: Point, end: Point, label: Label) -> Route:
    """A straight arrow."""
    return Route((start, start, end, end), label)


ROUTES: dict[tuple[RegistrationState, RegistrationState], Route] = {
    (PROGRESS, CLEARED): line((388, 161), (167, 161), Label(178, 150, "start", "above", 34)),
    (CLEARED, PROGRESS): line((167, 181), (388, 181), Label(178, 192, "start", "below", 20)),
    (PROGRESS, NONE): line((512, 161), (713, 161), Label(524, 150, "start", "above", 30)),
    (NONE, PROGRESS): line((713, 181), (512, 181), Label(618, 192, "start", "below", 20)),
    (PROGRESS, OK): line((440, 193), (440, 407), Label(432, 372, "end")),
    (OK, PROGRESS): line((462, 407), (462, 193), Label(472, 310)),
    (OK, REFRESHING): Route(((512, 425), (640, 460), (725, 580), (755, 707)), Label(622, 404, width=18)),
    (REFRESHING, OK): Route(((720, 707), (690, 600), (610, 490), (500, 453)), Label(592, 556, "end")),
    (REFRESHING, PROGRESS): Route(((795, 707), (840, 470), (720, 240), (505, 193)), Label(752, 300, width=18)),
    (REFRESHING, REFRESHING): Route(((745, 753), (735, 800), (815, 800), (805, 753)), Label(702, 800, stand="below")),
    (REFRESHING, FAILED): line((713, 735), (167, 735), Label(350, 746, stand="below", width=40)),
    (OK, FAILED): Route(((410, 453), (370, 560), (290, 660), (167, 715)), Label(352, 628, width=26)),
    (PROGRESS, FAILED): Route(((415, 193), (400, 340), (340, 560), (145, 707)), Label(222, 462, width=16)),
    (FAILED, PROGRESS): Route(((120, 707), (170, 500), (240, 260), (405, 193)), Label(72, 360, width=18)),
    (FAILED, FAILED): Route(((120, 753), (115, 800), (180, 800), (155, 753)), Label(188, 772, width=20)),
    (FAILED, CLEARED): line((60, 707), (60, 193), Label(72, 232)),
}  # fmt: skip

ENTRIES: dict[RegistrationState, Route] = {
    NONE: line((775, 105), (775, 147), Label(690, 96, stand="above", width=28)),
    FAILED: line((75, 795), (75, 753), Label(43, 803, stand="below", width=24)),
}
"""Arrows from nowhere, for rows that start in many states."""

MANY = 4
"""A row with so many sources is one arrow from nowhere instead of as many from everywhere."""


def grouped(rows: Iterable[Transition]) -> dict[tuple[RegistrationState | None, RegistrationState], list[Transition]]:
    """The rows by source and target; ``None`` is the source of those that start in many states."""
    groups: dict[tuple[RegistrationState | None, RegistrationState], list[Transition]] = {}
    for row in rows:
        sources = [None] if len(row.sources) >= MANY else [s for s in RegistrationState if s in row.sources]
        for source in sources:
            groups.setdefault((source, row.target), []).append(row)
    return groups


def route_of(source: RegistrationState | None, target: RegistrationState) -> Route:
    """Where an arrow goes."""
    if source is None:
        x, y = PLACES[target]
        return ENTRIES.get(target) or line((x, y - 75), (x, y - 23), Label(x, y - 86, "middle", "above"))
    start, end = PLACES[source], PLACES[target]
    middle = Label((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    return ROUTES.get((source, target)) or line(start, end, middle)


def text_of(row: Transition) -> str:
    """What stands beside the arrow after the row's id."""
    if len(row.sources) < MANY:
        return row.event
    *others, last = (str(state) for state in RegistrationState if state in row.sources)
    every = len(row.sources) == len(RegistrationState)
    return f"{row.event}, from {'every state' if every else ', '.join(others) + ' or ' + last}"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a label, with the row's id in front of the first."""

    x: float
    y: float
    align: str
    id: str
    text: str

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of what it covers, by estimate."""
        width = CHARACTER * (len(self.text) + (len(self.id) + 1 if self.id else 0))
        left = self.x - {"start": 0.0, "middle": width / 2, "end": width}[self.align]
        return (left, self.y - 0.8 * FONT_SIZE, left + width, self.y + 0.2 * FONT_SIZE)


def lines_of(rows: Iterable[Transition], label: Label) -> Iterator[Line]:
    """The lines of a label."""
    pieces: list[tuple[str, str]] = []
    for row in rows:
        first, *rest = wrap(f"{row.id} {text_of(row)}", label.width)
        pieces += [(row.id, first.removeprefix(row.id).lstrip()), *(("", text) for text in rest)]
    height = LINE * len(pieces)
    top = label.y - {"below": 0.0, "beside": height / 2, "above": height}[label.stand]
    for number, (id_, text) in enumerate(pieces):
        yield Line(label.x, top + LINE * number + 0.8 * FONT_SIZE, label.align, id_, text)


def drawn_line(line: Line) -> str:
    """One line as SVG."""
    id_ = f'<tspan class="id">{escape(line.id)}</tspan> ' if line.id else ""
    return f'<text x="{line.x:g}" y="{line.y:g}" text-anchor="{line.align}">{id_}{escape(line.text)}</text>'


def drawn_curve(route: Route) -> str:
    """The arrow as SVG."""
    start, one, two, end = (f"{x:g} {y:g}" for x, y in route.curve)
    return f'<path d="M {start} C {one}, {two}, {end}" marker-end="url(#arrow-head)"/>'


def drawn_node(state: RegistrationState) -> str:
    """A state as SVG."""
    x, y = PLACES[state]
    return (
        f'<g class="state {state.name.lower()}"><rect x="{x - NODE_WIDTH / 2:g}" y="{y - NODE_HEIGHT / 2:g}" '
        f'width="{NODE_WIDTH}" height="{NODE_HEIGHT}" rx="12"/>'
        f'<text x="{x:g}" y="{y + 5:g}" text-anchor="middle">{state}</text></g>'
    )


STYLE = """
.state-diagram { max-width: 100%; height: auto; font-family: var(--font-stack, sans-serif); }
.state-diagram path { fill: none; stroke: var(--color-foreground-muted, currentColor); stroke-width: 1.4; }
.state-diagram marker path { fill: var(--color-foreground-muted, currentColor); stroke: none; }
.state-diagram text { font-size: 13px; fill: var(--color-foreground-primary, currentColor);
  paint-order: stroke; stroke: var(--color-background-primary, transparent); stroke-width: 4px;
  stroke-linejoin: round; }
.state-diagram .id { font-weight: 600; fill: var(--color-brand-content, currentColor); }
.state-diagram .state rect { fill: var(--color-background-secondary, none); stroke: #8a8f98; stroke-width: 2; }
.state-diagram .state text { font-size: 17px; font-weight: 600; stroke: none; }
.state-diagram .ok rect, .state-diagram .refreshing rect { stroke: #2e9e5b; }
.state-diagram .refreshing rect { stroke-dasharray: 7 4; }
.state-diagram .progress rect { stroke: #d08a1d; }
.state-diagram .failed rect { stroke: #d64545; }
"""


def draw(rows: Iterable[Transition]) -> str:
    """The whole picture as one SVG element."""
    groups = grouped(rows)
    arrows, texts, told = [], [], []
    for (source, target), members in groups.items():
        route = route_of(source, target)
        arrows.append(drawn_curve(route))
        texts += [drawn_line(line) for line in lines_of(members, route.label)]
        told.append(f"{source or 'Any'} to {target}: {'; '.join(row.event for row in members)}.")
    return "\n".join([
        f'<svg class="state-diagram" xmlns="http://www.w3.org/2000/svg" viewBox="0 {TOP} {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" role="img" aria-labelledby="state-diagram-title state-diagram-told">',
        '<title id="state-diagram-title">The states of a registration</title>',
        f'<desc id="state-diagram-told">{escape(" ".join(told))}</desc>',
        f"<style>{STYLE}</style>",
        '<defs><marker id="arrow-head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
        'orient="auto-start-reverse"><path d="M 0 1 L 10 5 L 0 9 z"/></marker></defs>',
        *arrows,
        *(drawn_node(state) for state in RegistrationState),
        *texts,
        "</svg>",
    ])  # fmt: skip
