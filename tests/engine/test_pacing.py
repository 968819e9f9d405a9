"""How many attempts may begin at once toward one target: OVL-8, on plain numbers."""

from __future__ import annotations

import math
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiosipreg.engine.pacing import Pacer, Pacing
from aiosipreg.errors import ConfigError


def pacer(seed: int = 1, **pacing: Any) -> Pacer[int]:
    return Pacer(Pacing(**pacing), Random(seed))


def begin(subject: Pacer[int], count: int, now: float = 0.0) -> list[tuple[float, int]]:
    """That many ask at once; who may begin at once."""
    return [(now, item) for item in range(count) if subject.ask(item, now)]


@pytest.mark.parametrize(
    ("field", "value"),
    [("rate", 0), ("rate", -1.0), ("rate", math.inf), ("rate", math.nan), ("in_flight", 0), ("in_flight", -5)],
)
def test_a_pace_must_be_possible(field: str, value: float) -> None:
    with pytest.raises(ConfigError) as caught:
        Pacing(**{field: value})  # type: ignore[arg-type]
    assert caught.value.field == field


def test_the_default_is_fifty_a_second_and_two_hundred_under_way() -> None:
    assert Pacing() == Pacing(rate=50.0, in_flight=200)


def test_nobody_waits_alone() -> None:
    subject = pacer()
    assert subject.ask(1, 0.0)
    assert subject.deadline is None
    assert subject.ask(2, 100.0)


def test_OVL_8_ten_thousand_attempts_are_spread_out() -> None:
    subject = pacer()
    begun = begin(subject, 10_000)
    flying = {item for _, item in begun}
    answers: list[tuple[float, int]] = [(now + 0.05, item) for now, item in begun]
    most = 0
    while len(begun) < 10_000:
        deadline = subject.deadline
        assert deadline is not None
        while answers and answers[0][0] <= deadline:
            item = answers.pop(0)[1]
            subject.forget(item)
            flying.discard(item)
        for item in subject.due(deadline):
            begun.append((deadline, item))
            flying.add(item)
            answers.append((deadline + 0.05, item))
        most = max(most, len(flying))
    items = [item for _, item in begun]
    assert sorted(items) == list(range(10_000))
    # In random order: rising runs would mean first come, first served.
    rising = sum(one < other for one, other in pairwise(items))
    assert 4_700 < rising < 5_300
    # No second has more than the pace, but for the one that begins at once.
    times = [now for now, _ in begun]
    assert times[-1] == pytest.approx(10_000 / 50, abs=0.1)
    for first, later in zip(times, times[51:], strict=False):
        assert later - first >= 0.98
    assert most <= 4


def test_OVL_8_without_a_pace_it_is_answers_that_let_the_next_begin() -> None:
    subject: Pacer[int] = Pacer(None, Random(1))
    flying = {item for _, item in begin(subject, 1000)}
    assert len(flying) == 200
    assert subject.deadline is None
    subject.forget(flying.pop())
    subject.forget(flying.pop())
    assert subject.deadline is not None
    begun = subject.due(0.0)
    assert len(begun) == 2
    assert flying.isdisjoint(begun)
    assert subject.deadline is None


def test_OVL_8_who_has_a_binding_to_lose_comes_first() -> None:
    subject = pacer(rate=10.0)
    assert len(begin(subject, 100)) == 2
    for item in (200, 201, 202):
        assert not subject.ask(item, 0.0, renews=True)
    subject.forget(201)
    begun = []
    for _ in range(4):
        deadline = subject.deadline
        assert deadline is not None
        begun += subject.due(deadline)
    assert set(begun[:2]) == {200, 202}
    assert all(item < 100 for item in begun[2:])


def test_OVL_8_no_more_than_so_many_wait_for_an_answer() -> None:
    subject = pacer(rate=1000.0, in_flight=5)
    begun = begin(subject, 20)
    while (deadline := subject.deadline) is not None:
        begun += [(deadline, item) for item in subject.due(deadline)]
    assert len(begun) == 5
    assert subject.due(1e9) == []
    subject.forget(begun[0][1])
    assert subject.deadline is not None
    assert len(subject.due(100.0)) == 1
    assert subject.deadline is None


def test_a_late_call_does_not_make_up_for_what_was_missed() -> None:
    subject = pacer(rate=10.0)
    begin(subject, 100)
    subject.due(0.0)
    assert len(subject.due(50.0)) <= 2
    assert subject.deadline == pytest.approx(50.1)


def test_one_that_gives_up_leaves_the_queue() -> None:
    subject = pacer(rate=1.0)
    begun = {item for _, item in begin(subject, 50)}
    waiting = set(range(50)) - begun
    gone = set(sorted(waiting)[::2])
    for item in gone:
        subject.forget(item)
        subject.forget(item)
    subject.forget(1000)
    left = []
    while (deadline := subject.deadline) is not None:
        left += subject.due(deadline)
    assert set(left) == waiting - gone
    assert len(left) == len(waiting - gone)


def test_one_that_asks_again_waits_once() -> None:
    subject = pacer(rate=1.0)
    assert subject.ask(1, 0.0)
    assert subject.ask(1, 0.0)
    assert not subject.ask(1, 0.0)
    assert not subject.ask(1, 0.0)
    assert subject.due(1.0) == [1]
    assert subject.due(2.0) == []


def test_a_pacer_is_idle_when_nothing_is_lost_with_it() -> None:
    subject = pacer(rate=1.0)
    assert subject.idle(0.0)
    subject.ask(1, 0.0)
    assert not subject.idle(0.0)
    subject.forget(1)
    subject.ask(2, 0.0)
    subject.ask(3, 0.0)
    assert not subject.idle(5.0)
    subject.forget(3)
    subject.forget(2)
    assert not subject.idle(0.5)
    assert subject.idle(1.0)


def test_the_order_is_given_by_the_random() -> None:
    def order(seed: int) -> list[int]:
        subject = pacer(seed, rate=1.0)
        begun = [item for _, item in begin(subject, 30)]
        while (deadline := subject.deadline) is not None:
            begun += subject.due(deadline)
        return begun

    assert order(1) == order(1)
    assert order(1) != order(2)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("ask"), st.integers(0, 9)),
            st.tuples(st.just("forget"), st.integers(0, 9)),
            st.tuples(st.just("wait"), st.integers(0, 30)),
        ),
        max_size=80,
    ),
    st.integers(1, 4),
)
def test_OVL_8_whatever_comes_nobody_is_lost_and_nobody_too_early(steps: list[tuple[str, int]], in_flight: int) -> None:
    subject = Pacer[int](Pacing(rate=10.0, in_flight=in_flight), Random(1))
    now = 0.0
    waiting: set[int] = set()
    flying: set[int] = set()
    starts: list[float] = []

    def admit(items: list[int]) -> None:
        for item in items:
            assert item in waiting
            waiting.discard(item)
            flying.add(item)
            starts.append(now)

    for what, value in steps:
        if what == "ask":
            waiting.add(value)
            flying.discard(value)
            admit([value] if subject.ask(value, now) else [])
        elif what == "forget":
            subject.forget(value)
            waiting.discard(value)
            flying.discard(value)
        else:
            until = now + value / 10
            while (deadline := subject.deadline) is not None and deadline <= until:
                now = max(now, deadline)
                admit(subject.due(now))
                after = subject.deadline
                assert after is None or after > now
            now = until
        assert len(flying) <= in_flight
        # Whoever waits is waited for by a deadline, or by an answer that is still to come.
        assert not waiting or subject.deadline is not None or len(flying) == in_flight
        assert subject.idle(now + 1) is not bool(waiting or flying)
    for first, later in zip(starts, starts[2:], strict=False):
        assert later - first >= 0.1 - 1e-9
