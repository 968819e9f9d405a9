"""The client transaction in plain numbers: when it sends, when it gives up, what it answers to."""

from __future__ import annotations

import re
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiosipreg.engine.timers import SipTimers
from aiosipreg.engine.transaction import ClientTransaction, TransactionState, TransactionTable, new_branch

TIMERS = SipTimers()
START = 100.0
COPIES = [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
TRYING, PROCEEDING, COMPLETED = TransactionState.TRYING, TransactionState.PROCEEDING, TransactionState.COMPLETED
TIMED_OUT, TIMED_OUT_PROCEEDING = TransactionState.TIMED_OUT, TransactionState.TIMED_OUT_PROCEEDING
OVER = (COMPLETED, TIMED_OUT, TIMED_OUT_PROCEEDING)


def transaction(*, reliable: bool = False, timers: SipTimers = TIMERS) -> ClientTransaction:
    return ClientTransaction("z9hG4bK1", b"REGISTER ...", reliable=reliable, timers=timers, now=START)


def run(subject: ClientTransaction, answers: dict[float, int] | None = None, until: float = 40.0) -> list[float]:
    """Let time pass, ticking at each deadline and no other time; the times of the copies after the first."""
    copies = []
    waiting = sorted((answers or {}).items())
    while subject.state not in OVER and (at := subject.deadline - START) <= until:
        if waiting and waiting[0][0] <= at:
            subject.received(waiting.pop(0)[1])
        elif subject.tick(START + at):
            copies.append(at)
    return copies


# Sending


def test_TXN_1_starts_in_trying_with_timers_e_and_f() -> None:
    subject = transaction()
    assert (subject.state, subject.deadline) == (TRYING, 100.5)
    assert transaction(reliable=True).deadline == 132.0


def test_TXN_2_eleven_copies_in_all() -> None:
    subject = transaction()
    assert run(subject) == COPIES
    assert len(COPIES) + 1 == 11
    assert subject.state is TIMED_OUT


def test_TXN_2_nothing_is_sent_before_its_time() -> None:
    subject = transaction()
    assert not subject.tick(START)
    assert not subject.tick(START + 0.499)
    assert subject.tick(START + 0.5)
    assert not subject.tick(START + 0.5)


def test_TXN_3_copies_are_the_same_octets() -> None:
    subject = transaction()
    data = subject.data
    run(subject)
    assert subject.data is data
    assert subject.branch == "z9hG4bK1"


def test_TXN_4_reliable_transports_never_retransmit() -> None:
    subject = transaction(reliable=True)
    assert run(subject, {0.2: 100}) == []
    assert subject.state is TIMED_OUT_PROCEEDING


@pytest.mark.parametrize(
    ("answers", "copies"),
    [
        ({0.2: 100}, [0.5, 4.5, 8.5, 12.5, 16.5, 20.5, 24.5, 28.5]),
        ({0.2: 100, 5.0: 180, 5.1: 199}, [0.5, 4.5, 8.5, 12.5, 16.5, 20.5, 24.5, 28.5]),
        ({2.0: 183}, [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]),
        ({31.9: 100}, COPIES),
    ],
)
def test_TXN_5_provisional_answer_slows_the_copies_down(answers: dict[float, int], copies: list[float]) -> None:
    subject = transaction()
    assert run(subject, answers) == copies
    assert subject.state is TIMED_OUT_PROCEEDING


def test_TXN_5_provisional_answer_leaves_the_running_timer_alone() -> None:
    subject = transaction()
    subject.received(100)
    assert (subject.state, subject.deadline) == (PROCEEDING, 100.5)


def test_TXN_12_derived_times_follow() -> None:
    assert run(transaction(timers=SipTimers(t1=2, t2=4)), until=200) == [2, *range(6, 128, 4)]
    assert run(transaction(timers=SipTimers(t1=0.25, t2=1)), until=200) == [
        0.25,
        0.75,
        *(n + 0.75 for n in range(1, 16)),
    ]


# Ending


@pytest.mark.parametrize("status", [200, 299, 302, 401, 408, 423, 503, 699])
@pytest.mark.parametrize("provisional", [(), (100,), (180, 183)])
def test_TXN_6_first_final_answer_counts_once(status: int, provisional: tuple[int, ...]) -> None:
    subject = transaction()
    assert [subject.received(early) for early in provisional] == [False] * len(provisional)
    assert subject.received(status)
    assert subject.state is COMPLETED
    assert [subject.received(later) for later in (status, 200, 100, 500)] == [False] * 4
    assert subject.state is COMPLETED


def test_TXN_6_nothing_is_sent_after_the_final_answer() -> None:
    subject = transaction()
    subject.received(200)
    assert [subject.tick(START + at) for at in (0.5, 1.5, 32.0, 500.0)] == [False] * 4
    assert subject.state is COMPLETED


def test_TXN_7_silence_ends_after_64_t1() -> None:
    subject = transaction()
    assert not subject.tick(START + 32.0)
    assert subject.state is TIMED_OUT


def test_TXN_7_provisional_answer_is_told_apart() -> None:
    subject = transaction()
    subject.received(100)
    assert not subject.tick(START + 32.0)
    assert subject.state is TIMED_OUT_PROCEEDING
    # Still the same when asked again.
    assert not subject.tick(START + 33.0)
    assert subject.state is TIMED_OUT_PROCEEDING


def test_TXN_7_answer_after_the_timeout_changes_nothing() -> None:
    subject = transaction()
    subject.tick(START + 32.0)
    assert not subject.received(200)
    assert subject.state is TIMED_OUT


@pytest.mark.parametrize("late", [0.6, 1.5, 3.0, 9.0, 20.0, 31.9])
def test_REG_37_suspend_sends_one_copy_not_a_burst(late: float) -> None:
    subject = transaction()
    assert subject.tick(START + late)
    assert not subject.tick(START + late)
    assert subject.deadline > START + late


def test_REG_37_late_timer_keeps_the_times_of_the_later_copies() -> None:
    subject = transaction()
    assert subject.tick(START + 0.7)
    assert subject.deadline == 101.5


def test_REG_37_suspend_beyond_timer_f_is_a_timeout() -> None:
    subject = transaction()
    assert not subject.tick(START + 7200)
    assert subject.state is TIMED_OUT


STEPS = st.lists(st.one_of(st.floats(0, 20), st.integers(100, 699)), max_size=40)


@given(STEPS, st.booleans())
def test_TXN_6_7_any_history_has_one_end(steps: list[float | int], reliable: bool) -> None:
    """Numbers with a fraction let time pass, whole ones are answers."""
    subject, now, copies, finals = transaction(reliable=reliable), START, 0, 0
    over: TransactionState | None = None
    for step in steps:
        if isinstance(step, int):
            final = subject.received(step)
            assert final == (step >= 200 and over is None)
            finals += final
        else:
            now += step
            sent = subject.tick(now)
            assert not sent or now < START + 32
            copies += sent
        assert over in (None, subject.state)
        if subject.state in OVER:
            over = subject.state
        else:
            assert subject.deadline <= START + 32
    assert finals == (over is COMPLETED)
    assert copies <= (0 if reliable else 10)


# Branches


def test_TXN_11_branch_is_the_cookie_and_64_bits_in_lower_case() -> None:
    branches = [new_branch(Random(seed)) for seed in range(200)]
    assert all(re.fullmatch(r"z9hG4bK[0-9a-f]{16}", branch) for branch in branches)
    numbers = [int(branch[7:], 16) for branch in branches]
    assert all(0 < sum(number >> bit & 1 for number in numbers) < 200 for bit in range(64))


def test_TXN_11_branches_are_never_used_again() -> None:
    source = Random(1)
    assert len({new_branch(source) for _ in range(1_000_000)}) == 1_000_000


# Matching


def table() -> TransactionTable[str]:
    subject: TransactionTable[str] = TransactionTable(TIMERS)
    subject.open("z9hG4bKa", "alice")
    subject.open("z9hG4bKb", "bob")
    return subject


def test_TXN_9_answers_match_by_branch_and_method() -> None:
    subject = table()
    assert subject.match("z9hG4bKa", "REGISTER") == "alice"
    assert subject.match("z9hG4bKb", "REGISTER") == "bob"
    assert len(subject) == 2


@pytest.mark.parametrize(
    ("branch", "method"),
    [
        ("z9hG4bKa", "INVITE"),
        ("z9hG4bKa", "register"),
        ("z9hG4bKc", "REGISTER"),
        ("z9hG4cKa", "REGISTER"),
        ("a", "REGISTER"),
        ("", "REGISTER"),
    ],
)
def test_TXN_9_nothing_weaker_matches(branch: str, method: str) -> None:
    assert table().match(branch, method) is None
    assert not table().is_repeat(branch)


def test_GRM_17_branches_compare_without_case() -> None:
    subject = table()
    assert subject.match("Z9HG4BKA", "REGISTER") == "alice"
    subject.close("z9hG4bKa", 0.0)
    assert subject.is_repeat("z9HG4bKA")


def test_TXN_6_repeats_are_absorbed_for_timer_k() -> None:
    subject = table()
    subject.close("z9hG4bKa", 10.0)
    assert subject.match("z9hG4bKa", "REGISTER") is None
    assert subject.is_repeat("z9hG4bKa")
    assert not subject.is_repeat("z9hG4bKb")
    subject.close("z9hG4bKb", 14.9)
    assert subject.is_repeat("z9hG4bKa")
    subject.open("z9hG4bKc", "carol")
    subject.close("z9hG4bKc", 15.0)
    assert subject.is_repeat("z9hG4bKb")
    subject.open("z9hG4bKd", "dora")
    subject.close("z9hG4bKd", 20.0)
    assert not subject.is_repeat("z9hG4bKa")
    assert subject.is_repeat("z9hG4bKc")


def test_TXN_10_answer_after_timer_k_is_a_strangers() -> None:
    subject = table()
    for number in range(1000):
        subject.open(f"z9hG4bK{number}", "")
        subject.close(f"z9hG4bK{number}", float(number))
    assert [number for number in range(1000) if subject.is_repeat(f"z9hG4bK{number}")] == [*range(990, 1000)]
    assert len(subject) == 2


def test_no_more_than_some_thousand_branches_are_searched() -> None:
    subject = table()
    for number in range(10_000):
        subject.open(f"z9hG4bK{number}", "")
        subject.close(f"z9hG4bK{number}", number / 10_000)
    known = [number for number in range(10_000) if subject.is_repeat(f"z9hG4bK{number}")]
    assert known == [*range(known[0], 10_000)]
    assert 2000 < len(known) < 6000


def test_TXN_14_closing_what_is_not_open_changes_nothing() -> None:
    subject = table()
    subject.close("z9hG4bKx", 0.0)
    assert not subject.is_repeat("z9hG4bKx")
    subject.close("z9hG4bKa", 0.0)
    subject.close("z9hG4bKa", 4.0)
    subject.close("z9hG4bKb", 10.0)
    assert not subject.is_repeat("z9hG4bKa")


def test_TXN_3_copy_of_an_open_request_keeps_its_owner() -> None:
    subject = table()
    subject.open("z9hG4bKa", "alice")
    assert len(subject) == 2
    assert subject.match("z9hG4bKa", "REGISTER") == "alice"
