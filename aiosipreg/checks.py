"""What settings are checked by when their values are built (floor 0)."""

from __future__ import annotations

import sys

from aiosipreg.errors import ConfigError

__all__ = ["positive", "shares"]


def positive(field: str, value: float) -> float:
    """Return ``value`` if it is a finite number above zero.

    Raises:
        ConfigError: It is not.
    """
    if not _is_number(value) or not 0 < value <= sys.float_info.max:
        raise ConfigError(field, value, "a number of seconds above 0")
    return float(value)


def shares(field: str, value: tuple[float, float]) -> tuple[float, float]:
    """Return ``value`` if it is two numbers above zero, at most 1, the lower one first.

    Raises:
        ConfigError: It is not.
    """
    if not isinstance(value, tuple) or len(value) != 2 or not all(map(_is_number, value)):
        raise ConfigError(field, value, "two shares with 0 < low <= high <= 1")
    low, high = value
    if not 0 < low <= high <= 1:
        raise ConfigError(field, value, "two shares with 0 < low <= high <= 1")
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
