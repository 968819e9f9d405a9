"""Fixtures of the real peers; a failing test shows what they wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.peers import RUNNING
from tests.peers.kamailio import Kamailio, Options, kamailio_running

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for process in RUNNING:
            report.sections.append((f"output of {process.name}", process.output()[-8000:]))
    return report


@pytest.fixture
def kamailio(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kamailio]:
    """A Kamailio without bindings, up within a tenth of a second; an ``indirect`` parameter is its ``Options``."""
    with kamailio_running(tmp_path, getattr(request, "param", None) or Options()) as peer:
        yield peer
