"""aiosipreg/testing/link.py."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiosipreg import ConfigError
from aiosipreg.testing.link import HOLD_BACK, Faults, Link, arrivals


def test_a_perfect_link_delivers_at_once_and_in_order() -> None:
    link = Link()
    link.send(b"one", 5.0)
    link.send(b"two", 5.0)
    assert link.deadline == 5.0
    assert link.receive(5.0) == [b"one", b"two"]
    assert link.deadline is None
    assert link.receive(5.0) == []


def test_nothing_arrives_before_its_delay() -> None:
    link = Link(delay=0.25)
    link.send(b"late", 1.0)
    assert link.receive(1.2) == []
    assert link.deadline == 1.25
    assert link.receive(1.25) == [b"late"]


def test_loss_is_the_announced_share() -> None:
    link = Link(loss=0.3, seed=1)
    for _ in range(10_000):
        link.send(b"x", 0.0)
    assert 6_800 < len(link.receive(0.0)) < 7_200


def test_reordered_packets_are_overtaken() -> None:
    link = Link(reorder=0.5, seed=3)
    sent = [bytes([n]) for n in range(20)]
    for data in sent:
        link.send(data, 0.0)
    at_once = link.receive(0.0)
    held_back = link.receive(HOLD_BACK)
    assert at_once
    assert held_back
    assert sorted(at_once + held_back) == sent


def test_a_doubled_packet_arrives_twice() -> None:
    link = Link(duplicate=1.0)
    link.send(b"x", 0.0)
    assert link.receive(0.0) == [b"x", b"x"]


def test_faults_may_change_while_packets_are_under_way() -> None:
    link = Link(delay=1.0)
    link.send(b"before", 0.0)
    link.faults = Faults(silence=True)
    link.send(b"after", 0.0)
    assert link.receive(10.0) == [b"before"]


def test_the_same_seed_gives_the_same_fate() -> None:
    def fates(seed: int) -> list[tuple[float, ...]]:
        chance = random.Random(seed)
        faults = Faults(loss=0.3, delay=(0.0, 1.0), reorder=0.2, duplicate=0.2)
        return [arrivals(faults, chance, 0.0) for _ in range(50)]

    assert fates(4) == fates(4)
    assert fates(4) != fates(5)


@given(
    st.floats(0, 1),
    st.floats(0, 5),
    st.floats(0, 5),
    st.floats(0, 1),
    st.floats(0, 1),
    st.integers(),
    st.floats(0, 1e6),
)
def test_arrivals_stay_within_their_bounds(
    loss: float, least: float, spread: float, reorder: float, duplicate: float, seed: int, now: float
) -> None:
    faults = Faults(loss, (least, least + spread), reorder, duplicate)
    times = arrivals(faults, random.Random(seed), now)
    assert len(times) <= 2
    assert all(now + least <= at <= now + least + spread + HOLD_BACK + 1e-6 for at in times)


@pytest.mark.parametrize("name", ["loss", "reorder", "duplicate"])
@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_shares_outside_of_zero_to_one_are_refused(name: str, share: float) -> None:
    with pytest.raises(ConfigError, match=name):
        Faults(**{name: share})  # type: ignore[arg-type]


@pytest.mark.parametrize("delay", [-1.0, (2.0, 1.0), (-1.0, 1.0)])
def test_impossible_delays_are_refused(delay: float | tuple[float, float]) -> None:
    with pytest.raises(ConfigError, match="delay"):
        Faults(delay=delay)
