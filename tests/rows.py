"""The rows of the requirements, by id, and how a test says which of them it is about.

A row has a family and a number: ``REG-18``, ``F-05``, ``RSP-200A``. A test names it with ``_`` instead of ``-`` in the
name of its function, ``test_REG_18_refresh_is_early``. Zeros in front of a number mean nothing. Several numbers of one
family may follow each other, and several families: ``test_REG_18_19_TXN_2_...`` names three rows. So a number that is
none of a row must not stand right behind one; write it as a word.

A row may also stand in the id of a parameter set, or in a text that pytest makes one of, then always in full:
``[RSP-404]``, ``[F_05-success]``.
"""

from __future__ import annotations

import importlib
import inspect
import re
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

__all__ = ["ROWS", "named_in_id", "named_in_name", "names_of"]

TESTS: Final = Path(__file__).parent

NUMBERED: Final = {
    # Messages and URIs.
    "MSG": 22, "URI": 15,
    # Registration, transactions, transports, NAT, keep-alive.
    "REG": 40, "TXN": 14, "TRA": 17, "NAT": 4, "KA": 13,
    # Where a request goes; digest authentication.
    "DNS": 25, "AUTH": 34,
    # Outbound flows, GRUU, routes, capabilities.
    "OUTB": 20, "GRUU": 9, "RTE": 8, "CAP": 5,
    # Secure and newer transports, overload, robustness.
    "TLS": 11, "SIPS": 7, "WS": 8, "OVL": 8, "ROB": 8,
    # Redirects, pitfalls of the grammar, security.
    "RDR": 7, "GRM": 60, "SEC": 40,
}  # fmt: skip
"""How many rows a family has, whose numbers begin at 1."""

ANSWERS: Final = """
    100 1XX 200 200A 200B 200C 200D 200E 200F 2XX 300 301 302 305 380 3XX 400 401 402 403 404 405 406 407 408 410 413
    414 415 416 420 421 423 430 439 440 480 481 482 483 484 486 489 491 493 494 4XX 500 501 502 503 504 505 513 555 580
    5XX 600 603 604 606 6XX BAD F0 F1 REF TLS CLOSE DNS DNS2 NET KA CB LOC
"""
"""The table of answers, ``RSP``: status codes, and what goes wrong without one."""

TRANSITIONS: Final = (*range(1, 46), *range(50, 57))
"""The state machine, ``F``: one flow, then several."""

ROWS: Final = frozenset(
    {f"{family}-{number}" for family, most in NUMBERED.items() for number in range(1, most + 1)}
    | {f"RSP-{answer}" for answer in ANSWERS.split()}
    | {f"F-{number:02}" for number in TRANSITIONS}
)

FAMILIES: Final = frozenset({*NUMBERED, "RSP", "F"})

_IN_FULL = re.compile(rf"(?<![A-Za-z0-9])({'|'.join(sorted(FAMILIES))})[-_]([0-9]+[A-Z]*|[A-Z]+[0-9]?)(?![A-Za-z0-9])")


def row(family: str, number: str) -> str:
    """The id as the requirements write it."""
    if not number.isdigit():
        return f"{family}-{number}"
    return f"F-{int(number):02}" if family == "F" else f"{family}-{int(number)}"


def named_in_name(name: str) -> Iterator[str]:
    """The rows that the name of a function names, also those that do not exist."""
    family = ""
    words = name.split("_")
    for word, following in pairwise([*words, ""]):
        if word == "RSP" or (word in FAMILIES and following[:1].isdigit()):
            family = word
        elif family and (word[:1].isdigit() or f"{family}-{word}" in ROWS):
            yield row(family, word)
        else:
            family = ""


def named_in_id(text: str) -> Iterator[str]:
    """The rows that the id of a parameter set names, also those that do not exist."""
    for family, number in _IN_FULL.findall(text):
        if number[0].isdigit() or f"{family}-{number}" in ROWS:
            yield row(family, number)


def names_of(module: ModuleType) -> Iterator[tuple[str, str]]:
    """Every row that a test of a module names, with the test."""
    places = [module, *(value for name, value in vars(module).items() if name.startswith("Test"))]
    for place in places:
        for name, test in vars(place).items():
            if name.startswith("test") and inspect.isfunction(test):
                for named in named_in_name(name):
                    yield named, name
                for text in _parameter_ids(test):
                    for named in named_in_id(text):
                        yield named, f"{name}[{text}]"


def _parameter_ids(test: Any) -> Iterator[str]:
    """The texts from which pytest makes the ids of a test's parameter sets."""
    for mark in getattr(test, "pytestmark", ()):
        if mark.name == "parametrize":
            yield from _texts(*mark.args[1:], **mark.kwargs)


def _texts(argvalues: Any, *, ids: Any = None, **_more: Any) -> Iterator[str]:
    given = None if ids is None or callable(ids) else list(ids)
    for place, argument in enumerate(argvalues):
        if isinstance(argument, type(pytest.param())):
            values, own = argument.values, argument.id
        else:
            values, own = argument if isinstance(argument, tuple | list) else (argument,), None
        if given is not None:
            own = own or given[place]
        words = values if own is None else (own,)
        yield from (text for text in (ids(word) if callable(ids) else word for word in words) if isinstance(text, str))


def test_modules() -> Iterator[ModuleType]:
    """Every test file, which a whole run has imported already."""
    for path in sorted(TESTS.rglob("test_*.py")):
        parts = path.relative_to(TESTS.parent).with_suffix("").parts
        yield importlib.import_module(".".join(parts))
