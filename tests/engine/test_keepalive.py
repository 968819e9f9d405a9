"""Keeping one flow alive, on plain numbers: RFC 5626 4.4, RFC 6223."""

from __future__ import annotations

import math
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from aiosipreg.engine.agreement import Agreement
from aiosipreg.engine.keepalive import Alive, Dead, KeepAlive, Octets, Pinger
from aiosipreg.engine.stun import binding_request
from aiosipreg.engine.targets import Transport
from aiosipreg.errors import ConfigError
from tests.engine.test_stun import message, xored

AGREED = Agreement(pongs=True, stun=True)
PLAIN = Agreement()
PING, CRLF = b"\r\n\r\n", b"\r\n"
START = 1000.0
OURS = ("203.0.113.9", 40_000)


class Subject:
    """A pinger and its time: what it sent, and what it found out."""

    def __init__(self, transport: Transport = Transport.TCP, *agreements: Agreement, seed: int = 1, **settings: Any):
        self.now = START
        self.pinger = Pinger(transport, KeepAlive(**settings), Random(seed))
        self.sent: list[tuple[float, bytes]] = []
        self.found: list[tuple[float, Alive | Dead]] = []
        self.pinger.agree(agreements, self.now)

    def take(self, signals: list[Octets | Alive | Dead] | None) -> None:
        for signal in signals or []:
            if isinstance(signal, Octets):
                self.sent.append((self.now, signal.data))
            else:
                self.found.append((self.now, signal))

    def agree(self, *agreements: Agreement) -> None:
        self.pinger.agree(agreements, self.now)

    def step(self, *, receiving: bool = False) -> None:
        deadline = self.pinger.deadline
        assert deadline is not None
        assert self.pinger.tick(deadline - 1e-6) == []
        self.now = deadline
        self.take(self.pinger.tick(self.now, receiving=receiving))
        after = self.pinger.deadline
        assert after is None or after > self.now, "a deadline that is not passed by its tick would spin"

    def run(self, seconds: float) -> None:
        until = self.now + seconds
        while (deadline := self.pinger.deadline) is not None and deadline <= until:
            self.step()
        self.now = until

    def pong(self, after: float = 0.05) -> None:
        self.now += after
        self.take(self.pinger.pong(self.now))

    def stun(self, data: bytes, after: float = 0.05) -> bool:
        """An answer of STUN; whether it counted."""
        self.now += after
        signals = self.pinger.stun(data, self.now)
        self.take(signals)
        return signals is not None

    @property
    def asked(self) -> bytes:
        """The id of the newest Binding request."""
        return self.sent[-1][1][8:]

    def mapped(self, host: str = OURS[0], port: int = OURS[1], kind: int = 0x0101) -> bytes:
        """The answer to the newest request."""
        return message(kind, (0x0020, xored(host, port, self.asked)), transaction=self.asked)

    def intervals(self, count: int = 400) -> list[float]:
        """Times from one keep-alive to the next, all of them answered at once."""
        times: list[float] = []
        while len(times) <= count:
            self.step()
            times.append(self.now)
            if self.pinger.method.name == "STUN":
                assert self.stun(self.mapped(), after=0.01)
            elif self.pinger.method.name == "PING":
                self.pong(0.01)
        return [later - earlier for earlier, later in pairwise(times)]


def spread(values: list[float], low: float, high: float) -> bool:
    """Whether values lie within bounds and use all of them."""
    width = high - low
    within = low - 1e-9 <= min(values) and max(values) <= high + 1e-9
    return within and min(values) < low + width / 10 and max(values) > high - width / 10


@pytest.mark.parametrize("value", [0, 0.5, -1.0, 7201, math.inf, math.nan])
@pytest.mark.parametrize("name", ["interval", "nat_refresh"])
def test_a_time_must_be_possible(name: str, value: float) -> None:
    with pytest.raises(ConfigError) as caught:
        KeepAlive(**{name: value})  # type: ignore[arg-type]
    assert caught.value.field == name


def test_the_default_pings_connections_blindly_and_does_nothing_over_udp() -> None:
    assert KeepAlive() == KeepAlive(interval=120.0, blind=True, keep=False, pongs=False, stun=False, nat_refresh=None)


# When


def test_nobody_pings_without_users() -> None:
    subject = Subject(Transport.TCP)
    assert subject.pinger.deadline is None
    assert subject.pinger.tick(START + 1e6) == []


def test_KA_2_every_interval_is_drawn_from_the_flow_timer() -> None:
    assert spread(Subject(Transport.TCP, Agreement(pongs=True, interval=120)).intervals(), 96, 120)
    assert spread(Subject(Transport.UDP, Agreement(stun=True, interval=120)).intervals(), 96, 120)


def test_KA_3_the_default_on_connections() -> None:
    assert spread(Subject(Transport.TCP, AGREED).intervals(), 96, 120)
    assert spread(Subject(Transport.TLS, AGREED, interval=840.0).intervals(), 672, 840)
    assert spread(Subject(Transport.TCP, PLAIN).intervals(), 96, 120)


def test_KA_4_the_default_over_udp() -> None:
    assert spread(Subject(Transport.UDP, AGREED).intervals(), 24, 29)


def test_KA_12_an_interval_shorter_than_the_wait_for_a_pong_never_has_two_pings_out() -> None:
    subject = Subject(Transport.TCP, Agreement(pongs=True, interval=10))
    for _ in range(50):
        subject.step()
        subject.pong(after=9.9)
    assert [data for _, data in subject.sent] == [PING] * 50
    assert len(subject.found) == 50


def test_the_strictest_user_decides() -> None:
    both = Subject(Transport.TCP, PLAIN, Agreement(pongs=True, interval=30), Agreement(interval=600))
    assert both.pinger.bounds == (24.0, 30.0)
    both.run(60)
    assert [type(found) for _, found in both.found] == [Dead]


def test_a_user_that_comes_brings_the_next_ping_forward_and_one_that_goes_does_not_put_it_off() -> None:
    subject = Subject(Transport.TCP, PLAIN)
    late = subject.pinger.deadline
    subject.run(10)
    subject.agree(PLAIN, PLAIN)
    assert subject.pinger.deadline == late
    subject.agree(PLAIN, Agreement(interval=20))
    soon = subject.pinger.deadline
    assert soon is not None
    assert subject.now + 16 <= soon <= subject.now + 20
    subject.agree(PLAIN)
    assert subject.pinger.deadline == soon
    subject.agree()
    assert subject.pinger.deadline is None


# Connections


def test_KA_5_a_ping_is_two_crlf_and_its_pong_one() -> None:
    subject = Subject(Transport.TLS, AGREED)
    subject.step()
    assert [data for _, data in subject.sent] == [PING]
    subject.pong()
    assert [found for _, found in subject.found] == [Alive()]
    subject.pong()
    assert len(subject.found) == 1  # One that answers nothing says nothing.


def test_KA_6_without_a_pong_within_ten_seconds_the_flow_has_failed() -> None:
    subject = Subject(Transport.TCP, AGREED)
    subject.step()
    pinged_at = subject.now
    subject.step()
    assert subject.found == [(pinged_at + 10, Dead("no answer to a ping within 10 s"))]
    assert subject.pinger.deadline is None


def test_KA_6_a_message_that_is_just_arriving_is_read_to_its_end() -> None:
    subject = Subject(Transport.TCP, AGREED)
    subject.step()
    pinged_at = subject.now
    subject.step(receiving=True)
    subject.step(receiving=True)
    assert subject.found == []
    subject.step()
    [(at, found)] = subject.found
    assert at == pytest.approx(pinged_at + 11)
    assert found == Dead("no answer to a ping within 11 s")


def test_KA_6_a_pong_behind_that_message_saves_the_flow() -> None:
    subject = Subject(Transport.TCP, AGREED)
    subject.step()
    subject.step(receiving=True)
    subject.pong(0.2)
    assert [found for _, found in subject.found] == [Alive()]


def test_KA_6_nor_do_messages_without_end_put_it_off_for_ever() -> None:
    subject = Subject(Transport.TCP, AGREED)
    subject.step()
    pinged_at = subject.now
    while not subject.found:
        subject.step(receiving=True)
    assert subject.now == pytest.approx(pinged_at + 20)


def test_KA_8_blind_pings_never_fail_a_flow() -> None:
    subject = Subject(Transport.TCP, PLAIN)
    subject.run(86_400)
    assert subject.found == []
    assert 720 <= len(subject.sent) <= 900
    assert {data for _, data in subject.sent} == {PING}
    subject.pong()
    assert subject.found == []
    assert Subject(Transport.TCP, PLAIN, blind=False).pinger.deadline is None


def test_KA_13_without_an_agreement_any_more_no_answer_is_missed() -> None:
    subject = Subject(Transport.TCP, AGREED)
    subject.step()
    subject.agree(PLAIN)
    subject.run(600)
    assert subject.found == []
    silent = Subject(Transport.TCP, AGREED, blind=False)
    silent.step()
    silent.agree(PLAIN)
    assert silent.pinger.deadline is None
    assert silent.pinger.pong(silent.now) == []


# UDP


@pytest.mark.parametrize(
    ("transport", "agreement", "settings", "sent"),
    [
        (Transport.UDP, PLAIN, {}, None),
        (Transport.UDP, PLAIN, {"blind": True, "interval": 60.0}, None),
        (Transport.UDP, Agreement(pongs=True), {}, None),
        (Transport.UDP, PLAIN, {"nat_refresh": 15.0}, "crlf"),
        (Transport.UDP, Agreement(pongs=True, interval=30), {"nat_refresh": 15.0}, "crlf"),
        (Transport.UDP, Agreement(stun=True), {"nat_refresh": 15.0}, "stun"),
        (Transport.TCP, PLAIN, {"nat_refresh": 15.0, "blind": False}, None),
        (Transport.TCP, Agreement(stun=True), {"blind": False}, None),
        (Transport.WSS, Agreement(pongs=True, stun=True), {}, "ping"),
        (Transport.WS, PLAIN, {}, None),  # It pings by itself (WS-7).
        (Transport.WSS, PLAIN, {}, None),
        (Transport.TLS, PLAIN, {"nat_refresh": 15.0}, "ping"),
    ],
)
def test_KA_7_9_what_goes_over_what(
    transport: Transport, agreement: Agreement, settings: dict[str, Any], sent: str | None
) -> None:
    subject = Subject(transport, agreement, **settings)
    if sent is None:
        assert subject.pinger.deadline is None
        return
    subject.step()
    [(_, data)] = subject.sent
    assert data == {"crlf": CRLF, "ping": PING}.get(sent, binding_request(subject.asked))


def test_KA_7_a_nat_refresh_expects_nothing() -> None:
    subject = Subject(Transport.UDP, PLAIN, nat_refresh=15.0)
    assert spread(subject.intervals(), 12, 15)
    assert {data for _, data in subject.sent} == {CRLF}
    subject.pong()
    assert not subject.stun(subject.mapped())
    assert subject.found == []


def test_KA_10_the_times_of_an_unanswered_request() -> None:
    subject = Subject(Transport.UDP, AGREED)
    subject.step()
    begun = subject.now
    subject.run(60)
    assert [at - begun for at, _ in subject.sent] == pytest.approx([0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5])
    assert {data for _, data in subject.sent} == {binding_request(subject.asked)}
    [(at, found)] = subject.found
    assert at - begun == pytest.approx(39.5)
    assert found == Dead("no answer to STUN within 40 s")


def test_KA_10_a_late_answer_to_any_copy_will_do() -> None:
    subject = Subject(Transport.UDP, AGREED)
    subject.step()
    first = subject.asked
    subject.run(20)
    assert subject.asked == first
    assert subject.stun(subject.mapped())
    assert [found for _, found in subject.found] == [Alive()]
    assert subject.pinger.mapped == OURS


def test_KA_10_each_request_has_an_id_of_its_own() -> None:
    subject = Subject(Transport.UDP, AGREED)
    subject.intervals(50)
    assert len({data for _, data in subject.sent}) == 51


def test_KA_11_another_address_is_another_flow() -> None:
    subject = Subject(Transport.UDP, AGREED)
    subject.step()
    subject.stun(subject.mapped())
    subject.step()
    subject.stun(subject.mapped(port=40_001))
    assert [found for _, found in subject.found] == [Alive(), Dead("the NAT gave us another address")]


def test_KA_11_an_answer_without_address_only_says_that_somebody_is_there() -> None:
    subject = Subject(Transport.UDP, AGREED)
    subject.step()
    subject.stun(subject.mapped())
    subject.step()
    subject.stun(message(0x0101, transaction=subject.asked))
    subject.step()
    subject.stun(subject.mapped())
    assert [found for _, found in subject.found] == [Alive()] * 3


@pytest.mark.parametrize(
    ("kind", "attributes", "cause"),
    [
        (0x0111, [(0x0009, b"\x00\x00\x04\x00")], "STUN error 400"),
        (0x0101, [(0x0002, b"1234")], "a STUN answer with unknown attribute 0x0002"),
    ],
)
def test_KA_11_errors_and_what_is_not_understood(kind: int, attributes: list[tuple[int, bytes]], cause: str) -> None:
    subject = Subject(Transport.UDP, AGREED)
    subject.step()
    assert subject.stun(message(kind, *attributes, transaction=subject.asked))
    assert [found for _, found in subject.found] == [Dead(cause)]


def test_SEC_29_what_nobody_asked_for_counts_for_nothing() -> None:
    subject = Subject(Transport.UDP, AGREED)
    assert not subject.stun(message(0x0111, transaction=bytes(12)))
    subject.step()
    assert not subject.stun(message(0x0111, transaction=bytes(12)))
    assert not subject.stun(b"\x01\x01")
    assert subject.stun(subject.mapped())
    assert not subject.stun(subject.mapped(port=1))  # The answer came already.
    assert [found for _, found in subject.found] == [Alive()]


def test_SEC_29_a_connection_takes_no_stun() -> None:
    subject = Subject(Transport.TCP, AGREED)
    subject.step()
    assert not subject.stun(message(0x0101, transaction=bytes(12)))


def test_SEC_29_one_request_is_out_at_a_time() -> None:
    subject = Subject(Transport.UDP, Agreement(stun=True, interval=10))
    subject.step()
    begun = subject.now
    subject.run(39)
    assert len({data for _, data in subject.sent}) == 1
    assert subject.stun(subject.mapped())
    assert subject.pinger.deadline is not None
    assert subject.pinger.deadline >= begun + 39


def test_a_long_sleep_ends_with_a_question_and_not_with_a_verdict() -> None:
    subject = Subject(Transport.TCP, AGREED)
    subject.now += 7200
    subject.take(subject.pinger.tick(subject.now))
    assert [data for _, data in subject.sent] == [PING]
    assert subject.found == []
