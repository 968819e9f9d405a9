"""What settings are checked by."""

from __future__ import annotations

import math

import pytest

from aiosipreg.checks import positive, shares
from aiosipreg.errors import ConfigError


@pytest.mark.parametrize("value", [1, 0.001, 1e300])
def test_positive_gives_a_float(value: float) -> None:
    assert positive("auth_timeout", value) == value
    assert isinstance(positive("auth_timeout", value), float)


@pytest.mark.parametrize("value", [0, -1, math.inf, math.nan, 10**400, True, "1", None], ids=repr)
def test_positive_refuses_what_is_no_time(value: float) -> None:
    with pytest.raises(ConfigError, match=r"auth_timeout=.*expected a number of seconds above 0"):
        positive("auth_timeout", value)


def test_shares_are_returned_as_given() -> None:
    assert shares("refresh_window", (0.5, 0.5)) == (0.5, 0.5)


@pytest.mark.parametrize("value", [None, (0.5,), (0.0, 0.5), (0.6, 0.5), (0.5, 1.1), (True, 1), [0.5, 0.6]], ids=repr)
def test_shares_refuse_what_is_no_range(value: tuple[float, float]) -> None:
    with pytest.raises(ConfigError, match="two shares with 0 < low <= high <= 1"):
        shares("refresh_window", value)
