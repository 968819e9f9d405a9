"""The form of the file: sections, entries and comments, read as liblinphone 5 reads them.

Not by configparser: that takes an indented line for more of the value before it, and can tell neither that a key
occurs twice nor what stands before the first section.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from aiosipreg.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Entry", "File", "read_file"]

_T = TypeVar("_T")
_DEFAULTS: Final = "proxy_default_values"
_BLANKS: Final = " \t\r"


class Entry(NamedTuple):
    """One ``key=value`` of the file. Its ``repr`` hides the value, since any of them may be a secret.

    Attributes:
        section: Name of the section; empty for what stands before the first.
        key: The key.
        value: The value as it stands there.
    """

    section: str
    key: str
    value: str

    def __repr__(self) -> str:
        return f"Entry(section={self.section!r}, key={self.key!r})"


class File:
    """Sections with their entries, which of them were used, and what was found wrong.

    Attributes:
        problems: Sentences about what cannot be taken as it stands; they name entries and never show a value.
    """

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._sections: dict[str, dict[str, str]] = {}
        self._used: set[tuple[str, str]] = set()

    def open(self, section: str) -> None:
        """There is a section of this name, maybe an empty one."""
        self._sections.setdefault(section, {})

    def add(self, section: str, key: str, value: str) -> None:
        """Take an entry; of a key that occurs twice the last one counts. An empty value says nothing."""
        self.open(section)
        if not value:
            return
        if self._sections[section].get(key, value) != value:
            self.problem(section, key, "occurs more than once; the last one counts")
        self._sections[section][key] = value

    def numbered(self, name: str) -> list[str]:
        """The sections ``name_0``, ``name_1``, ... up to the first number that is missing."""
        found: list[str] = []
        while (section := f"{name}_{len(found)}") in self._sections:
            found.append(section)
        read = set(found)
        for other in self._sections:
            if re.fullmatch(rf"{name}_(?:0|[1-9][0-9]*)", other) and other not in read:
                self.problems.append(f"[{other}] is not read, because there is no [{section}] before it")
        return found

    def verbatim(self, section: str, key: str) -> str | None:
        """The value as it stands, ``None`` without one. The entry is used from now on.

        What an account does not say is said by ``[proxy_default_values]``.
        """
        self._used.add((section, key))
        if section.startswith("proxy_"):
            self._used.add((_DEFAULTS, key))
        return self._sections.get(self._place(section, key), {}).get(key)

    def text(self, section: str, key: str) -> str | None:
        """The value without blanks around it."""
        value = self.verbatim(section, key)
        return None if value is None else value.strip(_BLANKS)

    def value(self, section: str, key: str, read: Callable[[str], _T]) -> _T | None:
        """The value in its own type; one that cannot be read is a problem, and absent."""
        text = self.text(section, key)
        try:
            return None if text is None else read(text)
        except ConfigError as error:
            self.problem(section, key, f"expected {error.expected}; the setting is left out")
            return None

    def problem(self, section: str, key: str, sentence: str) -> None:
        """Note what is wrong with an entry, or with its absence."""
        self.problems.append(f"[{self._place(section, key)}] {key}: {sentence}")

    def unknown(self) -> tuple[Entry, ...]:
        """The entries that nobody asked for."""
        return tuple(
            Entry(section, key, value)
            for section, entries in self._sections.items()
            for key, value in entries.items()
            if (section, key) not in self._used
        )

    def _place(self, section: str, key: str) -> str:
        """The section that has the value for this one."""
        if section.startswith("proxy_") and key not in self._sections.get(section, {}):
            return _DEFAULTS if key in self._sections.get(_DEFAULTS, {}) else section
        return section


def read_file(text: str) -> File:
    """Read the form; a line that has none is a problem of the file."""
    file, section = File(), ""
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        line = line.rstrip(_BLANKS).lstrip(_BLANKS)
        if line.startswith("["):
            name, closed, rest = line[1:].partition("]")
            words = name.split()
            if closed and words:
                section = words[0]
                file.open(section)
            if not closed or rest or len(words) != 1:
                file.problems.append(f"line {number}: expected one name in brackets and nothing else")
        elif line and not line.startswith("#"):
            key, equals, value = line.partition("=")
            if equals and key.strip(_BLANKS):
                file.add(section, key.strip(_BLANKS), value)
            else:
                file.problems.append(f"line {number}: expected [section], key=value or # comment; it is not read")
    return file
