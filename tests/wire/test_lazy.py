"""Properties that are computed when they are first read."""

from __future__ import annotations

import pytest

from aiosipreg.errors import ParseError
from aiosipreg.wire.lazy import lazy


class Text:
    text: str
    read: int

    def __init__(self, text: str) -> None:
        self.__dict__["text"] = text
        self.__dict__["read"] = 0

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(name)

    @lazy
    def number(self) -> int:
        """The number."""
        self.__dict__["read"] += 1
        try:
            return int(self.text)
        except ValueError:
            raise ParseError(self.text, 0, "a number") from None


def test_it_is_computed_once_also_where_nothing_may_be_set() -> None:
    text = Text("17")
    assert text.read == 0
    assert (text.number, text.number, text.read) == (17, 17, 1)
    with pytest.raises(AttributeError):
        setattr(text, "number", 18)  # noqa: B010 - a plain assignment is what type checkers refuse


def test_what_raises_raises_every_time() -> None:
    text = Text("x")
    for read in (1, 2):
        with pytest.raises(ParseError):
            text.number  # noqa: B018
        assert text.read == read


def test_the_class_shows_the_property_itself() -> None:
    assert isinstance(Text.number, lazy)
    assert Text.number.__doc__ == "The number."
