"""How long everything takes: exact times and bounds over many draws."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiosipreg.engine.timers import (
    SHORTEST_CYCLE,
    SLOW_RETRY,
    RetryPolicy,
    SipTimers,
    refresh_delay,
)
from aiosipreg.errors import ConfigError

DRAWS = 10_000
TIMERS = SipTimers()
NO_NUMBERS = [0, -1, 0.0, -0.5, math.inf, -math.inf, math.nan, 10**400, True, "1", None]


def delays(granted: float, requested: float = 2**32, timers: SipTimers = TIMERS, draws: int = DRAWS) -> list[float]:
    random = Random(1)
    return [refresh_delay(granted, requested, random, timers=timers) for _ in range(draws)]


def spread(draws: list[float], low: float, high: float) -> bool:
    """Whether the draws fill a range: inside it, and near both ends."""
    near = 0.01 * (high - low)
    return low <= min(draws) <= low + near and high - near <= max(draws) <= high


# SIP timers


def test_TXN_12_defaults_are_those_of_RFC_3261() -> None:
    assert (TIMERS.t1, TIMERS.t2, TIMERS.t4) == (0.5, 4.0, 5.0)
    assert (TIMERS.timer_f, TIMERS.timer_k) == (32.0, 5.0)


def test_TXN_12_derived_timers_follow() -> None:
    timers = SipTimers(t1=2, t4=17)
    assert (timers.timer_f, timers.timer_k) == (128, 17)


@pytest.mark.parametrize("name", ["t1", "t2", "t4"])
@pytest.mark.parametrize("value", NO_NUMBERS, ids=repr)
def test_TXN_12_timers_are_numbers_above_zero(name: str, value: object) -> None:
    with pytest.raises(ConfigError) as caught:
        SipTimers(**{name: value})  # type: ignore[arg-type]
    assert (caught.value.field, caught.value.expected) == (name, "a number of seconds above 0")
    assert caught.value.value is value


def test_TXN_12_t2_is_not_below_t1() -> None:
    with pytest.raises(ConfigError) as caught:
        SipTimers(t1=5)
    assert (caught.value.field, caught.value.value, caught.value.expected) == ("t2", 4.0, "at least t1 (5)")
    assert SipTimers(t1=4).timer_f == 256


def test_timers_and_policies_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        TIMERS.t1 = 1  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        RetryPolicy().base = 1  # type: ignore[misc]


# Back-off


@pytest.mark.parametrize(
    ("failures", "low", "high"),
    [(1, 30, 60), (2, 60, 120), (3, 120, 240), (4, 240, 480), (5, 480, 960), (6, 900, 1800), (7, 900, 1800)],
)
def test_OUTB_14_the_table_of_appendix_A(failures: int, low: float, high: float) -> None:
    policy, random = RetryPolicy(), Random(1)
    assert spread([policy.delay(failures, random) for _ in range(DRAWS)], low, high)


@pytest.mark.parametrize(
    ("failures", "low", "high"),
    [(1, 90, 180), (2, 180, 360), (3, 360, 720), (4, 720, 1440), (5, 900, 1800), (6, 900, 1800)],
)
def test_OUTB_14_the_table_of_appendix_A_while_another_flow_works(failures: int, low: float, high: float) -> None:
    policy, random = RetryPolicy(), Random(1)
    assert spread([policy.delay(failures, random, alive=True) for _ in range(DRAWS)], low, high)


def test_OUTB_14_wait_is_drawn_evenly() -> None:
    policy, random = RetryPolicy(), Random(1)
    draws = [policy.delay(1, random) for _ in range(DRAWS)]
    assert sum(draws) / DRAWS == pytest.approx(45, abs=0.5)
    assert sum(draw < 37.5 for draw in draws) / DRAWS == pytest.approx(0.25, abs=0.02)


def test_OUTB_15_attempts_go_on_at_the_cap_for_years() -> None:
    # The largest shift that a float can take is 1023; one failure every 15 minutes gets there in eleven days.
    assert 900 <= RetryPolicy().delay(1_000_000, Random(1)) <= 1800


def test_OUTB_14_own_base_cap_and_jitter() -> None:
    policy = RetryPolicy(base=1, max=10, jitter=(1, 1))
    assert [policy.delay(failures, Random(1)) for failures in range(1, 6)] == [2, 4, 8, 10, 10]


def test_slow_retry_is_15_to_30_minutes() -> None:
    policy, random = RetryPolicy(base=1, max=2), Random(1)
    assert spread([policy.slow(random) for _ in range(DRAWS)], SLOW_RETRY / 2, SLOW_RETRY)


@pytest.mark.parametrize("name", ["base", "max", "base_not_all_failed"])
@pytest.mark.parametrize("value", NO_NUMBERS, ids=repr)
def test_policy_times_are_numbers_above_zero(name: str, value: object) -> None:
    with pytest.raises(ConfigError) as caught:
        RetryPolicy(**{name: value})  # type: ignore[arg-type]
    assert (caught.value.field, caught.value.expected) == (name, "a number of seconds above 0")
    assert caught.value.value is value


NO_SHARES = [
    (0, 1), (-0.5, 1), (0.5, 1.1), (0.9, 0.5), (math.nan, 1), (0.5, math.nan), (0.5,), (0.2, 0.3, 0.4), 0.5, None,
    ("0.5", "1"), (True, True), "01",
]  # fmt: skip


@pytest.mark.parametrize("value", NO_SHARES, ids=repr)
def test_policy_jitter_is_two_shares(value: object) -> None:
    with pytest.raises(ConfigError) as caught:
        RetryPolicy(jitter=value)  # type: ignore[arg-type]
    assert (caught.value.field, caught.value.expected) == ("jitter", "two shares with 0 < low <= high <= 1")
    assert caught.value.value is value


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "3"], ids=repr)
def test_policy_attempts_are_counted_in_whole_numbers(value: object) -> None:
    with pytest.raises(ConfigError) as caught:
        RetryPolicy(max_attempts=value)  # type: ignore[arg-type]
    assert (caught.value.field, caught.value.value) == ("max_attempts", value)
    assert caught.value.expected == "a whole number, 1 or more, or None"


def test_policy_attempts_may_be_one_or_endless() -> None:
    assert RetryPolicy(max_attempts=1).max_attempts == 1
    assert RetryPolicy().max_attempts is None


# Refresh


@pytest.mark.parametrize(
    ("granted", "low", "high"),
    [
        (30, 13.5, 15),
        (64, 28.8, 32),
        (65, 25.2, 28),
        (70, 29.7, 33),
        (370, 299.7, 333),
        (371, 300.51, 333.9),
        (600, 486, 540),
        (3600, 2916, 3240),
    ],
)
def test_REG_19_start_of_the_refresh(granted: float, low: float, high: float) -> None:
    assert spread(delays(granted), low - 1e-9, high + 1e-9)


@pytest.mark.parametrize("granted", [65, 70, 100, 320, 371, 3600, 86_400, 2**32 - 1])
def test_REG_18_long_lifetimes_leave_time_for_a_refresh_to_fail(granted: float) -> None:
    assert granted - max(delays(granted)) >= TIMERS.timer_f


@pytest.mark.parametrize("granted", [3, 30, 64])
def test_REG_18_short_lifetimes_are_renewed_at_half_life(granted: float) -> None:
    assert max(delays(granted)) <= granted / 2


@pytest.mark.parametrize("t1", [0.01, 0.1, 0.5, 2.0])
@pytest.mark.parametrize("granted", [20.0, 65.0, 130.0, 257.0, 300.0, 3600.0])
def test_TXN_12_refresh_follows_other_timers(t1: float, granted: float) -> None:
    timers = SipTimers(t1=t1, t2=4.0)
    latest = max(delays(granted, timers=timers, draws=500))
    if granted > 2 * timers.timer_f:
        assert granted - latest >= timers.timer_f
    else:
        assert latest <= granted / 2


@given(st.floats(0, 2**32), st.floats(0, 2**32), st.floats(0.01, 4), st.integers())
def test_REG_19_refresh_is_never_earlier_than_a_second_nor_later_than_the_end(
    granted: float, requested: float, t1: float, seed: int
) -> None:
    delay = refresh_delay(granted, requested, Random(seed), timers=SipTimers(t1=t1))
    assert delay >= SHORTEST_CYCLE
    assert delay <= max(SHORTEST_CYCLE, 0.9 * min(granted, requested))


def test_REG_19_more_than_was_asked_for_does_not_delay_the_refresh() -> None:
    assert spread(delays(7200, requested=600), 486, 540)


@pytest.mark.parametrize("granted", [0, 1, 2])
def test_REG_19_refresh_waits_a_second_at_least(granted: float) -> None:
    assert set(delays(granted)) == {1.0}


def test_REG_19_own_window_replaces_the_rule() -> None:
    random = Random(1)
    draws = [refresh_delay(600, 3600, random, timers=TIMERS, window=(0.4, 0.6)) for _ in range(DRAWS)]
    assert spread(draws, 240, 360)
    assert refresh_delay(2, 2, random, timers=TIMERS, window=(0.1, 0.1)) == 1.0


def test_OVL_8_the_first_refreshes_of_a_crowd_are_spread_over_nearly_the_whole_lifetime() -> None:
    random = Random(1)
    draws = [refresh_delay(3600, 3600, random, timers=TIMERS, crowded=True) for _ in range(DRAWS)]
    assert spread(draws, 324, 3240)
    # Evenly: as many in each tenth.
    tenths = Counter(int((draw - 324) / 291.6) for draw in draws)
    assert all(850 < tenths[tenth] < 1150 for tenth in range(10))
    assert {refresh_delay(2, 2, random, timers=TIMERS, crowded=True) for _ in range(100)} == {1.0}
    own = [refresh_delay(600, 600, random, timers=TIMERS, crowded=True, window=(0.4, 0.6)) for _ in range(DRAWS)]
    assert spread(own, 240, 360)
