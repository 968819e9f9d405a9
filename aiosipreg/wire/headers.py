"""The header rows of a message, in order, by name (RFC 3261 sections 7.3 and 20)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from aiosipreg.wire.grammar import BLANKS, is_token, split_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = ["Headers", "canonical_name", "compact_name"]

_COMPACT: Final = {
    "c": "Content-Type",
    "e": "Content-Encoding",
    "f": "From",
    "i": "Call-ID",
    "k": "Supported",
    "l": "Content-Length",
    "m": "Contact",
    "o": "Event",
    "s": "Subject",
    "t": "To",
    "u": "Allow-Events",
    "v": "Via",
}

# Spelt as their RFCs spell them, and as nearly every message does.
_SPELLINGS: Final = """
    Via From To Call-ID CSeq Contact Expires Content-Length WWW-Authenticate Proxy-Authenticate Authentication-Info
    Proxy-Authentication-Info Server User-Agent Allow Supported Require Unsupported Max-Forwards Path Service-Route
    P-Associated-URI Feature-Caps Flow-Timer Min-Expires Retry-After Warning Date Authorization Proxy-Authorization
    Route Record-Route Security-Server Accept Allow-Events Event Subscription-State Content-Type Content-Encoding
    Organization Subject Reason
"""
_USUAL: Final = frozenset(_SPELLINGS.split())
_CANONICAL: Final = {name.lower(): name for name in _USUAL} | _COMPACT
# Every server has some of its own.
_NAMES: Final = 256
_SHORT: Final = {name: short for short, name in _COMPACT.items()}

_FOLD: Final = (" ", "\t")


def canonical_name(name: str) -> str:
    """The one spelling of a name that is known in any case or in its compact form (MSG-3, MSG-7), else lower case."""
    if name in _USUAL:
        return name
    name = name.lower()
    return _CANONICAL.get(name, name)


def compact_name(name: str) -> str:
    """The compact form of a name (MSG-8), the name as it is if it has none."""
    return _SHORT.get(canonical_name(name), name)


class Headers:
    """An immutable, ordered multimap of header rows.

    Names are looked up without regard to case and compact forms are known (``headers.get("m")`` is the Contact). Values
    are the text of one row: unfolded, without surrounding blanks. Iteration gives the names as sent, row by row.
    """

    __slots__ = ("_lines", "_rows", "names")
    names: Mapping[str, str | list[str]]
    """The names as `canonical_name` gives them, to be looked for, with what stands behind them.

    That is the text of the one row, of which blanks around the value may be part, or else a list; of one row, too, if
    it was read with care. Whoever wants to know what a header says asks `rows`.
    """

    def __init__(self, rows: Iterable[tuple[str, str]] = ()) -> None:
        self._lines: list[str] = []
        self._rows: tuple[tuple[str, str], ...] | None = tuple(rows)
        self.names = _collected(self._rows) if self._rows else {}

    @classmethod
    def of_lines(cls, lines: list[str], oddities: set[str]) -> tuple[Headers, int]:
        """Read header lines, which may be folded.

        Args:
            lines: The lines without line ends; not changed any more.
            oddities: Collects what was tolerated (ROB-7).

        Returns:
            The headers and how many lines were left out because they are no header rows.
        """
        usual = split_rows(lines)
        if usual is not None and not _USUAL.issuperset(usual):
            usual = _respelt(usual)
        names = _indexed(lines) if usual is None else usual
        if names is None:
            return _read_with_care(lines, oddities)
        self = cls.__new__(cls)
        self._lines = lines
        # Few ask for all rows in their order.
        self._rows = None
        self.names = names
        return self, 0

    def get(self, name: str) -> str | None:
        """The first row of that name, ``None`` if there is none."""
        rows = self.rows(canonical_name(name))
        return rows[0] if rows else None

    def get_all(self, name: str) -> tuple[str, ...]:
        """All rows of that name, in order; lists within a row are not split."""
        return tuple(self.rows(canonical_name(name)))

    def rows(self, key: str) -> Sequence[str]:
        """As `get_all`, of a name as `canonical_name` gives it; not to be changed."""
        rows = self.names.get(key, ())
        return (rows.strip(BLANKS),) if isinstance(rows, str) else rows

    def items(self) -> tuple[tuple[str, str], ...]:
        """All rows as pairs of name, as sent, and value."""
        if self._rows is None:
            parts = [line.partition(":") for line in self._lines]
            self._rows = tuple([(name, value.strip(BLANKS)) for name, _, value in parts])
        return self._rows

    def lines(self) -> list[str]:
        """What `of_lines` makes the same headers of; empty if they came otherwise, or were folded."""
        return self._lines

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and canonical_name(name) in self.names

    def __iter__(self) -> Iterator[str]:
        return iter([name for name, _ in self.items()])

    def __len__(self) -> int:
        return len(self.items())

    def __eq__(self, other: object) -> bool:
        return self.items() == other.items() if isinstance(other, Headers) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.items())

    def __repr__(self) -> str:
        names = ", ".join(self)
        return f"<Headers {names}>"


def _respelt(names: dict[str, str]) -> dict[str, str] | None:
    """Rows by their names in one spelling; ``None`` where one is no name, or two mean the same."""
    respelt = {}
    for name, value in names.items():
        key = name if name in _USUAL else _key(name)
        # A folded line is no token, nor is a name that has a blank in it.
        if key is None:
            return None
        respelt[key] = value
    return respelt if len(respelt) == len(names) else None


def _indexed(lines: list[str]) -> Mapping[str, str | list[str]] | None:
    """All rows by their names, however often and with whatever blanks; ``None`` where a line is folded, or no row."""
    index: dict[str, str | list[str]] = {}
    for line in lines:
        name, _, value = line.partition(":")
        key = name if name in _USUAL else _key(name)
        value = value.strip(BLANKS)
        if key is None or not value:
            return None
        before = index.get(key)
        if before is None:
            index[key] = value
        elif isinstance(before, str):
            index[key] = [before, value]
        else:
            before.append(value)
    return index


@lru_cache(_NAMES)
def _key(name: str) -> str | None:
    return canonical_name(name) if is_token(name) else None


def _collected(rows: Iterable[tuple[str, str]]) -> Mapping[str, str | list[str]]:
    index: dict[str, list[str]] = {}
    for name, value in rows:
        index.setdefault(canonical_name(name), []).append(value)
    return index


def _read_with_care(lines: list[str], oddities: set[str]) -> tuple[Headers, int]:
    """What `Headers.of_lines` returns, of lines that may be folded, empty or no rows."""
    rows = []
    dropped = 0
    for line in _unfold(lines):
        name, colon, value = line.partition(":")
        if name[-1:] in _FOLD:
            name = name.rstrip(BLANKS)
            oddities.add("blank before colon")
        if colon and is_token(name):
            rows.append((name, value.strip(BLANKS)))
        else:
            dropped += 1
    return Headers(rows), dropped


def _unfold(lines: list[str]) -> list[str]:
    """Join continuation lines with one blank (MSG-4); a line that continues no row becomes one without a name.

    A colon belongs on the first line of its row, so what is folded before it is no row.
    """
    rows: list[list[str]] = []
    for line in lines:
        if line[:1] not in _FOLD:
            rows.append([line.rstrip(BLANKS)])
        elif rows and ":" in rows[-1][0]:
            rows[-1].append(line.strip(BLANKS))
        else:
            rows.append([":"])
    return [" ".join(row) for row in rows]
