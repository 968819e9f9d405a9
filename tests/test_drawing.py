"""The state diagram of the documentation shows every row of the state table, and can be read."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest

from aiosipreg import RegistrationState
from aiosipreg.engine.transitions import TRANSITIONS, Transition

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

Box = tuple[float, float, float, float]

PATH = Path(__file__).resolve().parent.parent / "docs" / "extensions" / "drawing.py"


@pytest.fixture(scope="module")
def drawing() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("drawing", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["drawing"] = module  # where dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["drawing"]


def labels_of(drawing: Any) -> list[tuple[str, Box]]:
    found = []
    for (source, target), rows in drawing.grouped(TRANSITIONS.values()).items():
        label = drawing.route_of(source, target).label
        found += [(f"{line.id} {line.text}", line.box) for line in drawing.lines_of(rows, label)]
    return found


def overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def points_of(curve: tuple[tuple[float, float], ...]) -> Iterator[tuple[float, float]]:
    """Points along a Bezier curve."""
    for step in range(201):
        t = step / 200
        weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3)
        x = sum(weight * point[0] for weight, point in zip(weights, curve, strict=True))
        y = sum(weight * point[1] for weight, point in zip(weights, curve, strict=True))
        yield x, y


def test_every_row_and_state_is_in_the_picture(drawing: Any) -> None:
    picture = ElementTree.fromstring(drawing.draw(TRANSITIONS.values()))
    words = " ".join(picture.itertext())
    for row in TRANSITIONS.values():
        assert row.id in words
        assert row.event in words
    for state in RegistrationState:
        assert str(state) in words
    pairs = drawing.grouped(TRANSITIONS.values())
    assert len(picture.findall("{http://www.w3.org/2000/svg}path")) == len(pairs)


def test_every_arrow_has_a_place_of_its_own(drawing: Any) -> None:
    for source, target in drawing.grouped(TRANSITIONS.values()):
        assert target in drawing.ENTRIES if source is None else (source, target) in drawing.ROUTES


def test_no_label_covers_another_or_leaves_the_picture(drawing: Any) -> None:
    labels = labels_of(drawing)
    for (name, box), (other_name, other) in itertools.combinations(labels, 2):
        assert not overlap(box, other), f"{name!r} and {other_name!r}"
    for name, (left, top, right, bottom) in labels:
        assert left >= 0, name
        assert right <= drawing.WIDTH, name
        assert top >= drawing.TOP, name
        assert bottom <= drawing.TOP + drawing.HEIGHT, name
        for state, (x, y) in drawing.PLACES.items():
            node = (x - drawing.NODE_WIDTH / 2, y - drawing.NODE_HEIGHT / 2)
            frame = (*node, node[0] + drawing.NODE_WIDTH, node[1] + drawing.NODE_HEIGHT)
            assert not overlap((left, top, right, bottom), frame), f"{name!r} on {state}"


def test_no_arrow_runs_through_a_label(drawing: Any) -> None:
    labels = labels_of(drawing)
    for source, target in drawing.grouped(TRANSITIONS.values()):
        for x, y in points_of(drawing.route_of(source, target).curve):
            for name, (left, top, right, bottom) in labels:
                hit = left < x < right and top < y < bottom
                assert not hit, f"the arrow from {source} to {target} runs through {name!r}"


def test_a_pair_without_a_place_gets_a_straight_line(drawing: Any) -> None:
    none, ok = RegistrationState.NONE, RegistrationState.OK
    row = Transition("X-1", (none,), ok, "from here & now")
    picture = drawing.draw([row])
    assert "X-1" in "".join(ElementTree.fromstring(picture).itertext())
    assert "here &amp; now" in picture
    many = Transition("X-2", tuple(RegistrationState), ok, "at any time")
    words = " ".join(ElementTree.fromstring(drawing.draw([many])).itertext()).split()
    assert "X-2 at any time, from every state" in " ".join(words)
