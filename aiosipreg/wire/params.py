"""Parameters of headers and URIs (RFC 3261 section 25.1, RFC 3840 section 9)."""

from __future__ import annotations

import re
from collections.abc import ItemsView, Iterator, Mapping
from typing import Final, TypeVar, overload

from aiosipreg.errors import ConfigError, ParseError
from aiosipreg.wire.grammar import BLANKS, check_text, is_token, leading_quoted, quote, split_params, tame, unquote

__all__ = ["NO_PARAMS", "Params", "as_params", "header_params"]

_ADDRESS = re.compile(r"\[[0-9A-Fa-f:.]+\]")

# The feature parameters of RFC 3840 section 9 that have no plus sign.
_FEATURES: Final = frozenset({
    "audio", "automata", "class", "duplex", "data", "control", "mobility", "description", "events", "priority",
    "methods", "schemes", "application", "video", "language", "type", "isfocus", "actor", "text", "extensions",
})  # fmt: skip

_T = TypeVar("_T")


class Params(Mapping[str, str | None]):
    """Header or URI parameters: an immutable mapping that ignores the case of names (MSG-3).

    A parameter without ``=`` has the value ``None``, which differs from an empty one (GRM-12). Quotes are removed from
    values. Of a header parameter that occurs twice the first counts. Names are iterated in lower case, in the order
    they were sent. Two are equal when names and values are.

    Attributes:
        text: What they were read from; empty if they came otherwise.
    """

    __slots__ = ("_known", "text")

    def __init__(self, values: Mapping[str, str | None] | None = None) -> None:
        self.text = ""
        self._known: dict[str, str | None] | None = None
        if values:
            self._known = {}
            for name, value in values.items():
                check_text(name, name if value is None else name + value)
                self._known[name.lower()] = value

    @classmethod
    def parse(cls, text: str) -> Params:
        """Read ``;name=value;flag="quoted"``.

        Raises:
            ParseError: A quoted string is not closed or has something behind it; a control character outside one.
        """
        return cls.read(tame(text))

    @classmethod
    def read(cls, text: str) -> Params:
        """Read text that is known to have no control characters; otherwise as `parse`."""
        self = cls()
        self.text = text
        # With nothing else can anything be wrong, so it is read when somebody asks for a parameter: few do.
        if '"' in text:
            self._known = _read_params(text)
        return self

    @classmethod
    def of(cls, values: dict[str, str | None]) -> Params:
        """Wrap a dictionary of received values, with names in lower case, that nobody else keeps."""
        self = cls.__new__(cls)
        self.text = ""
        self._known = values
        return self

    @property
    def _values(self) -> dict[str, str | None]:
        if self._known is None:
            self._known = _read_params(self.text)
        return self._known

    def __getitem__(self, name: str) -> str | None:
        return self._values[name.lower()]

    @overload
    def get(self, name: str, /) -> str | None: ...
    @overload
    def get(self, name: str, /, default: str | _T | None) -> str | _T | None: ...
    def get(self, name: str, /, default: object = None) -> object:
        """The value, or ``default`` if there is no such parameter."""
        # What is inherited finds out that a parameter is absent, as most are, by an exception.
        known = self._known
        return (self._values if known is None else known).get(name.lower(), default)

    def items(self) -> ItemsView[str, str | None]:
        """The names in lower case, with their values."""
        known = self._known
        return (self._values if known is None else known).items()

    def __contains__(self, name: object) -> bool:
        known = self._known
        return isinstance(name, str) and name.lower() in (self._values if known is None else known)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        known = self._known
        return len(self._values if known is None else known)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Params):
            return self._values == other._values
        return self._values == Params(other)._values if isinstance(other, Mapping) else NotImplemented

    def __hash__(self) -> int:
        return hash(frozenset(self._values.items()))

    def __repr__(self) -> str:
        return f"Params({self._values!r})"

    def __str__(self) -> str:
        """``;name=value;flag``, quoted where a token cannot carry the value."""
        known = self._known
        values = self._values if known is None else known
        return "".join([f";{name}{_equals(name, value)}" for name, value in values.items()]) if values else ""


NO_PARAMS: Final = Params()
"""What most addresses have: one for all of them."""


def as_params(values: Mapping[str, str | None]) -> Params:
    """A mapping as parameters.

    Raises:
        ConfigError: There are control characters.
    """
    if isinstance(values, Params):
        return values
    return Params(values) if values else NO_PARAMS


def header_params(values: Mapping[str, str | None]) -> Params:
    """Parameters that were given for a header, whose names nothing can escape.

    Raises:
        ConfigError: A name is no token, or there are control characters.
    """
    params = as_params(values)
    for name in params._values:
        if not is_token(name):
            raise ConfigError("params", name, "parameter names that are tokens")
    return params


def _read_params(text: str) -> dict[str, str | None]:
    values: dict[str, str | None] = {}
    for part in split_params(text):
        name, equals, value = part.partition("=")
        if equals:
            name, value = name.rstrip(BLANKS), value.lstrip(BLANKS)
            if value[:1] == '"':
                value = _whole_quoted(value)
        if name:
            values.setdefault(name.lower(), value if equals else None)
    return values


def _whole_quoted(text: str) -> str:
    if leading_quoted(text) != text:
        raise ParseError(text, 0, "a closed quoted string with nothing behind it")
    return unquote(text)


def _equals(name: str, value: str | None) -> str:
    if value is None:
        return ""
    # RFC 3840 section 9: the value of a feature parameter is quoted even when it would be a token.
    feature = name.startswith("+") or name in _FEATURES
    plain = not feature and (is_token(value) or _ADDRESS.fullmatch(value))
    return f"={value}" if plain else f"={quote(value)}"
