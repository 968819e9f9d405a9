"""The header rows of a message, in order, by name (RFC 3261 sections 7.3 and 20)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiosipreg.wire.grammar import BLANKS, is_token

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["Headers", "canonical_name"]

_COMPACT: Final = {
    "c": "content-type",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "o": "event",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
}

_USUAL: Final = """
    Via From To Call-ID CSeq Contact Expires Content-Length WWW-Authenticate Proxy-Authenticate Server User-Agent Allow
    Supported Require Max-Forwards Path Service-Route P-Associated-URI Date Authorization
"""
_AS_SENT: Final = {name: name.lower() for name in _USUAL.split()}
"""The spellings that nearly every message uses: one look-up instead of two."""


_FOLD: Final = (" ", "\t")


def canonical_name(name: str) -> str:
    """The name in lower case, compact forms written out (MSG-3, MSG-7)."""
    known = _AS_SENT.get(name)
    if known is None:
        known = name.lower()
        known = _COMPACT.get(known, known)
    return known


class Headers:
    """An immutable, ordered multimap of header rows.

    Names are looked up without regard to case and compact forms are known (``headers.get("m")`` is the Contact). Values
    are the text of one row: unfolded, without surrounding blanks. Iteration gives the names as sent, row by row.
    """

    __slots__ = ("_index", "_lines", "_rows")

    def __init__(self, rows: Iterable[tuple[str, str]] = ()) -> None:
        self._lines: list[str] = []
        self._rows: tuple[tuple[str, str], ...] | None = tuple(rows)
        self._index: dict[str, list[str]] = {}
        for name, value in self._rows:
            self._index.setdefault(canonical_name(name), []).append(value)

    @classmethod
    def of_lines(cls, lines: list[str], oddities: set[str]) -> tuple[Headers, int]:
        """Read header lines, which may be folded.

        Args:
            lines: The lines without line ends; not changed any more.
            oddities: Collects what was tolerated (ROB-7).

        Returns:
            The headers and how many lines were left out because they are no header rows.
        """
        index: dict[str, list[str]] = {}
        usual = _AS_SENT.get
        for line in lines:
            name, _, value = line.partition(":")
            key = usual(name)
            value = value.strip(BLANKS)
            if key is None and is_token(name):
                key = canonical_name(name)
            if key is None or not value:
                return _read_with_care(lines, oddities)
            if key in index:
                index[key].append(value)
            else:
                index[key] = [value]
        self = cls.__new__(cls)
        self._lines = lines
        # Few ask for all rows in their order.
        self._rows = None
        self._index = index
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
        return self._index.get(key, ())

    def items(self) -> tuple[tuple[str, str], ...]:
        """All rows as pairs of name, as sent, and value."""
        if self._rows is None:
            parts = [line.partition(":") for line in self._lines]
            self._rows = tuple([(name, value.strip(BLANKS)) for name, _, value in parts])
        return self._rows

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and canonical_name(name) in self._index

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
