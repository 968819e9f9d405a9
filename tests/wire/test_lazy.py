"""Properties that are computed when they are first read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aiosipreg.errors import ParseError
from aiosipreg.wire.headers import Headers
from aiosipreg.wire.lazy import header, lazy

if TYPE_CHECKING:
    from collections.abc import Sequence


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


class Message:
    def __init__(self, *rows: tuple[str, str]) -> None:
        self.headers = Headers(rows)
        self.read = 0

    @header("To", ())
    def to(self, rows: Sequence[str]) -> tuple[str, ...]:
        """The To rows."""
        self.read += 1
        return tuple(rows)


def test_a_header_is_read_once_and_an_absent_one_never() -> None:
    message = Message(("t", "a"), ("From", "b"), ("TO", "c"))
    assert (message.to, message.to, message.read) == (("a", "c"), ("a", "c"), 1)
    without = Message(("From", "b"))
    assert (without.to, without.read) == ((), 0)
    assert isinstance(Message.to, lazy)
    assert Message.to.__doc__ == "The To rows."
