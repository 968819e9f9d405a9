"""The words of the SIP grammar that every header shares: tokens, quoted strings, lists, parameters (RFC 3261 25.1).

Every function here takes time linear in its input and none recurses, because the text comes from the network (ROB-3).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final, TypeVar

from aiosipreg.errors import ConfigError, ParseError
from aiosipreg.frozen import twin

__all__ = [
    "MAX_SECONDS",
    "check_text",
    "is_token",
    "leading_quoted",
    "parse_quality",
    "parse_seconds",
    "quote",
    "skip_comment",
    "split_list",
    "split_params",
    "split_rows",
    "tame",
    "trusted",
    "unquote",
]

BLANKS: Final = " \t"
"""What may surround a word. ``str.strip()`` alone would also take octets that belong to a UTF-8 value."""

MAX_SECONDS: Final = 2**32 - 1
"""The largest delta-seconds (RFC 3261 section 20.19)."""

MAX_COMMENT_DEPTH: Final = 16

# A registrar names the same few lifetimes to all accounts.
_TIMES: Final = 64

TOKEN: Final = r"[A-Za-z0-9\-.!%*_+`'~]++"  # noqa: S105 - no secret
"""The pattern of a token (RFC 3261 section 25.1), for patterns of which it is a part."""

_TOKEN = re.compile(TOKEN)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_QUALITY = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")
# The possessive quantifier and the end of text as closing quote keep an unbalanced quote linear: it ends the scan.
_QUOTED = r'"(?:[^"\\]|\\.?)*+(?:"|\Z)'
_QUOTED_STRING = re.compile(_QUOTED, re.DOTALL)
_CLOSED_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_LIST_MARKS = re.compile(_QUOTED + r"|<[^<>]*>|,", re.DOTALL)
_PARAM_MARKS = re.compile(_QUOTED + r"|<[^<>]*>|;", re.DOTALL)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_NEEDS_ESCAPE = re.compile(r'(["\\])')
_COMMENT_MARKS = re.compile(r"\\.|[()]", re.DOTALL)


def is_token(text: str) -> bool:
    """Whether the text is a token (RFC 3261 section 25.1): a method, an option tag, an unquoted parameter value."""
    return _TOKEN.fullmatch(text) is not None


def check_text(field: str, text: str) -> str:
    """The text itself, if it can be written into a message.

    Raises:
        ConfigError: It has control characters, or characters that UTF-8 cannot carry (SEC-11). Nothing is ever
            cleaned away silently, since that would hide an attempt to smuggle in a header.
    """
    if text.isascii() and text.isprintable():
        return text
    if _CONTROL.search(text):
        raise ConfigError(field, text, "no control characters or line breaks")
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise ConfigError(field, text, "text that UTF-8 can carry") from None
    return text


def tame(text: str) -> str:
    """Make received text safe to hold: control characters in quoted strings become U+FFFD (GRM-58).

    Raises:
        ParseError: A control character stands outside a quoted string, where the grammar has no place for it.
    """
    if text.isprintable() or not _CONTROL.search(text):
        return text
    text = _QUOTED_STRING.sub(lambda match: _CONTROL.sub(_replacement, match[0]), text)
    text = text.replace("\t", " ")
    if stray := _CONTROL.search(text):
        raise ParseError(text, stray.start(), "no control character outside a quoted string")
    return text


def _replacement(match: re.Match[str]) -> str:
    return " " if match[0] == "\t" else "\ufffd"


_T = TypeVar("_T")


def trusted(cls: type[_T]) -> Callable[..., _T]:
    """A constructor of a frozen dataclass with slots that makes no checks, because the parser has made them.

    It takes the values of all fields, in their order.
    """
    create = twin(cls)

    def make(*values: object) -> _T:
        self: _T = create(*values)
        self.__class__ = cls
        return self

    return make


def quote(text: str) -> str:
    r"""The text as a quoted string: ``"`` and ``\`` get a backslash (RFC 3261 section 25.1).

    Raises:
        ConfigError: The text has control characters; no quoted pair can carry CR or LF.
    """
    if not (text.isascii() and text.isprintable()):
        check_text("quoted string", text)
    if '"' in text or "\\" in text:
        text = _NEEDS_ESCAPE.sub(r"\\\1", text)
    return f'"{text}"'


def unquote(text: str) -> str:
    """The text without its surrounding quotes and backslashes; text that is not quoted is returned as it is."""
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return text
    text = text[1:-1]
    return _QUOTED_PAIR.sub(r"\1", text) if "\\" in text else text


def leading_quoted(text: str) -> str | None:
    """The complete quoted string that the text begins with, quotes included; ``None`` if it never ends."""
    match = _CLOSED_STRING.match(text)
    return match[0] if match else None


def split_list(text: str) -> list[str]:
    """The elements between the commas, stripped, without empty ones (GRM-3, GRM-4, GRM-22).

    Commas in quoted strings and in angle brackets do not split. A bracket that is never closed is a plain character,
    so that it spoils its own element only (ROB-4).
    """
    if "," not in text:
        text = text.strip(BLANKS)
        return [text] if text else []
    plain = '"' not in text and "<" not in text
    parts = text.split(",") if plain else _split(text, _LIST_MARKS, ",")
    return [part for part in (part.strip(BLANKS) for part in parts) if part]


def split_rows(lines: list[str]) -> dict[str, str] | None:
    """What stands before and behind the first ``: `` of each line; ``None`` if one has none, or two begin alike."""
    try:
        rows = dict([line.split(": ", 1) for line in lines])
    except ValueError:
        return None
    return rows if len(rows) == len(lines) else None


def split_params(text: str) -> list[str]:
    """The parts between the semicolons, stripped, empty ones included; quotes and brackets as in `split_list`."""
    parts = _split(text, _PARAM_MARKS, ";") if '"' in text or "<" in text else text.split(";")
    return [part.strip(BLANKS) for part in parts] if " " in text or "\t" in text else parts


def _split(text: str, marks: re.Pattern[str], separator: str) -> list[str]:
    parts = []
    start = 0
    for match in marks.finditer(text):
        if match[0] == separator:
            parts.append(text[start : match.start()])
            start = match.end()
    parts.append(text[start:])
    return parts


@lru_cache(_TIMES)
def parse_seconds(text: str) -> int | None:
    """Delta-seconds, cut to 2**32 - 1 (MSG-18); ``None`` if the text is anything but digits (GRM-31, GRM-32)."""
    text = text.strip(BLANKS)
    if not (text.isascii() and text.isdigit()):
        return None
    # int() of thousands of digits is slow, and refused by Python altogether.
    digits = text.lstrip("0")
    return min(int(digits or "0"), MAX_SECONDS) if len(digits) <= 10 else MAX_SECONDS


def parse_quality(text: str) -> float | None:
    """A ``q`` value, 0 to 1 with up to three decimals; ``None`` if it is none (GRM-8)."""
    return float(text) if _QUALITY.fullmatch(text) else None


def skip_comment(text: str) -> str:
    """What follows the parenthesised comment that the text begins with (MSG-19).

    Raises:
        ParseError: The comment never ends, or nests deeper than 16.
    """
    depth = 0
    for match in _COMMENT_MARKS.finditer(text):
        if match[0] == "(":
            depth += 1
            if depth > MAX_COMMENT_DEPTH:
                break
        elif match[0] == ")":
            depth -= 1
            if depth == 0:
                return text[match.end() :]
    raise ParseError(text, 0, f"a comment that ends and nests at most {MAX_COMMENT_DEPTH} deep")
