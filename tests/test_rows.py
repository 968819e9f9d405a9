"""No row of the requirements is without a test that names it; the rule of the names stands in `tests.rows`.

The test files are imported, as pytest does it, so the outcome is the same in a whole run, in a part of one, and on each
worker of a run on several.
"""

from __future__ import annotations

import importlib

import pytest

from tests import rows
from tests.open_rows import OPEN_PARTS, OPEN_ROWS
from tests.rows import ROWS, named_in_id, named_in_name, names_of


@pytest.fixture(scope="module")
def named() -> dict[str, list[str]]:
    """Every row that a test names, with the tests."""
    found: dict[str, list[str]] = {}
    for module in rows.test_modules():
        for row, test in names_of(module) if module.__name__ != __name__ else ():
            found.setdefault(row, []).append(f"{module.__name__}::{test}")
    return found


def test_every_row_has_a_test_or_stands_open(named: dict[str, list[str]]) -> None:
    missing = sorted(ROWS - named.keys() - OPEN_ROWS.keys())
    assert not missing, f"no test names {', '.join(missing)}: write one, or say in tests/open_rows.py when it comes"


def test_no_row_that_has_a_test_stands_open(named: dict[str, list[str]]) -> None:
    done = {row: named[row][0] for row in OPEN_ROWS if row in named}
    assert not done, f"take out of tests/open_rows.py what has a test: {done}"


def test_no_test_names_a_row_that_does_not_exist(named: dict[str, list[str]]) -> None:
    unknown = {row: tests for row, tests in named.items() if row not in ROWS}
    assert not unknown, f"there are no such rows; a number behind a row is read as another one: {unknown}"


def test_only_rows_stand_open_and_each_says_why() -> None:
    assert OPEN_ROWS.keys() <= ROWS
    assert all(reason.endswith(".") for reason in OPEN_ROWS.values())


def test_a_row_of_which_a_part_stands_open_has_a_test_for_the_rest(named: dict[str, list[str]]) -> None:
    assert OPEN_PARTS.keys() <= named.keys()
    assert all(reason.endswith(".") for reason in OPEN_PARTS.values())


def test_rows_are_counted_right() -> None:
    counts = {family: sum(row.startswith(f"{family}-") for row in ROWS) for family in ("REG", "RSP", "F", "GRM", "SEC")}
    assert counts == {"REG": 40, "RSP": 74, "F": 52, "GRM": 60, "SEC": 40}


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("test_REG_18_refresh_is_early", ["REG-18"]),
        ("test_GRM_07_F_5_numbers", ["GRM-7", "F-05"]),
        ("test_REG_18_19_TXN_2_three", ["REG-18", "REG-19", "TXN-2"]),
        ("test_what_stands_behind_REG_18", ["REG-18"]),
        ("test_REG_18_and_19_one_only", ["REG-18"]),
        ("test_REG_18_64_seconds", ["REG-18", "REG-64"]),
        ("test_RSP_200A_RSP_BAD_answers", ["RSP-200A", "RSP-BAD"]),
        ("test_RSP_DNS_RSP_CB_DNS_5_words", ["RSP-DNS", "RSP-CB", "DNS-5"]),
        ("test_RSP_555_PUSH_9_a_family_that_is_not_listed", ["RSP-555"]),
        ("test_timer_F_and_TLS_alone", []),
    ],
)
def test_rows_in_the_name_of_a_function(name: str, named: list[str]) -> None:
    assert list(named_in_name(name)) == named


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("RSP-404", ["RSP-404"]),
        ("F_05-success", ["F-05"]),
        ("7-RSP-486-487", ["RSP-486"]),
        ("RSP-CB", ["RSP-CB"]),
        ("REG-64 REG-5", ["REG-64", "REG-5"]),
        ("AUTH-INT", []),
        ("UTF-8", []),
        ("XF-5", []),
    ],
)
def test_rows_in_the_id_of_parameters(text: str, named: list[str]) -> None:
    assert list(named_in_id(text)) == named


def test_rows_of_a_module(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        sample_of_tests="""
        import pytest

        CASES = ["RSP-403", "RSP-404"]

        @pytest.mark.parametrize("row", CASES)
        def test_value(row): ...

        @pytest.mark.parametrize(("row", "n"), [("GRM-1", 1), pytest.param("GRM-2", 2, id="F_05-own")])
        def test_own_id(row, n): ...

        @pytest.mark.parametrize("n", [1, 2], ids=["TXN-1", "TXN-2"])
        @pytest.mark.parametrize("m", [1, 2], ids=lambda m: f"KA-{m}")
        def test_given_ids(n, m): ...

        class TestGroup:
            def test_DNS_1_method(self): ...

        def helper_DNS_2(): ...
        """
    )
    pytester.syspathinsert()
    module = importlib.import_module("sample_of_tests")
    assert [row for row, _ in names_of(module)] == [
        "RSP-403", "RSP-404", "GRM-1", "F-05", "KA-1", "KA-2", "TXN-1", "TXN-2", "DNS-1",
    ]  # fmt: skip
