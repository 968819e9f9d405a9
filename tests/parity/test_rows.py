"""Every test case is in the table, every test that the table names is there, and the page says the same."""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

from tests.parity import page
from tests.parity.defects import DEFECTS
from tests.parity.rows import SUITES

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

# How many test cases each suite has there.
CASES = {
    "register": 62,
    "account": 22,
    "proxy_config": 23,
    "bearer": 13,
    "setup": 16,
    "flexisip": 6,
    "tunnel": 1,
    "belle_register": 34,
    "refresher": 42,
    "auth_helper": 8,
    "resolver": 31,
}
OWN = re.compile(rf"test_({'|'.join(CASES)})_(\d\d)_\w+")

ROWS = [(suite, row) for suite in SUITES for row in suite.rows]


@cache
def names_in(path: Path) -> Counter[str]:
    """The tests of a file, those of classes as ``TestClass::test_name``."""
    found: list[str] = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            found += [f"{node.name}::{name}" for name in functions(node.body)]
        else:
            found += functions([node])
    return Counter(found)


def functions(body: list[ast.stmt]) -> list[str]:
    """The tests among some statements."""
    names = [node.name for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [name for name in names if name.startswith("test_")]


def names_here() -> Counter[str]:
    return sum((names_in(path) for path in HERE.glob("test_*.py")), Counter())


def exists(test: str) -> bool:
    file, _, name = test.partition("::")
    if not name:
        return names_here()[file] == 1
    path = ROOT / file
    return path.is_file() and names_in(path)[name] == 1


def test_every_test_case_has_its_row_once() -> None:
    assert {suite.key: len(suite.rows) for suite in SUITES} == CASES
    for suite in SUITES:
        assert [row.number for row in suite.rows] == list(range(1, len(suite.rows) + 1))
        assert len({row.name for row in suite.rows}) == len(suite.rows)


def test_a_row_has_a_test_that_exists_or_a_reason() -> None:
    assert [row for _, row in ROWS if bool(row.out) is bool(row.tests or row.waits)] == []
    assert [row for _, row in ROWS if row.tests and not row.checks] == []
    assert [row for _, row in ROWS if len(set(row.tests)) != len(row.tests)] == []
    assert [test for _, row in ROWS for test in row.tests if not exists(test)] == []


def test_a_test_that_is_named_after_a_row_is_in_that_row() -> None:
    named = {(suite.key, row.number): row.tests for suite, row in ROWS}
    found = [(match, test) for test in names_here() if (match := OWN.fullmatch(test))]
    assert len(found) > 90
    assert [test for match, test in found if test not in named[match[1], int(match[2])]] == []


def test_a_test_that_does_not_exist_is_found() -> None:
    assert not exists("test_register_99_nothing")
    assert not exists("tests/parity/nothing.py::test_register_01_simple_register")
    assert not exists("tests/parity/test_register.py::TestNothing::test_register_01_simple_register")
    assert exists("tests/parity/test_register.py::test_register_01_simple_register")


def test_a_defect_has_a_test_that_exists_or_waits() -> None:
    assert [defect for defect in DEFECTS if not (defect.tests or defect.waits)] == []
    assert [test for defect in DEFECTS for test in defect.tests if not exists(test)] == []


def test_all_defects_are_there_and_tests_named_after_them_are_in_their_rows() -> None:
    assert len(DEFECTS) == 22
    found = [re.fullmatch(r"test_defect_(\d\d)_\w+", test) for test in names_here()]
    assert [match[0] for match in found if match and match[0] not in DEFECTS[int(match[1]) - 1].tests] == []


def test_page_is_made_of_the_tables() -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    assert text == page.render(), "run `python -m tests.parity.page`"
    assert all(row.name in text for _, row in ROWS)
