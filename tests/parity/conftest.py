"""The real registrar of tests/peers, for the rows that are about one."""

from __future__ import annotations

from tests.peers.conftest import kamailio, pytest_runtest_makereport

__all__ = ["kamailio", "pytest_runtest_makereport"]
