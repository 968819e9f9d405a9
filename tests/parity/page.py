"""docs/moving/parity.md, made of `rows.py` and `defects.py`; ``python -m tests.parity.page`` writes it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from tests.parity.defects import DEFECTS, Defect
from tests.parity.rows import SUITES, Row, Suite

if TYPE_CHECKING:
    from collections.abc import Iterable

PAGE = Path(__file__).resolve().parents[2] / "docs" / "moving" / "parity.md"

HEAD = """# Parity with liblinphone

<!-- Written by `python -m tests.parity.page`; change tests/parity/rows.py and defects.py instead. -->

liblinphone and belle-sip, the SIP stack below it, test their registrations with the cases below. Each of them is a test
of this package too, or it says what it waits for, or why it is out of scope. What we do otherwise on purpose stands
behind **Here:**. The name of a test begins with suite and number: `pytest -k test_register_27` runs that of row 27.
Where no file is named, it is in `tests/parity`. The functions and settings are compared in
[Coming from liblinphone](from-liblinphone.md).
"""

DEFECTS_HEAD = """## What is not copied

Observations in liblinphone 5.1 to 5.6 that a registration framework does better without, and what is done instead.
"""


def render() -> str:
    """The page."""
    return "\n".join([HEAD, summary(), *map(section, SUITES), defects()])


def summary() -> str:
    lines = ["| Suite | Test cases | Shown here | In part | Waiting | Out of scope |", "|---|---|---|---|---|---|"]
    totals = [0] * 5
    for suite in SUITES:
        counts = [
            len(suite.rows),
            sum(bool(row.tests and not row.waits) for row in suite.rows),
            sum(bool(row.tests and row.waits) for row in suite.rows),
            sum(bool(row.waits and not row.tests) for row in suite.rows),
            sum(bool(row.out) for row in suite.rows),
        ]
        totals = [total + count for total, count in zip(totals, counts, strict=True)]
        lines.append(f"| [{suite.title}](#{anchor(suite.title)}) | {' | '.join(map(str, counts))} |")
    lines.append(f"| all | {' | '.join(map(str, totals))} |")
    return "\n".join(lines) + "\n"


def anchor(title: str) -> str:
    """What a heading is linked by."""
    return title.lower().replace(" ", "-")


def section(suite: Suite) -> str:
    return f"## {suite.title}\n\n`{suite.source}`\n\n" + table("Test case", "What is checked", map(line, suite.rows))


def table(first: str, second: str, lines: Iterable[str]) -> str:
    """A table whose last column names tests."""
    head = [":::{table}", ":class: names", f"| | {first} | {second} | Shown by |", "|---|---|---|---|"]
    return "\n".join([*head, *lines, ":::"]) + "\n"


def line(row: Row) -> str:
    checks = sentence(row.checks)
    if row.better:
        checks += f" **Here:** {sentence(row.better)}"
    return f"| {row.number} | {row.name} | {checks} | {shown_by(row)} |"


def sentence(text: str) -> str:
    return f"{text}." if text else ""


def shown_by(row: Row | Defect) -> str:
    """The tests, or why there are none."""
    words = list(dict.fromkeys(map(code, row.tests)))
    if row.waits:
        words.append(f"*{'a part ' if row.tests else ''}waits for {row.waits}*")
    if isinstance(row, Row) and row.out:
        words.append(f"*out of scope: {row.out}*")
    return "<br>".join(words)


def code(test: str) -> str:
    """A test: its file where that is another directory's, and as much of its name as is needed."""
    file, _, name = test.rpartition("::")
    file, _, _ = file.partition("::")
    if file:
        return f"`{file}` `{name}`"
    short = re.match(r"test_[a-z_]+_\d\d(?=_)", name)
    return f"`{short[0] if short else name}`"


def defects() -> str:
    return f"{DEFECTS_HEAD}\n" + table(
        "liblinphone",
        "Here",
        (
            f"| {number} | {sentence(defect.theirs)} | {sentence(defect.ours)} | {shown_by(defect)} |"
            for number, defect in enumerate(DEFECTS, start=1)
        ),
    )


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
