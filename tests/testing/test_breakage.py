"""aiosipreg/testing/breakage.py: values that make no sense are refused; what they do is tested with connections."""

from __future__ import annotations

from typing import Any

import pytest

from aiosipreg import ConfigError
from aiosipreg.testing.breakage import StreamFaults


@pytest.mark.parametrize(
    "wrong",
    [{"reset": "now"}, {"close": ""}, {"stall": "handshake"}, {"delay": -1.0}, {"piece": 0}, {"merge": 0}],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        StreamFaults(**wrong)


def test_unless_told_nothing_goes_wrong() -> None:
    assert StreamFaults() == StreamFaults(reset=None, close=None, stall=None, delay=0.0, piece=None, merge=1)
