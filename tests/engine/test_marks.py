"""What is remembered about servers: DNS-16, DNS-17 and OVL-7, on plain numbers."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiosipreg.engine.effects import TargetFailed
from aiosipreg.engine.marks import MOST_MARKS, Marks, Refusal
from aiosipreg.engine.replies import TROUBLES, Row, decide
from aiosipreg.engine.targets import Target, Transport
from aiosipreg.engine.timers import RetryPolicy, SipTimers

if TYPE_CHECKING:
    from collections.abc import Callable

TIMER_F = SipTimers().timer_f
# Without jitter, so that the intervals of the probes are plain numbers: 60, 120, ... 1800 s.
STEADY = RetryPolicy(jitter=(1.0, 1.0))

SILENCE, REFUSED, CLOSED, HANDSHAKE = (TROUBLES[row] for row in ("RSP-F0", "RSP-REF", "RSP-CLOSE", "RSP-TLS"))
GAVE_UP, OVERLOADED = decide(408), decide(503)


def target(number: int = 1, *, port: int = 5060, transport: Transport = Transport.UDP, name: str = "a.test") -> Target:
    return Target(f"192.0.2.{number}", port, transport, name)


class Subject:
    """Marks, and what to do with them in short."""

    def __init__(self, retry: RetryPolicy = STEADY) -> None:
        self.marks = Marks[str](retry, SipTimers(), Random(1))

    def fail(
        self, at: float, who: str = "alice", row: Row = SILENCE, *, to: Target | None = None, wait: float | None = None
    ) -> None:
        self.marks.failed(TargetFailed(to or target(), row, wait, at), who, who)

    def ask(self, at: float, who: str = "alice", *, to: Target | None = None, **more: Any) -> Refusal | None:
        return self.marks.refusal(to or target(), who, at, **more)

    def may(self, at: float, who: str = "alice", **more: Any) -> bool:
        return self.ask(at, who, **more) is None

    def until(self, at: float, who: str) -> float:
        refusal = self.ask(at, who)
        assert refusal is not None
        return refusal.until


def dead(at: float = 0.0, *, retry: RetryPolicy = STEADY) -> Subject:
    """A target that was silent to two accounts at this time; the first probe is due 60 s later."""
    subject = Subject(retry)
    subject.fail(at, "alice")
    subject.fail(at, "bob")
    return subject


class TestOrder:
    def test_nothing_is_known_in_the_beginning(self) -> None:
        subject = Subject()
        targets = (target(1), target(2))
        assert subject.marks.order(targets, 0.0) is targets
        assert subject.may(0.0)
        assert subject.marks.answered(target(), 0.0) == ()
        subject.marks.forget("alice")
        assert len(subject.marks.held) == 0

    @pytest.mark.parametrize("row", [SILENCE, REFUSED, CLOSED, HANDSHAKE, GAVE_UP, OVERLOADED])
    def test_DNS_16_a_target_that_failed_comes_after_the_others(self, row: Row) -> None:
        subject = Subject()
        subject.fail(0.0, row=row)
        targets = [target(1), target(2), target(3)]
        assert subject.marks.order(targets, 59.9) == [target(2), target(3), target(1)]
        assert subject.marks.order(targets, 60.0) == targets

    def test_DNS_16_of_marked_targets_the_least_recently_failed_is_tried(self) -> None:
        subject = Subject()
        for at, number in ((3.0, 1), (1.0, 2), (2.0, 3)):
            subject.fail(at, to=target(number))
        assert subject.marks.order([target(1), target(2), target(3)], 10.0) == [target(2), target(3), target(1)]

    def test_DNS_16_a_minute_doubles_up_to_ten(self) -> None:
        subject = Subject()
        at, waits = 0.0, []
        for _ in range(7):
            subject.fail(at)
            # One account alone is nobody else's business, and so the target may be tried.
            assert subject.may(at)
            begun = at
            while subject.marks.order([target(1), target(2)], at)[0] != target(1):
                at += 1.0
            waits.append(at - begun)
        assert waits == [60, 120, 240, 480, 600, 600, 600]

    def test_DNS_16_attempts_that_ran_side_by_side_count_once(self) -> None:
        subject = Subject()
        for second in range(60):
            subject.fail(float(second), row=GAVE_UP)
        assert subject.marks.order([target(1), target(2)], 118.9)[0] == target(2)
        assert subject.marks.order([target(1), target(2)], 119.0)[0] == target(1)

    def test_DNS_16_an_answer_clears_the_mark(self) -> None:
        subject = Subject()
        subject.fail(0.0)
        assert subject.marks.answered(target(), 1.0) == ("alice",)
        assert subject.marks.order([target(1), target(2)], 1.0)[0] == target(1)
        assert len(subject.marks.held) == 0

    def test_a_mark_is_on_an_address_whatever_its_name(self) -> None:
        subject = Subject()
        subject.fail(0.0)
        others = [target(port=5070), target(transport=Transport.TCP)]
        assert subject.marks.order([target(name="b.test"), *others], 1.0) == [*others, target(name="b.test")]

    def test_a_certificate_for_another_name_is_not_held_against_the_address(self) -> None:
        subject = Subject()
        subject.fail(0.0, row=TROUBLES["TLS-1"])
        assert len(subject.marks.held) == 0

    def test_no_more_than_4096_marks_the_oldest_goes(self) -> None:
        subject = Subject()
        for port in range(MOST_MARKS + 1):
            subject.fail(0.0, to=target(port=port))
            subject.fail(1.0, to=target(port=1))
        assert len(subject.marks.held) == MOST_MARKS == 4096
        marked = [port for port in range(MOST_MARKS + 1) if subject.marks.answered(target(port=port), 2.0)]
        # The first was forgotten; the second failed again all the time.
        assert marked == list(range(1, MOST_MARKS + 1))


class TestRetryAfter:
    def test_DNS_17_a_503_with_retry_after_blocks_the_target_for_every_account(self) -> None:
        subject = Subject()
        subject.fail(0.0, row=OVERLOADED, wait=120.0)
        for who in ("alice", "bob"):
            refusal = subject.ask(119.9, who)
            assert refusal is not None
            assert refusal.row == "DNS-17"
            # Never earlier than it said, and not all at once.
            assert 120.0 <= refusal.until <= 122.0
            assert subject.may(120.0, who)
        assert subject.marks.order([target(1), target(2)], 119.9)[0] == target(2)

    def test_DNS_17_a_503_without_retry_after_blocks_nobody(self) -> None:
        subject = Subject()
        subject.fail(0.0, row=OVERLOADED)
        assert subject.may(1.0)
        subject.fail(0.0, row=OVERLOADED, wait=0.0)
        assert subject.may(1.0)

    def test_DNS_17_the_longer_word_counts(self) -> None:
        subject = Subject()
        subject.fail(0.0, row=OVERLOADED, wait=120.0)
        subject.fail(1.0, "bob", OVERLOADED, wait=10.0)
        subject.fail(2.0, "carol", OVERLOADED)
        assert not subject.may(119.0)

    def test_DNS_17_others_who_are_served_do_not_shorten_it(self) -> None:
        subject = Subject()
        subject.fail(0.0, row=OVERLOADED, wait=120.0)
        assert subject.marks.answered(target(), 1.0) == ()
        assert not subject.may(119.0)
        assert subject.marks.order([target(1), target(2)], 119.0)[0] == target(2)
        subject.marks.network_changed(2.0)
        assert not subject.may(119.0)
        assert subject.marks.answered(target(), 120.0) == ()
        assert len(subject.marks.held) == 0

    def test_DNS_17_the_application_may_try_once_a_second(self) -> None:
        subject = Subject()
        subject.fail(0.0, row=OVERLOADED, wait=120.0)
        assert subject.may(1.0, "alice", insist=True)
        # Asked again because it had to wait for its turn.
        assert subject.may(1.5, "alice")
        assert not subject.may(2.4, "bob", insist=True)
        assert subject.may(2.5, "bob", insist=True)
        subject.fail(2.6, "bob", OVERLOADED, wait=60.0)
        assert not subject.may(2.7, "bob")

    def test_DNS_17_a_silence_while_it_is_blocked(self) -> None:
        subject = Subject()
        subject.fail(0.0, row=OVERLOADED, wait=120.0)
        assert subject.may(1.0, "alice", insist=True)
        subject.fail(33.0, "alice")
        # One silence proves nothing.
        assert subject.may(120.0, "bob")
        assert subject.may(120.0, "carol")


class TestDead:
    def test_OVL_7_a_target_that_is_silent_to_one_account_alone_is_not_dead(self) -> None:
        subject = Subject()
        for second in range(0, 1000, 100):
            subject.fail(float(second))
            assert subject.may(second + 1.0, "bob")

    def test_OVL_7_an_answer_in_between_proves_that_it_lives(self) -> None:
        subject = Subject()
        subject.fail(0.0, "alice")
        subject.marks.answered(target(), 1.0)
        subject.fail(2.0, "bob")
        assert subject.may(3.0, "carol")

    @pytest.mark.parametrize("row", [GAVE_UP, OVERLOADED])
    def test_OVL_7_a_bad_answer_proves_it_too(self, row: Row) -> None:
        subject = Subject()
        subject.fail(0.0, "alice")
        subject.fail(1.0, "bob", row)
        subject.fail(2.0, "carol")
        assert subject.may(3.0, "dave")
        subject.fail(4.0, "dave")
        assert not subject.may(5.0, "erin")
        subject.fail(6.0, "frank", row)
        assert subject.may(7.0, "erin")

    @pytest.mark.parametrize("row", [SILENCE, REFUSED, CLOSED, HANDSHAKE])
    def test_OVL_7_one_that_was_silent_to_two_is_left_alone_by_all(self, row: Row) -> None:
        subject = Subject()
        subject.fail(0.0, "alice", row)
        subject.fail(1.0, "bob", row)
        for who in ("alice", "bob", "carol"):
            refusal = subject.ask(2.0, who)
            assert refusal is not None
            assert refusal.row == row.id

    def test_OVL_7_who_comes_first_probes_the_others_come_when_that_is_decided(self) -> None:
        subject = dead()
        assert subject.until(1.0, "carol") == 60.0
        assert subject.until(2.0, "carol") == 60.0
        for who in ("alice", "bob", "dave"):
            assert 60.0 + TIMER_F <= subject.until(3.0, who) <= 62.0 + TIMER_F
        assert subject.may(60.0, "carol")
        assert subject.may(61.0, "carol")  # its turn toward the target has come
        for who in ("alice", "bob", "dave"):
            assert 61.0 + TIMER_F <= subject.until(70.0, who) <= 63.0 + TIMER_F

    def test_OVL_7_very_many_who_wait_are_spread_over_a_longer_time(self) -> None:
        subject = dead()
        until = [subject.until(1.0, f"user{number}") for number in range(10_000)][1:]
        assert max(until[:900]) <= 62.0 + TIMER_F
        assert 78.0 + TIMER_F < max(until) <= 80.0 + TIMER_F

    def test_OVL_7_nobody_needs_to_come_on_the_minute(self) -> None:
        subject = dead()
        assert subject.may(60.0, "zoe")
        assert not subject.may(60.0, "alice")

    def test_OVL_7_the_interval_doubles_up_to_half_an_hour_and_every_probe_is_of_another_account(self) -> None:
        subject = dead()
        at = 0.0
        intervals: list[float] = []
        probers: list[str] = []
        for _ in range(8):
            begun = at
            refused = {who: subject.until(at + 1.0, who) for who in sorted({"alice", "bob", "carol"} - {*probers[-1:]})}
            who = min(refused, key=lambda who: refused[who])
            at = refused[who]
            assert subject.may(at, who)
            intervals.append(at - begun)
            probers.append(who)
            subject.fail(at, who)
        assert intervals == [60, 120, 240, 480, 960, 1800, 1800, 1800]
        assert all(one != other for one, other in pairwise(probers))

    def test_OVL_7_the_jitter_of_the_policy_counts(self) -> None:
        subject = dead(retry=RetryPolicy())
        assert 30.0 <= subject.until(0.0, "carol") <= 60.0

    def test_OVL_7_attempts_that_began_before_it_was_known_do_not_stretch_the_interval(self) -> None:
        subject = dead()
        for number in range(100):
            subject.fail(1.0, f"user{number}")
        assert subject.until(1.0, "carol") == 60.0
        # They wait for its recovery like all others.
        assert len(subject.marks.answered(target(), 2.0)) == 103

    def test_OVL_7_when_it_answers_all_who_waited_are_named_once(self) -> None:
        subject = dead()
        for who in ("carol", "dave", "carol"):
            subject.until(1.0, who)
        assert subject.may(60.0, "carol")
        assert subject.marks.answered(target(), 61.0) == ("alice", "bob", "carol", "dave")
        assert subject.marks.answered(target(), 61.0) == ()
        assert subject.may(61.0, "dave")
        assert subject.marks._waiting == {}

    def test_OVL_7_an_explicit_attempt_counts_as_a_probe_once_a_second(self) -> None:
        subject = dead()
        subject.until(1.0, "carol")
        assert subject.may(2.0, "dave", insist=True)
        assert not subject.may(2.9, "alice", insist=True)
        assert subject.may(3.0, "alice", insist=True)
        # The earlier one is not the probe any more, so that hammering does not stretch the interval.
        subject.fail(34.0, "dave")
        assert subject.until(34.0, "bob") >= 3.0 + TIMER_F
        subject.fail(35.0, "alice")
        assert subject.until(36.0, "bob") == 155.0

    def test_OVL_7_who_is_to_probe_and_does_not_come_is_replaced(self) -> None:
        subject = dead()
        subject.until(1.0, "carol")
        at = subject.until(1.0, "dave")
        assert not subject.may(60.0, "dave")
        assert subject.may(at, "dave")
        assert not subject.may(at, "carol")
        # A probe that is never decided does not hold up the next one either.
        assert subject.may(at + TIMER_F, "carol")

    def test_OVL_7_who_is_removed_is_replaced_at_once(self) -> None:
        subject = dead()
        subject.until(1.0, "carol")
        subject.marks.forget("carol")
        assert subject.until(2.0, "dave") == 60.0
        subject.marks.forget("alice")
        assert subject.may(60.0, "dave")
        subject.marks.forget("dave")
        assert subject.may(60.5, "bob")
        assert subject.marks.answered(target(), 61.0) == ("bob",)

    def test_OVL_7_another_network_is_another_chance(self) -> None:
        subject = dead()
        subject.marks.network_changed(1.0)
        assert subject.may(1.0)
        assert len(subject.marks.held) == 0
        assert subject.marks._waiting == {}

    def test_OVL_7_several_targets_are_dead_by_themselves(self) -> None:
        subject = dead()
        subject.fail(0.0, "alice", to=target(2))
        assert subject.may(1.0, to=target(2))
        subject.fail(2.0, "bob", to=target(2))
        assert not subject.may(3.0, to=target(2))
        assert subject.marks.answered(target(2), 4.0) == ("alice", "bob")
        assert not subject.may(5.0)
        subject.marks.forget("alice")
        assert subject.marks.answered(target(), 6.0) == ("bob",)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["ask", "insist", "silent", "503", "answer", "forget", "network"]),
            st.sampled_from(["alice", "bob", "carol", "dave"]),
            st.floats(0.0, 2000.0),
        ),
        max_size=60,
    )
)
def test_OVL_7_whatever_happens_nobody_is_stuck(steps: list[tuple[str, str, float]]) -> None:
    subject = Subject(RetryPolicy())
    now = 0.0
    for what, who, wait in steps:
        now += wait
        happens: dict[str, Callable[[], object]] = {
            "silent": lambda: subject.fail(now, who),  # noqa: B023
            "503": lambda: subject.fail(now, who, OVERLOADED, wait=wait / 2),  # noqa: B023
            "answer": lambda: subject.marks.answered(target(), now),  # noqa: B023
            "forget": lambda: subject.marks.forget(who),  # noqa: B023
            "network": lambda: subject.marks.network_changed(now),  # noqa: B023
        }
        if what in happens:
            happens[what]()
        else:
            refusal = subject.ask(now, who, insist=what == "insist")
            # The longest interval, the time that a probe takes, the jitter; the Retry-After here is shorter.
            assert refusal is None or now <= refusal.until <= now + 1800.0 + TIMER_F + 2.0
        assert all(subject.marks._waiting.values())
    refusal = subject.ask(now, "erin")
    for _ in range(3):
        if refusal is not None:
            now = refusal.until
            refusal = subject.ask(now, "erin")
    assert refusal is None
